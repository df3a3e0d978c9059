package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/clock"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// clockRounds is how often services are asked to apply what became due. Each
// round may make something due elsewhere; the longest chain we know has three.
const clockRounds = 20

// clockCap is how long moving the clock may take.
const clockCap = 5 * time.Minute

// opensAt is when the day begins to which the page moves the clock.
const opensAt = 9 * time.Hour

// trialLogin answers POST /trial/login: whoever asks is the persona from now on,
// at this listener, with whatever role. Who sits where matters only for a real
// login.
func (d *door) trialLogin(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Persona string `json:"persona"`
	}
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	p, ok := findPersona(req.Persona)
	if !ok {
		var names []string
		for _, p := range Personas {
			names = append(names, p.Name)
		}
		return fault.Invalid.Errorf("没有名为 %q 的身份，可选：%s", req.Persona, strings.Join(names, "、"))
	}
	s, err := d.enter(w, r, p.Caller)
	if err != nil {
		return err
	}
	text, until, err := d.Signer.Script(p.Caller)
	if err != nil {
		return err
	}
	return writeJSON(w, map[string]any{"persona": p.Name, "csrf": s.CSRF(), "token": text, "expires_at": until.Format(time.RFC3339)})
}

// trialClock answers GET /trial/clock with legal time.
func (d *door) trialClock(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]any{"now": d.Clock.Now().Format(time.RFC3339)})
}

// trialMove answers POST /trial/clock: legal time moves forward in every
// service, and what became due is applied before the answer.
func (d *door) trialMove(w http.ResponseWriter, r *http.Request) error {
	var req clock.MoveClock
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if req.To.IsZero() {
		return fault.Fields(fault.Field{Pointer: "/to", Detail: "必填"})
	}
	applied, err := d.moveTo(w, r, req.To)
	if err != nil {
		return err
	}
	return writeJSON(w, clock.Moved{Now: d.Clock.Now(), Applied: applied})
}

// moveTo is MoveClock within r, which may take its time.
func (d *door) moveTo(w http.ResponseWriter, r *http.Request, to time.Time) (applied int, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), clockCap)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(clockCap)) // else the server hangs up first
	return d.MoveClock(ctx, to)
}

// timeForm answers GET /trial/time.
func (d *door) timeForm(w http.ResponseWriter, r *http.Request) error {
	d.render(w, r, http.StatusOK, "time", view{Title: say("time.heading"), Done: r.URL.Query().Get("done") == "1"})
	return nil
}

// timeMove answers POST /trial/time: legal time moves to the morning of a day.
func (d *door) timeMove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	to, err := day.Parse(r.PostForm.Get("to"))
	if err != nil {
		return fault.Fields(fault.Field{Pointer: "/to", Detail: "应为日期"})
	}
	if _, err := d.moveTo(w, r, to.Start().Add(opensAt)); err != nil {
		return err
	}
	http.Redirect(w, r, "/trial/time?done=1", http.StatusSeeOther)
	return nil
}

// MoveClock moves legal time to to in every service and returns how many cases
// became due. Conflict: to is in the past. If a service is away, Unavailable:
// then those before it have moved, and asking again moves the rest.
func (s *Service) MoveClock(ctx context.Context, to time.Time) (applied int, err error) {
	s.moving.Lock()
	defer s.moving.Unlock()
	if now := s.Clock.Now(); to.Before(now) && now.Sub(to) > clock.Slack {
		return 0, fault.Conflict.Errorf("试用时间只能向前：现在是 %s", now.Format(time.RFC3339))
	}
	for range clockRounds {
		n, err := s.moveRound(ctx, to)
		applied += n
		if err != nil {
			return applied, err
		}
		if n == 0 {
			return applied, s.Clock.Move(ctx, s.DB, to)
		}
	}
	return applied, fault.Unavailable.Errorf("到期事项在 %d 轮后仍未处理完，请再次发送同一请求", clockRounds)
}

// moveRound asks each service once.
func (s *Service) moveRound(ctx context.Context, to time.Time) (applied int, err error) {
	for _, name := range s.Names {
		n, err := s.moveOne(ctx, name, to)
		if err != nil {
			return applied, fmt.Errorf("clock of %s: %w", name, err)
		}
		applied += n
	}
	return applied, nil
}

func (s *Service) moveOne(ctx context.Context, name string, to time.Time) (int, error) {
	body, err := json.Marshal(clock.MoveClock{To: to})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+name+"/trial/clock", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	text, err := s.Signer.For(auth.Caller{Subject: self, Roles: []string{"trial"}}, name)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+text)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.Peers.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var moved clock.Moved
	err = json.NewDecoder(resp.Body).Decode(&moved)
	return moved.Applied, err
}

// readJSON fills v with r's body, which must say that it is JSON: a form of
// another site cannot say so without asking first.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return fault.Invalid.Errorf("Content-Type 应为 application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.TooLarge.Wrap(err)
	}
	if err == nil && dec.More() {
		err = errors.New("more after the value")
	}
	if err != nil {
		return fault.Invalid.Errorf("请求不是合法的 JSON，或有未知字段、错误类型")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = io.Copy(w, bytes.NewReader(b))
	return err
}
