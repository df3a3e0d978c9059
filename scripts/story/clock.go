package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// shanghai is the zone of every legal date.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// now is trial time, at the suite's own clock.
func (s *story) now(ctx context.Context) time.Time {
	var said struct{ Now time.Time }
	resp, err := s.principal.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Staff+"/trial/clock", http.NoBody)
		if err != nil {
			return nil, err
		}
		return s.principal.client.Do(r)
	})
	if err == nil {
		defer resp.Body.Close()
		err = json.NewDecoder(resp.Body).Decode(&said)
	}
	if err != nil || said.Now.IsZero() {
		s.fail("读不到试用时间：%v", err)
	}
	return said.Now.In(shanghai)
}

// pass moves trial time to the morning after the last day of a period.
func (s *story) pass(ctx context.Context, last string) error {
	d, err := time.ParseInLocation(time.DateOnly, last, shanghai)
	if err != nil {
		return fmt.Errorf("期限 %q：%w", last, err)
	}
	body, _ := json.Marshal(map[string]string{"to": d.AddDate(0, 0, 1).Add(9 * time.Hour).Format(time.RFC3339)}) // strings marshal
	resp, err := s.principal.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Staff+"/trial/clock", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		return s.principal.client.Do(r)
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	s.answered(answer{status: resp.StatusCode, body: said}, 200, nil, "试用时间拨到 "+last+" 期满之后")
	fmt.Printf("    %s\n", said)
	return nil
}

// read reads an answer into v.
func (s *story) read(a answer, v any) {
	if err := json.Unmarshal(a.body, v); err != nil || a.status != http.StatusOK {
		s.fail("答复读不懂：%d %s", a.status, brief(a.body))
	}
}
