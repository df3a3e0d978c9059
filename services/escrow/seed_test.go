package escrow

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

// TestSeed plays the demo data twice, the second time as after a crash before
// the end, and lets time pass over it.
func TestSeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-18")
	for i := range 12 { // each of the twelve families three times
		kind := "non_subject"
		if i%4 == 3 {
			kind = "subject"
		}
		h.learned(&licensingv1.Institution{Id: fmt.Sprintf("1-%02d", i), Name: fmt.Sprint("机构", i), Kind: kind, Item: "美术", Manager: fmt.Sprint("manager", i)})
	}
	start := time.Now()
	if err := h.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	first := must(h.Summary(t.Context(), Summarize{}))(t)
	t.Logf("%+v in %s", first, took)
	if first.Contracts < 36 || first.OpenFlags < 12 || first.ReleasedFen == 0 || first.RefundedFen == 0 {
		t.Errorf("too little: %+v", first)
	}
	for _, key := range feeRules {
		if h.count(`SELECT count(*) FROM flags WHERE rule_key = $1 AND state = 'OPEN'`, key) == 0 {
			t.Errorf("no open flag of %s", key)
		}
	}
	for _, state := range []string{scheduled, taught, confirmed, disputed, refunding, refunded} {
		if h.count(`SELECT count(*) FROM lessons WHERE state = $1`, state) == 0 {
			t.Errorf("no lesson is %s", state)
		}
	}
	lights := map[string]int{}
	for _, i := range must(h.Inbox(h.as("examiner"), FindInbox{}))(t).Items {
		lights[i.Light]++
	}
	if lights["red"] == 0 || lights["yellow"] == 0 || lights["green"] == 0 {
		t.Errorf("the examiner's lights: %v", lights)
	}
	if n := h.count(`SELECT count(*) FROM instructions`); n == 0 {
		t.Error("the bank finds nothing to pay")
	}
	if n := h.count(`SELECT count(*) FROM bank_days WHERE state = 'EXPECTED' AND due >= '2026-03-18'`); n != seedBankDays {
		t.Errorf("the bank has %d days to report, want %d", n, seedBankDays)
	}
	h.sound()
	h.settle()
	after := must(h.Summary(t.Context(), Summarize{}))(t)
	for _, done := range []bool{false, true} {
		if err := h.try(fmt.Sprintf(`UPDATE seed SET done = %t`, done)); err != nil {
			t.Fatal(err)
		}
		h.at("2026-03-19")
		if err := h.Seed(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := must(h.Summary(t.Context(), Summarize{}))(t)
		if again.AsOf = after.AsOf; again != after {
			t.Errorf("played again (done before: %t): %+v, want %+v", done, again, after)
		}
	}
}

type answers map[string]string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := a[r.URL.Path]
	if !ok {
		return nil, fault.Unavailable.Errorf("%s", r.URL.Path)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func TestSeedReady(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for _, tt := range []struct {
		name      string
		licensing answers
		want      error
	}{
		{"licensing is not ready", answers{}, fault.Unavailable},
		{"it has none", answers{"/readyz": "{}", "/v1/summary": `{"institutions":0}`}, fault.Unavailable},
		{"one has not arrived", answers{"/readyz": "{}", "/v1/summary": `{"institutions":6}`}, fault.Unavailable},
		{"all are here", answers{"/readyz": "{}", "/v1/summary": `{"institutions":5}`}, nil},
	} {
		if err := h.SeedReady(&http.Client{Transport: tt.licensing})(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
