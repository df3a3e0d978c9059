package kit_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// FuzzDecode sends any query and body: a use case gets only what the document
// allows, and nobody gets an answer of 500.
func FuzzDecode(f *testing.F) {
	api := newAPI()
	var got *order
	kit.Route(api, "POST /orders/{id}", "PlaceOrder", auth.Public, func(_ context.Context, q order) (receipt, error) {
		got = &q
		return receipt{Order: q}, nil
	})
	h := api.Handler()
	for _, seed := range [][3]string{
		{"", "01234567", `{"name":"anna","count":1}`},
		{"page=2&want=held&want=released&day=2026-01-02T00:00:00Z", "k-1234567", `{"name":"anna","count":9,"state":"held","item":{"name":"a"},"items":[{"name":"b"}]}`},
		{"page=1e9&want=%00", "", `{"name":"a\u0000b","count":1e400,"Name":"x"}`},
		{"day=&page=01", "        ", `{"name":"` + strings.Repeat("长", 9) + `"}{}`},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, query, key string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/orders/abc", strings.NewReader(string(body)))
		r.URL.RawQuery = query
		r.Header.Set("Idempotency-Key", key)
		rec := httptest.NewRecorder()
		got = nil
		h.ServeHTTP(rec, r)
		switch rec.Code {
		case http.StatusOK:
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if got != nil {
				t.Errorf("refused after it was used: %s", rec.Body)
			}
			return
		default:
			t.Fatalf("%d: %s", rec.Code, rec.Body)
		}
		n := utf8.RuneCountInString(got.Name)
		if n < 2 || n > 8 || got.Count < 1 || got.Count > 99 || len(got.Items) > 2 || len(got.IdempotencyKey) < 8 || got.ID != "abc" {
			t.Errorf("let through: %+v", got)
		}
		if !json.Valid(rec.Body.Bytes()) {
			t.Errorf("answer %s", rec.Body)
		}
	})
}

// FuzzUpload sends any multipart body: no answer of 500, and never more than the
// limit to the use case.
func FuzzUpload(f *testing.F) {
	const limit = 1000
	api := newAPI()
	kit.Upload(api, "POST /loads", "Load", auth.Public, limit, func(_ context.Context, _ load, r io.Reader) (int, error) {
		b, err := io.ReadAll(r)
		return len(b), err
	})
	h := api.Handler()
	for _, name := range []string{"file", "other", ""} {
		body, kind := form(f, name, "a,b\n1,2\n")
		f.Add(kind, body.Bytes())
	}
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"+strings.Repeat("a", 2*limit)))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=00=0\r\n--x--"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/loads", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Idempotency-Key", "01234567")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		switch rec.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%d: %s", rec.Code, rec.Body)
		}
		var n int
		if rec.Code == http.StatusOK && (json.Unmarshal(rec.Body.Bytes(), &n) != nil || n > limit) {
			t.Errorf("%d bytes let through: %s", n, rec.Body)
		}
	})
}
