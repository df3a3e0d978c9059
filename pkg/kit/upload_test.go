package kit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
)

type load struct {
	once.Key
	Channel string `query:"channel" pattern:"^[a-z]+$"`
}

func form(tb testing.TB, name, text string) (body *bytes.Buffer, contentType string) {
	tb.Helper()
	body = new(bytes.Buffer)
	w := multipart.NewWriter(body)
	_ = w.WriteField("note", "ignored")
	part, err := w.CreateFormFile(name, "x.csv")
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = io.WriteString(part, text)
	_ = w.Close()
	return body, w.FormDataContentType()
}

func TestUpload(t *testing.T) {
	api := newAPI()
	kit.Upload(api, "POST /loads", "Load", permit, 1000, func(_ context.Context, _ load, r io.Reader) (map[string]int64, error) {
		n, err := io.Copy(io.Discard, r)
		return map[string]int64{"n": n}, err
	})
	h := api.Handler()
	for _, tt := range []struct {
		name, part, text, auth, query string
		code                          int
		want                          string
	}{
		{"good", "file", "abc", token(t, "buyer"), "", 200, `{"n":3}`},
		{"no file", "other", "abc", token(t, "buyer"), "", 400, `{"pointer":"/file","detail":"必填"}`},
		{"bad query", "file", "abc", token(t, "buyer"), "?channel=9", 400, `/query/channel`},
		{"too large", "file", strings.Repeat("x", 2000), token(t, "buyer"), "", 413, `too_large`},
		{"no grant", "file", "abc", token(t, "guest"), "", 403, `forbidden`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, ct := form(t, tt.part, tt.text)
			r := httptest.NewRequest(http.MethodPost, "/loads"+tt.query, body)
			r.Header.Set("Content-Type", ct)
			r.Header.Set("Authorization", tt.auth)
			r.Header.Set("Idempotency-Key", "0123456789")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.want) {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, tt.code, tt.want)
			}
		})
	}
	t.Run("documented", func(t *testing.T) {
		doc, err := api.Document()
		if err != nil || !strings.Contains(string(doc), `"multipart/form-data"`) || !json.Valid(doc) {
			t.Errorf("%v: %s", err, doc)
		}
	})
	t.Run("not multipart", func(t *testing.T) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(t, "/loads", "{}", token(t, "buyer")))
		if rec.Code != 400 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}

func TestUnseen(t *testing.T) {
	var log bytes.Buffer
	api := newAPI()
	api.Log = slog.New(slog.NewTextHandler(&log, nil))
	caller := "nobody asked"
	kit.Route(api, "POST /secret", "Tell", auth.Public, func(ctx context.Context, _ struct{}) (struct{}, error) {
		caller = auth.From(ctx).Subject
		return struct{}{}, nil
	}, kit.Unseen)
	kit.Route(api, "POST /open", "Say", auth.Public, func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	h := api.Handler()
	for _, path := range []string{"/secret", "/open"} {
		r := request(t, path, "{}", token(t, "buyer"))
		if seen := api.Seen(r); seen != (path == "/open") {
			t.Errorf("%s is seen: %t", path, seen)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if caller != "" || strings.Contains(log.String(), "Tell") || !strings.Contains(log.String(), "Say") {
		t.Errorf("caller %q, log %s", caller, &log)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unseen route that asks for a permission was accepted")
		}
	}()
	kit.Route(newAPI(), "POST /x", "X", permit, func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }, kit.Unseen)
}
