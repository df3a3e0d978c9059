package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// What a reporter brings along; none of it may stay anywhere. The control is in
// the text of the tip-off itself and must be found: the search can find.
const (
	markAddress = "203.0.113.77"
	markAgent   = "MarkedAgent/7.31"
	markCookie  = "marked-cookie-5c1e"
	markTrace   = "4bf92f3577b34da6a3ce929d0e0e4736"
	markName    = "欧阳标记"
	markPhone   = "13900001234"
	markControl = "control-mark-9d2f"
	publicPort  = 8080 + offset
	staffPort   = 8081 + offset
)

// noTrace tips off with marks, by the API and by the page, tracks, and then
// searches every file that the suite keeps (database files and their log, the
// broker's, the logs) and the traces it shows.
func noTrace(t *testing.T, data string) {
	base := fmt.Sprintf("http://127.0.0.1:%d", publicPort)
	said, err := json.Marshal(map[string]any{
		"subject_kind": "PLACE", "place_address": "苏州市姑苏区示例路 9 号", "place_signboard": "示例补习", "jurisdiction": "320508",
		"text": "无证补习班 " + markControl, "identity": map[string]string{"name": markName, "phone": markPhone},
	})
	if err != nil {
		t.Fatal(err)
	}
	var receipt struct {
		Number string `json:"number"`
		Code   string `json:"code"`
	}
	body := marked(t, base+"/api/tipoff/v1/tips", "application/json", said)
	if err := json.Unmarshal(body, &receipt); err != nil || receipt.Code == "" {
		t.Fatalf("%v: %s", err, body)
	}
	code := strings.NewReplacer("-", "", " ", "").Replace(receipt.Code)
	track, err := json.Marshal(receipt)
	if err != nil {
		t.Fatal(err)
	}
	marked(t, base+"/api/tipoff/v1/tips/track", "application/json", track)
	marked(t, base+"/tipoff/track", "application/x-www-form-urlencoded", []byte(url.Values{"number": {receipt.Number}, "code": {receipt.Code}}.Encode()))

	marks := []string{markAddress, markAgent, markCookie, markTrace, markName, markPhone, code, receipt.Code}
	found := map[string][]string{}
	look := func(where string, content []byte) {
		for _, m := range append(marks, markControl) {
			if bytes.Contains(content, []byte(m)) {
				found[m] = append(found[m], where)
			}
		}
	}
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(path, filepath.Join(data, "bin")) {
			return nil //nolint:nilerr // files come and go under a database that runs
		}
		content, err := os.ReadFile(path) //nolint:gosec // the suite's own folder
		if err == nil {
			look(path, content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := traces(t)
	if len(pages) < 2 {
		t.Error("no traces to search")
	}
	for at, page := range pages {
		look(at, page)
	}
	for _, m := range marks {
		if len(found[m]) > 0 {
			t.Errorf("%q stands in %v", m, found[m])
		}
	}
	if len(found[markControl]) == 0 {
		t.Error("the control was not found: the search finds nothing at all")
	}
}

// marked posts with everything that could give a caller away.
func marked(t *testing.T, to, kind string, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": kind, "Idempotency-Key": uuid.NewString(), "User-Agent": markAgent, "Cookie": "visitor=" + markCookie,
		"X-Forwarded-For": markAddress, "X-Real-IP": markAddress, "Forwarded": "for=" + markAddress,
		"traceparent": "00-" + markTrace + "-00f067aa0ba902b7-01", "Referer": "https://" + markAddress + "/",
	} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", to, resp.Status, err, content)
	}
	return content
}

// traces are the pages of the traces that the portal keeps.
func traces(t *testing.T) map[string][]byte {
	t.Helper()
	base := fmt.Sprintf("http://127.0.0.1:%d", staffPort)
	pages := map[string][]byte{}
	list := page(t, base+"/trial/traces")
	pages["/trial/traces"] = list
	for _, at := range regexp.MustCompile(`/trial/traces/[0-9a-f]{32}`).FindAllString(string(list), -1) {
		pages[at] = page(t, base+at)
	}
	return pages
}

// page is what stands at at; nothing, where a newer trace has taken its place.
func page(t *testing.T, at string) []byte {
	t.Helper()
	resp, err := http.Get(at) //nolint:gosec,noctx // our own server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", at, resp.Status, err)
	}
	return b
}
