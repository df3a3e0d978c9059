package portal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"xunguan/pkg/fault"
)

// maxBody is the most that a request may send, as in package kit.
const maxBody = 1 << 20

// passed is the headers of a request that reach a service. All others stay here:
// cookies, and whatever claims to say who or where somebody is.
var passed = []string{"Accept", "Content-Type", "Idempotency-Key"}

// returned is the headers of an answer that reach the visitor.
var returned = []string{"Content-Type", "Content-Disposition"}

// gateway passes /api/{service}/v1/... on to the service, and its answer back.
func (d *door) gateway(w http.ResponseWriter, r *http.Request) {
	v, err := d.visitor(r)
	if err == nil {
		wait, terr := d.buckets.take(v, r)
		if terr != nil {
			refuse(w, r, terr, wait)
			return
		}
		err = v.admit(r, r.Header.Get("X-CSRF-Token"))
	}
	if err == nil {
		err = d.pass(w, r, v)
	}
	if err == nil {
		return
	}
	if v.stale && errors.Is(err, fault.Unauthentic) {
		d.setCookie(w, d.cookie(), "", -1)
		err = fault.Unauthentic.Errorf("登录已过期，请重新登录")
	}
	fault.WriteHTTP(r.Context(), err, w)
}

// pass forwards r for v and writes the answer, unless it returns an error.
func (d *door) pass(w http.ResponseWriter, r *http.Request, v visitor) error {
	out, err := d.outgoing(w, r, v)
	if err != nil {
		return err
	}
	if out.URL.Host == self {
		d.own.ServeHTTP(w, out)
		return nil
	}
	limit := gatewayCap
	if uploading(r) {
		limit = uploadCap
	}
	ctx, cancel := context.WithTimeout(out.Context(), limit)
	defer cancel()
	resp, err := d.Peers.Do(out.WithContext(ctx))
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.TooLarge.Errorf("文件过大，至多 %d MiB", big.Limit>>20)
	}
	if err != nil {
		return err
	}
	return bring(w, resp)
}

// kept is how much of an answer is read before its status is written: all of it, but
// for large files.
const kept = 4 << 20

// bring writes resp as it came, and closes it. One that a service did not end is no
// answer: Unavailable, so that it is asked for again. Of a large one the status is out
// by then, and the connection is broken: a visitor must not take a part for the whole.
func bring(w http.ResponseWriter, resp *http.Response) error {
	defer resp.Body.Close()
	start, err := io.ReadAll(io.LimitReader(resp.Body, kept))
	if err != nil {
		return fault.Unavailable.Wrap(err)
	}
	for _, name := range returned {
		if value := resp.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(resp.StatusCode)
	if _, err = w.Write(start); err != nil {
		return nil // the visitor has gone
	}
	if _, err = io.Copy(w, resp.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// body is what r sends on: whole, so that the call can be made again, unless it
// is a file.
func (d *door) body(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	if uploading(r) {
		return http.MaxBytesReader(w, r.Body, maxUpload), nil
	}
	whole, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.TooLarge.Errorf("请求内容过大，至多 1 MiB")
	}
	if err != nil {
		return nil, fault.Invalid.Wrap(err)
	}
	return bytes.NewReader(whole), nil
}

// A file may be larger than other requests, and take longer: it is passed on as
// it comes.
const (
	maxUpload = 65 << 20 // 64 MiB of file, and its wrapping
	uploadCap = 28 * time.Second
)

// uploading reports whether r brings a file: messages to import, a bank's day, or a photo.
func uploading(r *http.Request) bool {
	switch path := r.URL.Path; path {
	case "/api/tipoff/v1/imports", "/api/escrow/v1/bank-files", "/api/tipoff/v1/photos", "/tipoff/photos":
		return r.Method == http.MethodPost
	default:
		return r.Method == http.MethodPost && strings.HasPrefix(path, "/api/inspection/v1/photos/")
	}
}

// outgoing is the request that the service gets.
func (d *door) outgoing(w http.ResponseWriter, r *http.Request, v visitor) (*http.Request, error) {
	name := r.PathValue("service")
	if _, known := reaches[name]; !known && name != self {
		return nil, fault.NotFound.Errorf("没有名为 %s 的服务", name)
	}
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.Method) {
		return nil, fault.NotAllowed.Errorf("此地址不支持该请求方法")
	}
	body, err := d.body(w, r)
	if err != nil {
		return nil, err
	}
	to := url.URL{
		Scheme: "http", Host: name, RawQuery: r.URL.RawQuery,
		Path: strings.TrimPrefix(r.URL.Path, "/api/"+name), RawPath: strings.TrimPrefix(r.URL.RawPath, "/api/"+name),
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), body)
	if err != nil {
		return nil, fault.Invalid.Wrap(err)
	}
	for _, h := range passed {
		out.Header[h] = r.Header[h]
	}
	out.Header.Set("User-Agent", "portal")
	if v.caller.Subject == "" {
		return out, nil
	}
	text, err := d.Signer.For(v.caller, name)
	out.Header.Set("Authorization", "Bearer "+text)
	return out, err
}
