package portal

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// visitor is who stands behind one request: nobody, a session, or a script with
// a token of /trial/login.
type visitor struct {
	caller  auth.Caller
	session *Session
	stale   bool // it came with a session that is over
}

type visitorKey struct{} // of the visitor that was found once for a request

// door is one listener of the service.
type door struct {
	*Service
	at      Listener
	own     http.Handler // portal's own routes under /v1
	buckets *buckets     // of both doors
}

// visitor finds who sends r. It returns Unauthentic for a token that is not
// portal's own; of a session that is over it only says so, for what is public
// stays public.
func (d *door) visitor(r *http.Request) (visitor, error) {
	if v, ok := r.Context().Value(visitorKey{}).(visitor); ok {
		return v, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		text, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return visitor{}, fault.Unauthentic.Errorf("需要 Bearer 令牌")
		}
		c, err := d.Signer.verifier.Verify(text)
		return visitor{caller: c}, err
	}
	cookie, err := r.Cookie(d.cookie())
	if err != nil {
		return visitor{}, nil //nolint:nilerr // no cookie is no session
	}
	s, err := d.FindSession(r.Context(), d.at, cookie.Value)
	if errors.Is(err, fault.Unauthentic) {
		return visitor{stale: true}, nil
	}
	if err != nil {
		return visitor{}, err
	}
	return visitor{caller: s.Caller, session: s}, nil
}

// admit returns Forbidden for a request that rides on a session and changes
// something without showing its CSRF token, and Unauthentic for one whose
// session is over.
func (v visitor) admit(r *http.Request, csrf string) error {
	if safe(r.Method) {
		return nil
	}
	if v.stale {
		return fault.Unauthentic.Errorf("登录已过期，请重新登录")
	}
	if v.session != nil && subtle.ConstantTimeCompare([]byte(csrf), []byte(v.session.CSRF())) == 0 {
		return fault.Forbidden.Errorf("缺少 CSRF 令牌，或令牌有误")
	}
	return nil
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// cookie is the name of d's session cookie. Ports do not keep cookies apart, so
// the names do.
func (d *door) cookie() string { return d.prefix() + string(d.at) }

// loginCookie is the name of the cookie that binds a login to its browser.
func (d *door) loginCookie() string { return d.prefix() + string(d.at) + "_login" }

// prefix makes browsers refuse a cookie that another host or plain HTTP set.
func (d *door) prefix() string {
	if d.Trial {
		return "xg_"
	}
	return "__Host-xg_"
}

func (d *door) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // plain HTTP in trial mode only
		Name: name, Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: !d.Trial, SameSite: http.SameSiteLaxMode,
	})
}

// enter logs c in: any session that r came with ends, a new one begins.
func (d *door) enter(w http.ResponseWriter, r *http.Request, c auth.Caller) (*Session, error) {
	if err := d.leave(w, r); err != nil {
		return nil, err
	}
	s, err := d.OpenSession(r.Context(), d.at, c)
	if err != nil {
		return nil, err
	}
	d.setCookie(w, d.cookie(), s.id, int(d.Terms.Cap.Seconds()))
	return s, nil
}

// leave ends the session that r came with.
func (d *door) leave(w http.ResponseWriter, r *http.Request) error {
	cookie, err := r.Cookie(d.cookie())
	if err != nil {
		return nil //nolint:nilerr // nobody is logged in
	}
	d.setCookie(w, d.cookie(), "", -1)
	return d.CloseSession(context.WithoutCancel(r.Context()), cookie.Value)
}

// posted is the form in r, if it is v's own.
func (v visitor) posted(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fault.Invalid.Wrap(err)
	}
	return r.PostForm, v.admit(r, r.PostForm.Get("csrf"))
}
