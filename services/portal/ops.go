package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/mend"
)

// serviceNames is what people call the services.
var serviceNames = map[string]string{
	"rulebook": say("ops.service_rulebook"), "licensing": say("ops.service_licensing"), "escrow": say("ops.service_escrow"), "inspection": say("ops.service_inspection"), "tipoff": say("ops.service_tipoff"), self: say("ops.service_portal"),
}

// opsPatience is how long a service has to show its board: the others must not
// wait for one that hangs.
const opsPatience = 3 * time.Second

// opsView is what the events of every service need operators for.
type opsView struct {
	Services []opsService
	Halted   int // keys
	Waiting  int // for a second operator
}

type opsService struct {
	Name, Title string
	Away        string // why it did not answer; then it has no board
	Outbox      mend.Outbox
	Halted      []opsHalted
	Waiting     []opsMending
	Ended       []opsMending
	Resend      opsForm
}

type opsHalted struct {
	event.Halted
	Asked bool // somebody has asked already
	Form  opsForm
}

// Why is why the key is halted, in words.
func (h opsHalted) Why() string {
	switch {
	case h.Error != "":
		return h.Error
	case h.Last > 0 && h.Version > h.Last+1:
		return say("ops.missing", h.Last+1, h.Version-1)
	}
	return say("ops.waits_for_former")
}

type opsMending struct {
	mend.Mending
	Mine bool // the viewer asked, and so may not approve
	Form opsForm
}

// What words there are for what is asked for, and for how it ended.
var (
	deedNames   = map[mend.Deed]string{mend.Release: say("ops.deed_release"), mend.Discard: say("ops.deed_discard"), mend.Resend: say("ops.deed_resend")}
	resultNames = map[mend.Result]string{mend.Done: say("ops.result_done"), mend.Failed: say("ops.result_failed"), mend.Refused: say("ops.result_refused")}
)

// DeedName is what was asked for, in words.
func (m opsMending) DeedName() string { return deedNames[m.Deed] }

// ResultName is how it ended, in words.
func (m opsMending) ResultName() string { return resultNames[m.Result] }

// opsForm is what a form of the page sends besides what is typed. Of a form that
// failed it keeps what was typed, and the key it was sent with.
type opsForm struct{ Service, CSRF, Key, Reason string }

// opsPages adds the page of the operators.
func (d *door) opsPages(mux *table) {
	mux.Handle("GET /ops", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error { return d.showOps(w, r, nil, nil) })))
	mux.Handle("POST /ops", d.counted(d.page(d.mend)))
}

func (d *door) operator(r *http.Request) (visitor, error) {
	v, err := d.member(r)
	if err == nil && !slices.Contains(v.caller.Roles, mend.Operator) {
		err = fault.Forbidden.Errorf("只有运行人员可以进入运行台")
	}
	return v, err
}

// showOps answers GET /ops; after a form that failed, with why and what was typed.
func (d *door) showOps(w http.ResponseWriter, r *http.Request, failed error, typed url.Values) error {
	v, err := d.operator(r)
	if err != nil {
		return err
	}
	names := append(slices.Clone(d.Names), self)
	page := opsView{Services: make([]opsService, len(names))}
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { page.Services[i] = d.opsOf(r, v, name, typed) })
	}
	all.Wait()
	for _, s := range page.Services {
		page.Halted += len(s.Halted)
		page.Waiting += len(s.Waiting)
	}
	code, shown := http.StatusOK, view{Title: say("ops.title"), Body: page, Done: r.URL.Query().Get("done") == "1"}
	if failed != nil {
		d.note(r, failed)
		shown.Problem = problemOf(failed)
		code = shown.Problem.Status
	}
	d.render(w, r, code, "ops", shown)
	return nil
}

