package portal

import (
	"context"
	"embed"
	"net/http"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
)

//go:embed templates static
var files embed.FS

// Grants says which role may do what. Portal's own routes are public.
var Grants = auth.Roles(nil)

// Routes publishes s on api.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "GET /v1/institutions", "FindInstitutions", auth.Public, s.FindInstitutions)
	kit.Route(api, "GET /v1/institutions/{id}", "FindInstitution", auth.Public, s.FindInstitution)
}

// Handlers returns what the two listeners serve.
func (s *Service) Handlers() map[Listener]http.Handler {
	s.api = &kit.API{Title: "portal", Verifier: s.Signer.verifier, Policy: Grants, Log: s.Log}
	s.Routes(s.api)
	if s.Desk != nil {
		s.api.Policy = mend.Grant(Grants)
		s.Desk.Routes(s.api)
	}
	own := s.api.Handler()
	b := &buckets{limits: s.Limits, machine: s.Machine}
	doors := make(map[Listener]http.Handler)
	for _, l := range []Listener{Public, Staff} {
		d := &door{Service: s, at: l, own: own, buckets: b}
		doors[l] = d.handler()
	}
	return doors
}

// handler serves one listener. What the tracing itself sends is neither traced
// nor limited.
func (d *door) handler() http.Handler {
	outer := http.NewServeMux()
	outer.Handle("/", d.observed(crowded(d.Limits.Busy, d.guarded(d.whole(d.mux())))))
	if d.Trial && d.at == Staff {
		outer.Handle("POST /trial/otlp/v1/traces", d.guarded(d.say(d.receive)))
	}
	return outer
}

// table is a mux that knows its own routes, for the test that walks them.
type table struct {
	http.ServeMux
	patterns []string
}

func (t *table) Handle(pattern string, h http.Handler) {
	t.patterns = append(t.patterns, pattern)
	t.ServeMux.Handle(pattern, h)
}

func (t *table) HandleFunc(pattern string, f func(http.ResponseWriter, *http.Request)) {
	t.Handle(pattern, http.HandlerFunc(f))
}

func (d *door) mux() *table {
	mux := new(table)
	mux.HandleFunc("/api/{service}/v1/", d.gateway)
	mux.Handle("GET /api/openapi.json", d.counted(d.say(d.openapi)))
	mux.HandleFunc("GET /api/docs/{$}", docs)
	mux.HandleFunc("GET /api/docs/{file}", docs)
	mux.HandleFunc("GET /api/docs", docs)
	mux.HandleFunc("GET /static/{file}", static)
	mux.Handle("GET /assets/{file...}", d.page(d.asset))
	mux.Handle("GET /elder", d.counted(d.page(d.chooseElder)))
	mux.Handle("GET /session", d.counted(d.say(d.whoami)))
	mux.Handle("GET /login", d.counted(d.page(d.begin)))
	mux.Handle("GET /callback", d.counted(d.page(d.callback)))
	mux.Handle("POST /logout", d.counted(d.page(d.logout)))
	if d.Trial {
		mux.Handle("POST /trial/login", d.counted(d.say(d.trialLogin)))
		mux.Handle("POST /trial/clock", d.counted(d.say(d.trialMove)))
		mux.Handle("GET /trial/clock", d.counted(d.say(d.trialClock)))
		mux.Handle("GET /trial/time", d.counted(d.page(d.timeForm)))
		mux.Handle("POST /trial/time", d.counted(d.page(d.timeMove)))
	}
	if d.at == Public {
		d.publicPages(mux)
	} else {
		d.staffPages(mux)
	}
	return mux
}

// say makes a handler of f: its error becomes a problem.
func (d *door) say(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			d.note(r, err)
			fault.WriteHTTP(r.Context(), err, w)
		}
	})
}

// note logs err if it is ours to mend.
func (d *door) note(r *http.Request, err error) {
	switch kind := fault.KindOf(err); {
	case !fault.Ours(kind):
	case reporting(r):
		d.Log.Error("tip-off", "kind", string(kind))
	default:
		d.Log.ErrorContext(r.Context(), r.Pattern, "err", err)
	}
}

// counted lets through what its visitor's bucket has room for, with a body of at
// most maxBody.
func (d *door) counted(next http.Handler) http.Handler { return d.countedUpTo(maxBody, next) }

// countedUpTo is counted, with a body of at most limit bytes.
func (d *door) countedUpTo(limit int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := d.visitor(r)
		if err != nil {
			fault.WriteHTTP(r.Context(), err, w)
			return
		}
		if wait, err := d.buckets.take(v, r); err != nil {
			refuse(w, r, err, wait)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), visitorKey{}, v))
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// whoami answers GET /session: who is logged in here, and the CSRF token that
// goes with it.
func (d *door) whoami(w http.ResponseWriter, r *http.Request) error {
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	if v.session == nil {
		return fault.Unauthentic.Errorf("尚未登录")
	}
	c := v.caller
	return writeJSON(w, map[string]any{
		"subject": c.Subject, "roles": c.Roles, "agency": c.Agency, "jurisdiction": c.Jurisdiction,
		"csrf": v.session.CSRF(), "expires_at": d.Terms.Ends(d.at, v.session),
	})
}

// logout answers POST /logout.
func (d *door) logout(w http.ResponseWriter, r *http.Request) error {
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	if err := v.admit(r, r.PostForm.Get("csrf")); err != nil && !v.stale {
		return err
	}
	if err := d.leave(w, r); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// static answers GET /static/{file}.
func static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "static/"+r.PathValue("file"))
}

func stylesheet(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "static/style.css")
}

// whole serves mux, whose own 404 and 405 it puts in our words: a problem for
// programs, a page for people.
func (d *door) whole(mux *table) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			w = &nowhere{w, r, d}
		}
		mux.ServeHTTP(w, r)
	})
}

// nowhere writes the status of a mux that has no route.
type nowhere struct {
	http.ResponseWriter
	r *http.Request
	d *door
}

func (n *nowhere) WriteHeader(code int) {
	err := fault.NotFound.Errorf("此地址不存在")
	switch code {
	case http.StatusNotFound:
	case http.StatusMethodNotAllowed: // the mux has set Allow
		err = fault.NotAllowed.Errorf("此地址不支持该请求方法")
	default:
		n.ResponseWriter.WriteHeader(code)
		return
	}
	n.Header().Del("Content-Type")
	if strings.HasPrefix(n.r.URL.Path, "/api/") || strings.HasPrefix(n.r.URL.Path, "/trial/") {
		fault.WriteHTTP(n.r.Context(), err, n.ResponseWriter)
		return
	}
	n.d.fail(n.ResponseWriter, n.r, err)
}

func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
