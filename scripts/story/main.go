// Command story plays the main job of the suite over HTTP through the portal,
// each step as the person concerned, against a running suite: licensing an
// institution, catching an over-long prepayment, a tip-off, a joint inspection,
// and a decision that travels. It prints every step with
// what was expected and what came, and exits 0 only if all of it held.
//
// Every POST is sent twice with the same Idempotency-Key. It may be played again
// on the same suite: each run opens an institution of its own, and trial time
// goes on from where the last run left it. With -kill it kills a process with
// signal 9 in the middle of steps and still expects all of it to hold.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type config struct {
	Public string `default:"http://127.0.0.1:8080" env:"XUNGUAN_PUBLIC" help:"The portal's public door."`
	Staff  string `default:"http://127.0.0.1:8081" env:"XUNGUAN_STAFF" help:"The portal's door for staff and institutions."`
	Kill   string `help:"Kill the process of this name (run.json's) with signal 9."`
	Pages  bool   `help:"Play steps 5 to 8 by clicking through the pages."`
	In     []int  `default:"1,2,3,4,5,6,7,8" help:"The steps in whose middle it is killed."`
	Data   string `default:".xunguan" env:"XUNGUAN_DATA" help:"Where make up keeps run.json."`
}

func main() {
	var c config
	kong.Parse(&c, kong.Name("story"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &story{config: c, codes: map[string]bool{}, run: time.Now().Format("0102-150405")}
	start := time.Now()
	steps := []func(context.Context) error{s.apply, s.license, s.prepay, s.teach, s.tipOff, s.dispatch, s.inspect, s.travel}
	if c.Pages {
		steps = append(steps[:4], s.clickTipOff, s.clickDispatch, s.clickInspect, s.clickTravel)
	}
	for i, step := range steps {
		s.stepPosts, s.killed = 0, !slices.Contains(s.In, i+1)
		if err := step(ctx); err != nil {
			s.fail("第 %d 步中断：%v", i+1, err)
			break
		}
	}
	if len(s.failed) > 0 { // once more: a long story hides what is wrong in its middle
		fmt.Printf("\n不符：\n%s\n", strings.Join(s.failed, "\n"))
	}
	fmt.Printf("\n%d 项检查，%d 项不符；%d 次 POST 各发两遍；用时 %s\n", s.checks, len(s.failed), s.posts, time.Since(start).Round(time.Millisecond))
	if len(s.failed) > 0 {
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// story is one run.
type story struct {
	config
	run                      string
	checks, posts, stepPosts int
	failed                   []string // the lines that say so
	killed                   bool
	victim                   int // pid of what was killed last

	principal, examiner, examiner2, culture, market, neighbour, city *person
	parent, stranger, intake, intake2, fire, market2                 *person

	name, application, institution string
	tip, placeTip, sameTip         receipt
	tipID, task, entryID           string
	items                          map[string]string // the first check item of each agency
	codes                          map[string]bool   // that stood on a page, each told once
}

func (s *story) step(format string, args ...any) {
	fmt.Printf("\n■ "+format+"\n", args...)
}

func (s *story) fail(format string, args ...any) {
	s.failed = append(s.failed, fmt.Sprintf("  ✗ "+format, args...))
	fmt.Println(s.failed[len(s.failed)-1])
}

// expect prints one check.
func (s *story) expect(ok bool, what, want string, got any) bool {
	s.checks++
	if !ok {
		s.fail("%s ｜预期 %s ｜实得 %v", what, want, got)
		return false
	}
	fmt.Printf("  ✓ %s ｜预期 %s ｜实得 %v\n", what, want, got)
	return true
}

// answered checks an answer's status and that it holds each of words, and reads
// it into v if v is not nil.
func (s *story) answered(a answer, status int, v any, what string, words ...string) bool {
	want := strings.Join(append([]string{fmt.Sprint(status)}, words...), " ")
	ok := a.status == status
	for _, w := range words {
		ok = ok && strings.Contains(string(a.body), w)
	}
	got := fmt.Sprint(a.status)
	if !ok || status >= 400 {
		got += " " + brief(a.body)
	}
	if ok && v != nil {
		if err := json.Unmarshal(a.body, v); err != nil {
			ok, got = false, got+" "+err.Error()
		}
	}
	return s.expect(ok, what, want, got)
}

// brief is what a person reads of a problem.
func brief(body []byte) string {
	var p struct {
		Detail string
		Errors []struct{ Pointer, Detail string }
		Rules  []struct {
			Key, Source string
			Value       json.RawMessage
			Version     int
		}
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return strings.TrimSpace(string(body[:min(len(body), 300)]))
	}
	for _, f := range p.Errors {
		p.Detail += "；" + f.Pointer + " " + f.Detail
	}
	for _, r := range p.Rules {
		p.Detail += fmt.Sprintf("；依据 %s v%d = %s（%s）", r.Key, r.Version, r.Value, r.Source)
	}
	return p.Detail
}

// eventually asks until the answer satisfies ok: what travels by events takes a moment.
func (s *story) eventually(ctx context.Context, ask func() answer, ok func(answer) bool) answer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		a := ask()
		if ok(a) || ctx.Err() != nil {
			return a
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// moment is the middle of a step: with -kill, its third POST costs a service its life.
func (s *story) moment(ctx context.Context) {
	if s.stepPosts++; s.Kill == "" || s.killed || s.stepPosts < 3 {
		return
	}
	s.killed = true
	pid, err := s.pid(s.Kill)
	for ; err == nil && pid == s.victim && ctx.Err() == nil; pid, err = s.pid(s.Kill) {
		time.Sleep(100 * time.Millisecond) // it is still being started again
	}
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		s.fail("不能结束 %s：%v", s.Kill, err)
		return
	}
	s.victim = pid
	fmt.Printf("  ☠ kill -9 %s（pid %d）\n", s.Kill, pid)
}

func (s *story) pid(name string) (int, error) {
	b, err := os.ReadFile(filepath.Join(s.Data, "run.json"))
	if err != nil {
		return 0, err
	}
	var processes []struct {
		Name string
		PID  int
	}
	if err := json.Unmarshal(b, &processes); err != nil {
		return 0, err
	}
	for _, p := range processes {
		if p.Name == name {
			return p.PID, nil
		}
	}
	return 0, fmt.Errorf("%s is not in run.json", name)
}
