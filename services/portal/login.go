package portal

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// providerCap is how long the identity provider may take to answer.
const providerCap = 5 * time.Second

// Login is login by OIDC: authorization code, PKCE, state and nonce. The suite
// stores no passwords.
type Login struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	Base         map[Listener]string // where browsers reach each listener, without a slash at the end

	mu       sync.Mutex
	provider *oidc.Provider
}

// client keeps a slow provider from holding our requests.
var providerClient = &http.Client{Timeout: providerCap}

// discover asks the provider for its addresses and keys, until it has answered
// once: portal may be up before it.
func (l *Login) discover() (*oidc.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provider != nil {
		return l.provider, nil
	}
	// The keys are fetched long after this request, so not under its context.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), providerClient), l.Issuer)
	if err != nil {
		return nil, fault.Unavailable.Wrap(err)
	}
	l.provider = p
	return p, nil
}

func (l *Login) config(p *oidc.Provider, at Listener) *oauth2.Config {
	return &oauth2.Config{
		ClientID: l.ClientID, ClientSecret: l.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: l.Base[at] + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile"},
	}
}

// begin answers GET /login: it sends the browser to the provider.
func (d *door) begin(w http.ResponseWriter, r *http.Request) error {
	if d.Login == nil {
		return fault.NotFound.Errorf("没有配置登录服务")
	}
	base, err := url.Parse(d.Login.Base[d.at])
	if err != nil {
		return err
	}
	target := localPath(r.URL.Query().Get("to"))
	if r.Host != base.Host { // the cookie must be where the provider sends the browser back to
		http.Redirect(w, r, d.Login.Base[d.at]+"/login?to="+url.QueryEscape(target), http.StatusFound)
		return nil
	}
	p, err := d.Login.discover()
	if err != nil {
		return err
	}
	state, browser := secret(), secret()
	a := attempt{Browser: hash(browser), Nonce: secret(), Verifier: oauth2.GenerateVerifier(), Target: target, CreatedAt: d.Machine()}
	_, err = pg.InTx(r.Context(), d.DB, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, insertLogin(r.Context(), tx, state, d.at, a)
	})
	if err != nil {
		return err
	}
	d.setCookie(w, d.loginCookie(), browser, int(loginsExpire.Seconds()))
	http.Redirect(w, r, d.Login.config(p, d.at).AuthCodeURL(state, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), http.StatusFound)
	return nil
}

// callback answers GET /callback: the provider has sent the browser back.
func (d *door) callback(w http.ResponseWriter, r *http.Request) error {
	if d.Login == nil {
		return fault.NotFound.Errorf("没有配置登录服务")
	}
	a, err := d.attempt(w, r)
	if err != nil {
		return err
	}
	if denied := r.URL.Query().Get("error"); denied != "" {
		return fault.Unauthentic.Errorf("登录服务没有确认您的身份，请重新登录")
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), providerClient), 2*providerCap)
	defer cancel()
	c, err := d.Login.identify(ctx, d.at, r.URL.Query().Get("code"), a)
	if err != nil {
		return err
	}
	if !d.at.admits(c) {
		other := map[Listener]Listener{Public: Staff, Staff: Public}[d.at]
		return fault.Forbidden.Errorf("此账号应从另一入口登录：%s", d.Login.Base[other])
	}
	if _, err := d.enter(w, r, c); err != nil {
		return err
	}
	http.Redirect(w, r, a.Target, http.StatusSeeOther)
	return nil
}

// attempt takes the login that r answers: once, in time, from the same browser.
func (d *door) attempt(w http.ResponseWriter, r *http.Request) (attempt, error) {
	again := fault.Unauthentic.Errorf("登录请求无效或已使用，请重新登录")
	cookie, err := r.Cookie(d.loginCookie())
	if err != nil {
		return attempt{}, again
	}
	d.setCookie(w, d.loginCookie(), "", -1)
	a, err := pg.InTx(r.Context(), d.DB, func(tx pgx.Tx) (attempt, error) {
		return takeLogin(r.Context(), tx, r.URL.Query().Get("state"), d.at)
	})
	switch {
	case errors.Is(err, fault.NotFound):
		return attempt{}, again
	case err != nil:
		return attempt{}, err
	case subtle.ConstantTimeCompare(a.Browser, hash(cookie.Value)) == 0, d.Machine().Sub(a.CreatedAt) > loginsExpire:
		return attempt{}, again
	}
	return a, nil
}

// identify trades code for who the provider says it is.
func (l *Login) identify(ctx context.Context, at Listener, code string, a attempt) (auth.Caller, error) {
	p, err := l.discover()
	if err != nil {
		return auth.Caller{}, err
	}
	t, err := l.config(p, at).Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		if _, said := errors.AsType[*oauth2.RetrieveError](err); said {
			return auth.Caller{}, fault.Unauthentic.Wrap(err)
		}
		return auth.Caller{}, fault.Unavailable.Wrap(err)
	}
	raw, _ := t.Extra("id_token").(string)
	id, err := p.VerifierContext(ctx, &oidc.Config{ClientID: l.ClientID}).Verify(ctx, raw)
	if err != nil {
		return auth.Caller{}, fault.Unauthentic.Wrap(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) == 0 {
		return auth.Caller{}, fault.Unauthentic.Errorf("登录请求与应答不符，请重新登录")
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return auth.Caller{}, fault.Unauthentic.Wrap(err)
	}
	return c.caller(id.Subject)
}

// claims is what a provider says in the suite's own words.
type claims struct {
	Roles        []string `json:"xunguan_roles"`
	Agency       string   `json:"xunguan_agency"`
	Jurisdiction string   `json:"xunguan_jurisdiction"`
}

// caller is who subject is by c. Forbidden: it has no role here that a person
// may have, or it would rule over no place.
func (c claims) caller(subject string) (auth.Caller, error) {
	roles := slices.DeleteFunc(slices.Clone(c.Roles), func(r string) bool { return !slices.Contains(personRoles, r) })
	if len(roles) == 0 || subject == "" {
		return auth.Caller{}, fault.Forbidden.Errorf("此账号在本系统中没有角色，请联系管理员")
	}
	if c.Jurisdiction != "" {
		if _, ok := division.Find(c.Jurisdiction); !ok {
			return auth.Caller{}, fault.Forbidden.Errorf("此账号的管辖区划 %s 不存在，请联系管理员", c.Jurisdiction)
		}
	}
	return auth.Caller{Subject: subject, Roles: roles, Agency: c.Agency, Jurisdiction: c.Jurisdiction}, nil
}

// localPath is to if that is a page of ours, else "/": a login must not end
// at somebody else's.
func localPath(to string) string {
	if u, err := url.Parse(to); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}
