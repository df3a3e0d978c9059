package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// A person acts through one of the portal's two front doors.
type person struct {
	s            *story
	name, door   string // door is the base URL
	client       *http.Client
	cookie, csrf string
}

// patience is how long a person asks again while a service is away.
const patience = 2 * time.Minute

// login opens a session as the persona name.
func (s *story) login(ctx context.Context, name, door string) (*person, error) {
	p := &person{s: s, name: name, door: door, client: &http.Client{Timeout: 30 * time.Second}}
	body, _ := json.Marshal(map[string]string{"persona": name}) // a map of strings always marshals
	resp, err := p.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, door+"/trial/login", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		return p.client.Do(r)
	})
	if err != nil {
		return nil, fmt.Errorf("login %s: %w", name, err)
	}
	defer resp.Body.Close()
	var said struct{ CSRF string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		return nil, fmt.Errorf("login %s: %s, %w", name, resp.Status, err)
	}
	p.csrf, p.cookie = said.CSRF, resp.Cookies()[0].Name+"="+resp.Cookies()[0].Value
	return p, nil
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
	trace  string // id of what it set off; in trial mode
}

// get asks; path begins with the service's name.
func (p *person) get(ctx context.Context, path string) answer {
	return p.send(ctx, http.MethodGet, path, "", nil)
}

// post acts, and acts again with the same Idempotency-Key: the second answer
// must be the first. A refusal changed nothing and is not kept: what it rests on
// may have changed when it is asked for again.
func (p *person) post(ctx context.Context, path string, body any) answer {
	key := uuid.NewString()
	first := p.send(ctx, http.MethodPost, path, key, body)
	p.s.moment(ctx)
	again := p.send(ctx, http.MethodPost, path, key, body)
	p.s.posts++
	if first.status < 300 && (first.status != again.status || !sameJSON(first.body, again.body)) {
		p.s.fail("同一 Idempotency-Key 两次请求 %s 答复不同：\n    %d %s\n    %d %s", path, first.status, first.body, again.status, again.body)
	}
	return first
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	ma, _ := json.Marshal(x) // what was unmarshalled marshals
	mb, _ := json.Marshal(y)
	return bytes.Equal(ma, mb)
}

func (p *person) send(ctx context.Context, method, path, key string, body any) answer {
	var said []byte
	if body != nil {
		said, _ = json.Marshal(body) // the story's own maps
	}
	resp, err := p.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, p.door+"/api/"+path, bytes.NewReader(said))
		if err != nil {
			return nil, err
		}
		if p.cookie != "" {
			r.Header.Set("Cookie", p.cookie)
			r.Header.Set("X-CSRF-Token", p.csrf)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", key)
		}
		return p.client.Do(r)
	})
	if err != nil {
		return answer{body: []byte(err.Error())}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: []byte(err.Error())}
	}
	return answer{resp.StatusCode, b, resp.Header.Get("X-Trace-Id")}
}

// patiently calls f again while its answer says that something is away for now.
func (p *person) patiently(ctx context.Context, f func() (*http.Response, error)) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		resp, err := f()
		if err == nil && !passing(resp) {
			return resp, nil
		}
		select {
		case <-ctx.Done():
			return resp, errors.Join(err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	}
}

// passing reports whether asking again, with the same key, may help.
func passing(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return true
	}
	return resp.StatusCode == http.StatusConflict && resp.Header.Get("Retry-After") != ""
}
