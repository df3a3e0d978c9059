package tipoff_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
	"xunguan/pkg/pg"
	"xunguan/services/tipoff"
)

// marks is what a reporter brings along, by name. None of it may be found again.
var marks = map[string]string{
	"forwarded address": "203.0.113.77", "address": "198.51.100.23", "user agent": "MarkedBrowser", "cookie": "cookie-7731",
	"trace": "4bf92f3577b34da6a3ce929d0e0e4736", "name": "赵钱孙李", "phone": "13987654321", "account": "parent-marked", "key": "marked-idempotency-key",
}

// watched is tipoff with all that it writes in sight.
type watched struct {
	*bench
	log   bytes.Buffer
	spans *tracetest.InMemoryExporter
	api   *kit.API
	h     http.Handler
	temp  string
}

func newWatched(t *testing.T, guarded bool) *watched {
	t.Helper()
	w := &watched{bench: newBench(t), spans: tracetest.NewInMemoryExporter(), temp: t.TempDir()}
	t.Setenv("TMPDIR", w.temp)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	db, err := pg.Open(t.Context(), w.DB.Config().ConnString()) // the pool of production, which is traced
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w.DB = db
	w.api = newAPI(w.Service, &w.log)
	options := []otelhttp.Option{}
	if guarded {
		options = append(options, otelhttp.WithFilter(w.api.Seen))
	}
	w.h = otelhttp.NewHandler(w.api.Handler(), "tipoff", options...)
	return w
}

