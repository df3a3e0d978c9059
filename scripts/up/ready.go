package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ready returns when every service and the portal say that they are, and tells
// meanwhile what it waits for.
func (s *suite) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyCap, fmt.Errorf("%.0f 分钟后仍未就绪", readyCap.Minutes()))
	defer cancel()
	var said string
	at := time.Now()
	for {
		waiting := strings.Join(s.waiting(ctx), "、")
		if waiting == "" {
			return nil
		}
		if since := time.Since(at); ctx.Err() == nil && (waiting != said && since > time.Second || since > 15*time.Second) {
			say("等待：%s", waiting)
			said, at = waiting, time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w（在等：%s）；日志在 %s", context.Cause(ctx), waiting, s.data.At("log"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// waiting names who is not ready, and for what.
func (s *suite) waiting(ctx context.Context) []string {
	type probe struct{ name, url string }
	var probes []probe
	for _, v := range s.present() {
		probes = append(probes, probe{v.name, s.url(v.port)})
	}
	if s.has("portal", "portal") {
		probes = append(probes, probe{"portal", s.url(publicPort)})
	}
	lacks := make([]string, len(probes))
	var wait sync.WaitGroup
	for i, p := range probes {
		wait.Go(func() { lacks[i] = lacking(ctx, p.name, p.url) })
	}
	wait.Wait()
	return slices.DeleteFunc(lacks, func(s string) bool { return s == "" })
}

// lacking is name, and in brackets what its /readyz complains of; "" if it is ready.
func lacking(ctx context.Context, name, url string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return name
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return name + "（未应答）"
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return ""
	}
	var state map[string]any
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&state) // without it the name alone must do
	var why []string
	for check, v := range state {
		if text, ok := v.(string); ok && text != "ok" {
			why = append(why, check)
		}
	}
	slices.Sort(why)
	if len(why) == 0 {
		return name
	}
	return name + "(" + strings.Join(why, ", ") + ")"
}