// opsOf is the board of one service as v sees it.
func (d *door) opsOf(r *http.Request, v visitor, name string, typed url.Values) opsService {
	s := opsService{Name: name, Title: serviceNames[name]}
	ctx, cancel := context.WithTimeout(r.Context(), opsPatience)
	defer cancel()
	raw, err := d.reach(ctx, v, http.MethodGet, name, "/v1/parked", "", nil)
	var b mend.Board
	if err == nil {
		err = json.Unmarshal(raw, &b)
	}
	if err != nil {
		d.note(r, err)
		s.Away = problemOf(err).Detail
		return s
	}
	form := func(of string) opsForm {
		f := opsForm{Service: name, CSRF: v.session.CSRF(), Key: uuid.NewString()}
		if typed.Get("service") == name && typed.Get("form") == of {
			f.Key, f.Reason = typed.Get("key"), typed.Get("reason")
		}
		return f
	}
	s.Outbox, s.Resend = b.Outbox, form("resend")
	for _, h := range b.Halted {
		asked := slices.ContainsFunc(b.Waiting, func(m mend.Mending) bool { return m.Topic == h.Topic && m.Key == h.Key && m.Deed != mend.Resend })
		s.Halted = append(s.Halted, opsHalted{h, asked, form(h.Event)})
	}
	for _, m := range b.Waiting {
		s.Waiting = append(s.Waiting, opsMending{m, m.AskedBy == v.caller.Subject, form(m.ID)})
	}
	for _, m := range b.Ended[:min(len(b.Ended), 20)] {
		s.Ended = append(s.Ended, opsMending{Mending: m})
	}
	return s
}

// reach calls a service, or portal's own API, for v.
func (d *door) reach(ctx context.Context, v visitor, method, service, path, key string, body []byte) ([]byte, error) {
	if service != self {
		return d.call(ctx, v, method, service, path, key, body)
	}
	text, err := d.Signer.For(v.caller, self)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+text)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	rec := httptest.NewRecorder()
	d.own.ServeHTTP(rec, r)
	if rec.Code >= http.StatusBadRequest {
		return nil, fault.FromHTTP(rec.Result())
	}
	return rec.Body.Bytes(), nil
}

// mend answers POST /ops: it asks for something, or ends what was asked for.
func (d *door) mend(w http.ResponseWriter, r *http.Request) error {
	v, err := d.operator(r)
	if err != nil {
		return err
	}
	form, err := v.posted(r)
	if err != nil {
		return err
	}
	if form.Get("key") == "" {
		form.Set("key", uuid.NewString())
	}
	err = d.mended(r.Context(), v, form)
	if err != nil {
		if errors.Is(err, fault.KeyReused) {
			form.Set("key", uuid.NewString())
		}
		return d.showOps(w, r, err, form)
	}
	http.Redirect(w, r, "/ops?done=1", http.StatusSeeOther)
	return nil
}

// mended sends form to its service. A deed that failed is a Conflict with why.
func (d *door) mended(ctx context.Context, v visitor, form url.Values) error {
	service := form.Get("service")
	if !slices.Contains(append(slices.Clone(d.Names), self), service) {
		return fault.Invalid.Errorf("表单有误，请刷新页面后重试")
	}
	path, body, err := opsCall(form)
	if err != nil {
		return err
	}
	raw, err := d.reach(ctx, v, http.MethodPost, service, path, form.Get("key"), body)
	var m mend.Mending
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err == nil && m.Result == mend.Failed {
		err = fault.Conflict.Errorf("%s失败，全部事件仍在原处：%s", deedNames[m.Deed], m.Why)
	}
	return err
}

// opsCall is the call that form stands for.
func opsCall(form url.Values) (path string, body []byte, err error) {
	said := map[string]any{}
	at := "/v1/parked/releases"
	switch do := form.Get("do"); do {
	case "approve", "refuse":
		at += "/" + url.PathEscape(form.Get("id")) + "/" + do
		if do == "refuse" {
			said["reason"] = form.Get("reason")
		}
	case string(mend.Release), string(mend.Discard):
		said = map[string]any{"deed": do, "topic": form.Get("topic"), "key": form.Get("of"), "event": form.Get("event"), "reason": form.Get("reason")}
	case string(mend.Resend):
		since, terr := time.ParseInLocation("2006-01-02T15:04", form.Get("since"), day.Shanghai)
		if terr != nil {
			return "", nil, fault.Fields(fault.Field{Pointer: "/since", Detail: "应为日期和时间"})
		}
		said = map[string]any{"deed": do, "topic": form.Get("service") + ".events", "since": since, "reason": form.Get("reason")}
		if of := form.Get("of"); of != "" {
			said["key"] = of
		}
	default:
		return "", nil, fault.Invalid.Errorf("表单有误，请刷新页面后重试")
	}
	body, err = json.Marshal(said)
	return at, body, err
}
