package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

// person acts by way of the portal, at one of its doors.
type person struct {
	door         string
	client       *http.Client
	cookie, csrf string
}

// asking is how long one try may take: longer than the portal's own patience.
const asking = 12 * time.Second

// stranger is somebody without a session.
func stranger(door string) *person {
	return &person{door: door, client: &http.Client{Timeout: asking}}
}

// login opens a session as the persona name.
func login(ctx context.Context, name, door string) (*person, error) {
	p := stranger(door)
	said, _ := json.Marshal(map[string]string{"persona": name}) // a map of strings marshals
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, door+"/trial/login", bytes.NewReader(said))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var got struct{ CSRF string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		return nil, fmt.Errorf("login %s: %s, %w", name, resp.Status, err)
	}
	p.csrf, p.cookie = got.CSRF, resp.Cookies()[0].Name+"="+resp.Cookies()[0].Value
	return p, nil
}

// answer is what came back; status 0 is nothing.
type answer struct {
	status int
	body   []byte
	later  bool // it says: ask again
}

// definite reports whether asking again would change nothing.
func (a answer) definite() bool {
	switch {
	case a.status == 0, a.status >= 500, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout:
		return false
	}
	return a.status != http.StatusConflict || !a.later
}

func (a answer) into(v any) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("%d %s", a.status, brief(a.body))
	}
	return json.Unmarshal(a.body, v)
}

// brief is what a person needs of a problem, on one line.
func brief(b []byte) string {
	var p struct{ Detail string }
	if json.Unmarshal(b, &p) == nil && p.Detail != "" {
		return p.Detail
	}
	return strings.TrimSpace(string(b[:min(len(b), 300)]))
}

// send asks once.
func (p *person) send(ctx context.Context, method, path, key, kind string, body []byte) answer {
	r, err := http.NewRequestWithContext(ctx, method, p.door+"/api/"+path, bytes.NewReader(body))
	if err != nil {
		return answer{body: []byte(err.Error())}
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", p.cookie)
		r.Header.Set("X-CSRF-Token", p.csrf)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return answer{body: []byte(err.Error())}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil { // cut short: nobody knows
		return answer{body: []byte(err.Error())}
	}
	return answer{resp.StatusCode, b, resp.Header.Get("Retry-After") != ""}
}

// get asks until there is a definite answer, or ctx ends.
func (p *person) get(ctx context.Context, path string) answer {
	for {
		a := p.send(ctx, http.MethodGet, path, "", "", nil)
		if a.definite() || ctx.Err() != nil {
			return a
		}
		pause(ctx, 150*time.Millisecond)
	}
}

// asks posts what changes nothing, and so has no key: how a tip-off stands.
func (p *person) asks(ctx context.Context, path string, body map[string]string) answer {
	said, _ := json.Marshal(body) // strings marshal
	for {
		a := p.send(ctx, http.MethodPost, path, uuid.NewString(), "application/json", said)
		if a.definite() || ctx.Err() != nil {
			return a
		}
		pause(ctx, 150*time.Millisecond)
	}
}

// errGivenUp says that a lane cannot go on; why is in the journal.
var errGivenUp = errors.New("given up")

// file is a body that is no JSON.
type file struct {
	kind  string
	bytes []byte
}

// form is a form with one file.
func form(kind string, content []byte) (file, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="chaos"`}, "Content-Type": {kind}})
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = w.Close() // which writes the end
	}
	return file{w.FormDataContentType(), body.Bytes()}, err
}

// post writes: it asks with one key until there is a definite answer. One that is
// no success is a failure of the suite, for writers ask only what is allowed.
// Every eighth write is asked once more, and must get the same answer.
func (l *lane) post(ctx context.Context, p *person, path, url string, body, into any) error {
	return l.write(ctx, p, path, url, body, into, answer.definite)
}

// await writes what is refused until an event has arrived: a refusal is no
// definite answer, for five minutes.
func (l *lane) await(ctx context.Context, p *person, path, url string, body, into any) error {
	patience := time.Now().Add(5 * time.Minute)
	return l.write(ctx, p, path, url, body, into, func(a answer) bool {
		return a.status == http.StatusOK || time.Now().After(patience) && a.definite()
	})
}

func (l *lane) write(ctx context.Context, p *person, path, url string, body, into any, definite func(answer) bool) error {
	said, kind := []byte("{}"), "application/json"
	switch b := body.(type) {
	case nil:
	case file:
		said, kind = b.bytes, b.kind
	default:
		var err error
		if said, err = json.Marshal(body); err != nil {
			return err
		}
	}
	w := write{Path: path, URL: url, Key: uuid.NewString()}
	a := l.until(ctx, p, &w, kind, said, definite)
	if a.status != http.StatusOK {
		l.j.fail("%s：%s 第 %d 次得到 %d %s", path, url, w.Tries, a.status, brief(a.body))
		return errGivenUp
	}
	w.At, w.Status, w.Answer = time.Now(), a.status, a.body
	if err := l.j.ack(w); err != nil {
		return err
	}
	if l.dice.IntN(8) == 0 {
		again := l.until(ctx, p, &write{URL: url, Key: w.Key}, kind, said, answer.definite)
		if !sameJSON(a.body, again.body) {
			l.j.fail("%s：%s 同一键两次答复不同：%s ｜ %d %s", path, url, brief(a.body), again.status, brief(again.body))
		} else {
			l.j.again()
		}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.body, into)
}

// until asks until the answer is definite, or ctx ends.
func (l *lane) until(ctx context.Context, p *person, w *write, kind string, said []byte, definite func(answer) bool) answer {
	for {
		w.Tries++
		a := p.send(ctx, http.MethodPost, w.URL, w.Key, kind, said)
		l.j.count(a.status)
		if definite(a) || ctx.Err() != nil {
			return a
		}
		pause(ctx, 100*time.Millisecond+time.Duration(l.dice.Int64N(int64(200*time.Millisecond))))
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
