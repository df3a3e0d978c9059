package portal

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"xunguan/pkg/fault"
	"xunguan/pkg/peer"
)

// reporting reports whether r is somebody's who tips off, or reads the answer:
// such requests are kept out of logs and traces.
func reporting(r *http.Request) bool {
	if r.URL.Path == "/tipoff" || strings.HasPrefix(r.URL.Path, "/tipoff/") {
		return true
	}
	return r.Method == http.MethodPost && slices.Contains([]string{"/api/tipoff/v1/tips", "/api/tipoff/v1/photos", "/api/tipoff/v1/tips/track/photo", "/api/tipoff/v1/tips/track", "/api/tipoff/v1/tips/supplement", "/api/tipoff/v1/tips/rate", "/api/tipoff/v1/tips/unsolved"}, r.URL.Path)
}

// unseen serves r, rid of all that says who sends it, without a log entry or a
// trace: only what fails is logged, and by name alone. The address stays for the
// counting of requests, which keeps it in memory under a key that is forgotten;
// of the cookies the one that asks for large text.
func (d *door) unseen(next http.Handler, w http.ResponseWriter, r *http.Request) {
	large := elder(r)
	for name := range r.Header {
		if !slices.Contains([]string{"Accept", "Content-Type", "Idempotency-Key", "Origin", "Sec-Fetch-Site"}, name) {
			r.Header.Del(name)
		}
	}
	if large {
		r.AddCookie(&http.Cookie{Name: elderCookie, Value: "1"}) //nolint:gosec // of a request, for our own eyes
	}
	rec := &status{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler { //nolint:errorlint // what net/http itself compares
			panic(p)
		}
		if p != nil {
			d.Log.Error("panic", slog.String("where", "tip-off"), slog.String("stack", string(debug.Stack())))
			fault.WriteHTTP(r.Context(), fault.Internal.Errorf("panic"), rec)
		}
	}()
	next.ServeHTTP(rec, r.WithContext(peer.Unseen(r.Context())))
}

// tipPages are the pages of those who tip off. They work without scripts, set no
// cookie, and put nothing secret into an address.
func (d *door) tipPages(mux *table) {
	mux.Handle("GET /tipoff", d.counted(d.page(d.tipForm)))
	mux.Handle("POST /tipoff", d.counted(d.page(d.tipStep)))
	mux.Handle("POST /tipoff/photos", d.countedUpTo(photoForm, d.page(d.tipPhotos)))
	mux.Handle("GET /tipoff/photos", http.RedirectHandler("/tipoff", http.StatusSeeOther))
	mux.Handle("POST /tipoff/photo", d.counted(d.page(d.trackPhoto)))
	mux.Handle("GET /tipoff/photo", http.RedirectHandler("/tipoff/track", http.StatusSeeOther))
	mux.Handle("GET /tipoff/transfer", d.counted(d.page(d.transfer)))
	mux.Handle("POST /tipoff/received", d.counted(d.page(d.tipSubmit)))
	mux.Handle("GET /tipoff/received", http.RedirectHandler("/tipoff/track", http.StatusSeeOther))
	mux.Handle("GET /tipoff/track", d.counted(d.page(d.trackForm)))
	mux.Handle("POST /tipoff/track", d.counted(d.page(d.trackTip)))
	mux.Handle("POST /tipoff/supplement", d.countedUpTo(photoForm, d.page(d.supplement)))
	for _, what := range []string{"rate", "unsolved"} {
		mux.Handle("POST /tipoff/"+what, d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
			return d.showTip(w, r, "/v1/tips/"+what, "text", "attitude", "solved")
		})))
	}
}
