package fault

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzFromHTTP reads any refusal of a peer, and passes it on as one of ours.
func FuzzFromHTTP(f *testing.F) {
	for _, seed := range []string{`{"type":"urn:xunguan:problem:conflict","status":409,"detail":"已有"}`, `{"type":"urn:xunguan:problem:"}`, `<html>`, `{"errors":[{}],"rules":[{"value":}]}`} {
		f.Add(503, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 400 || status > 599 {
			t.Skip()
		}
		err := FromHTTP(&http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))})
		if _, known := table[KindOf(err)]; !known {
			t.Errorf("kind %q", KindOf(err))
		}
		rec := httptest.NewRecorder()
		WriteHTTP(t.Context(), err, rec)
		if rec.Code < 400 || !json.Valid(rec.Body.Bytes()) {
			t.Errorf("passed on as %d %s", rec.Code, rec.Body)
		}
	})
}