// post calls as a reporter with every mark.
func (w *watched) post(path, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = marks["address"] + ":4711"
	for name, value := range map[string]string{
		"X-Forwarded-For": marks["forwarded address"], "Forwarded": "for=" + marks["forwarded address"], "User-Agent": marks["user agent"] + "/6.66",
		"Cookie": "session=" + marks["cookie"], "Traceparent": "00-" + marks["trace"] + "-00f067aa0ba902b7-01", "Idempotency-Key": marks["key"],
		"Authorization": bearer(w.t, auth.Caller{Subject: marks["account"], Roles: []string{"parent"}}), "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec
}

// tell goes the whole way of one tip-off and returns its receipt.
func (w *watched) tell() (r tipoff.Receipt, id string) {
	w.t.Helper()
	rec := w.post("/v1/tips", `{"subject_kind":"INSTITUTION","institution":"`+institution+`","text":"一次性交一年学费","identity":{"name":"`+marks["name"]+`","phone":"`+marks["phone"]+`"}}`)
	if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil || rec.Code != 200 {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if len(rec.Result().Cookies()) != 0 {
		w.t.Error("a cookie was set")
	}
	id = w.idOf(r.Number)
	w.tie(id)
	w.dispatch(id, "education")
	w.accept(id, "examiner")
	w.ok(w.AskReporter(w.as("examiner"), tipoff.AskReporter{Key: w.key(), ID: id, Text: "请补充缴费日期"}))
	pair := `{"number":"` + r.Number + `","code":"` + r.Code + `"`
	for path, body := range map[string]string{"/v1/tips/track": pair + `}`, "/v1/tips/supplement": pair + `,"text":"三月一日"}`} {
		if rec := w.post(path, body); rec.Code != 200 {
			w.t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	w.post("/v1/tips/track", `{"number":"`+r.Number+`","code":"wrong"}`)
	w.post("/v1/tips", `{"text":1}`)
	w.ok(w.AnswerTip(w.as("examiner"), tipoff.AnswerTip{Key: w.key(), ID: id, Text: "已责令改正"}))
	for path, body := range map[string]string{"/v1/tips/rate": pair + `,"attitude":"GOOD","solved":"NO"}`, "/v1/tips/unsolved": pair + `,"text":"学费仍未退还"}`} {
		if rec := w.post(path, body); rec.Code != 200 {
			w.t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if rec := w.get("/v1/tips/" + id); rec.Code != 200 { // a route that is seen, so that there is a log and a trace to search
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return r, id
}

func (w *watched) get(path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, w.request("GET "+path, "", "intake"))
	return rec
}

// dump is every row of every table of the schema as text, by table; of identities
// as their own role with its wall taken down.
func (w *watched) dump() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	ctx := pg.Worker(w.t.Context(), "dump")
	tx, err := w.DB.Begin(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it only read
	if err := pg.Mark(ctx, tx); err != nil {
		w.t.Fatal(err)
	}
	found, _ := tx.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename = 'identities', tablename`)
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, table := range tables {
		if table == "identities" {
			for _, sql := range []string{`SELECT set_config('role', session_user || '_identity', true)`, `ALTER TABLE identities NO FORCE ROW LEVEL SECURITY`} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		var text string
		if err := tx.QueryRow(ctx, `SELECT coalesce(string_agg(x::text, E'\n'), '') FROM `+table+` x`).Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		all["table "+table] = text
	}
	return all
}

// find is where anything of also and marks is found: tables, log, traces, temporary
// files; in clear, in hexadecimal (as bytea prints, and events are), in base64.
func (w *watched) find(also ...string) (found []string) {
	w.t.Helper()
	places := w.dump()
	places["log"] = w.log.String()
	spans, err := json.Marshal(w.spans.GetSpans().Snapshots())
	if err != nil {
		spans = nil
	}
	places["traces"] = string(spans)
	for _, s := range w.spans.GetSpans() {
		places["traces"] += fmt.Sprintf("%s %v %v %v %v %v\n", s.Name, s.SpanContext, s.Parent.TraceID(), s.Attributes, s.Links, s.Events)
	}
	files, err := os.ReadDir(w.temp)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		found = append(found, "temporary file "+f.Name())
	}
	for place, text := range places {
		for name, mark := range marks {
			if has(text, mark) {
				found = append(found, name+" in "+place)
			}
		}
		for _, mark := range also {
			if has(text, mark) {
				found = append(found, "secret in "+place)
			}
		}
	}
	slices.Sort(found)
	return found
}

func has(text, mark string) bool {
	return strings.Contains(text, mark) || strings.Contains(text, hex.EncodeToString([]byte(mark))) ||
		strings.Contains(text, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(mark)), "="))
}

func TestPrivacy(t *testing.T) {
	w := newWatched(t, true)
	r, id := w.tell()
	if found := w.find(r.Code, strings.ReplaceAll(r.Code, "-", "")); found != nil {
		t.Errorf("found %v", found)
	}
	if w.log.Len() == 0 || len(w.spans.GetSpans()) == 0 {
		t.Error("there is no log or no trace to search in")
	}
	if strings.Contains(w.log.String(), "SubmitTip") || strings.Contains(w.log.String(), "TrackTip") {
		t.Errorf("the log says when a reporter was here: %s", &w.log)
	}
	if n := count(t, w.DB, `SELECT count(*) FROM once WHERE caller = '' AND at <> date_trunc('day', at, 'Asia/Shanghai')`); n != 0 {
		t.Error("once says at what time the tip-off came")
	}
	if n := count(t, w.DB, `SELECT count(*) FROM audit WHERE office = '' AND at IS NOT NULL`); n != 0 {
		t.Error("the audit says at what time the reporter was here")
	}
	if !strings.HasPrefix(id, fmt.Sprintf("%08x", time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("", 8*3600)).UnixMilli()>>16)) {
		t.Errorf("the id %s is not of the beginning of its day", id)
	}
}

// TestPrivacyCanFail takes the defences away one by one: then the same search finds.
func TestPrivacyCanFail(t *testing.T) {
	for name, tt := range map[string]struct {
		guarded bool
		break_  func(w *watched)
		finds   string
	}{
		"traced like any route": {false, func(*watched) {}, "user agent in traces"},
		"trace from outside":    {false, func(*watched) {}, "trace in traces"},
		"headers in the log": {true, func(w *watched) {
			h := w.h
			w.h = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.api.Log.Info("request", "header", r.Header, "from", r.RemoteAddr)
				h.ServeHTTP(rw, r)
			})
		}, "cookie in log"},
		"identity not sealed": {true, func(w *watched) {
			ctx := pg.Worker(w.t.Context(), "test")
			if _, err := w.DB.Exec(ctx, `INSERT INTO identities (tip_id, sealed) VALUES ('x', $1)`, []byte(`{"name":"`+marks["name"]+`"}`)); err != nil {
				w.t.Fatal(err)
			}
		}, "name in table identities"},
		"key kept as it came": {true, func(w *watched) {
			if _, err := w.DB.Exec(w.t.Context(), `INSERT INTO once (caller, call, key, sum, answer) VALUES ('', 'x', $1, '', '{}')`, marks["key"]); err != nil {
				w.t.Fatal(err)
			}
		}, "key in table once"},
		"left in a file": {true, func(w *watched) {
			if err := os.WriteFile(w.temp+"/upload-1", []byte("x"), 0o600); err != nil {
				w.t.Fatal(err)
			}
		}, "temporary file upload-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t, tt.guarded)
			tt.break_(w)
			w.tell()
			if found := w.find(); !slices.Contains(found, tt.finds) {
				t.Errorf("found %v, not %s", found, tt.finds)
			}
		})
	}
}

// TestWrongPairsAlike: a wrong code, an unknown number and a mistyped code get the
// same bytes, and take the same time within a tenth of the median.
func TestWrongPairsAlike(t *testing.T) {
	w := newWatched(t, true)
	w.api.Log = nil
	r, _ := w.submit()
	other, _ := w.submit()
	for range 200 { // an index of more than one page
		w.submit()
	}
	pairs := map[string]string{
		"wrong code":       `{"number":"` + r.Number + `","code":"` + other.Code + `"}`,
		"unknown number":   `{"number":"TS-2026-0302-99999999","code":"` + r.Code + `"}`,
		"mistyped code":    `{"number":"` + r.Number + `","code":"` + r.Code[:28] + `?"}`,
		"no code at all":   `{"number":"` + r.Number + `","code":"1"}`,
		"no number at all": `{"number":"1","code":"` + r.Code + `"}`,
	}
	var first *httptest.ResponseRecorder
	for name, body := range pairs {
		rec := w.post("/v1/tips/track", body)
		if first == nil {
			first = rec
		}
		if rec.Code != 404 || !bytes.Equal(rec.Body.Bytes(), first.Body.Bytes()) || fmt.Sprint(rec.Header()) != fmt.Sprint(first.Header()) {
			t.Errorf("%s: %d %v %s, want %d %v %s", name, rec.Code, rec.Header(), rec.Body, first.Code, first.Header(), first.Body)
		}
	}
	if testing.Short() {
		return
	}
	const trials, tolerance, attempts = 400, 0.10, 4
	var apart float64
	for range attempts { // a busy machine may spoil one
		took := map[string][]time.Duration{}
		for range trials {
			for name, body := range pairs { // in another order each time
				start := time.Now()
				w.post("/v1/tips/track", body)
				took[name] = append(took[name], time.Since(start))
			}
		}
		least, most := time.Hour, time.Duration(0)
		for _, d := range took {
			slices.Sort(d)
			least, most = min(least, d[trials/2]), max(most, d[trials/2])
		}
		apart = float64(most-least) / float64(least)
		t.Logf("medians of %d interleaved trials: %v to %v, %.1f %% apart", trials, least, most, 100*apart)
		if apart <= tolerance {
			return
		}
	}
	t.Errorf("medians are %.1f %% apart, want at most %.0f %%", 100*apart, 100*tolerance)
}
