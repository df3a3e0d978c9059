package portal

import (
	"encoding/json"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5" //nolint:depguard // mockoidc's interface asks for it
	"github.com/oauth2-proxy/mockoidc"
)

// Provider is the development identity provider: it asks who you want to be and
// believes you. Its key is published with mockoidc's source, so whoever trusts
// it trusts everybody: it exists for trial mode only.
type Provider struct {
	oidc      *mockoidc.MockOIDC
	mu        sync.Mutex // mockoidc keeps its sessions in plain maps
	redirects []string
}

// NewProvider returns the provider that listens on addr and knows one client,
// whose browsers it sends back to redirects: to /callback on this machine if
// there are none. Its key is always the same, so tokens and clients survive a
// restart; a login under way does not, and begins again.
func NewProvider(addr, clientID, clientSecret string, redirects ...string) (*Provider, error) {
	m, err := mockoidc.NewServer(nil)
	if err != nil {
		return nil, err
	}
	if clientID == "" || clientSecret == "" {
		return nil, errors.New("provider: client id and secret must not be empty")
	}
	m.ClientID, m.ClientSecret = clientID, clientSecret
	m.CodeChallengeMethodsSupported = []string{"S256"}
	m.Server = &http.Server{Addr: addr} //nolint:gosec // never started: its address is the issuer's
	return &Provider{oidc: m, redirects: redirects}, nil
}

// Issuer is what portal's oidc-issuer must say.
func (p *Provider) Issuer() string { return p.oidc.Issuer() }

// Handler serves the provider.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+mockoidc.AuthorizationEndpoint, p.authorize)
	mux.HandleFunc("POST "+mockoidc.TokenEndpoint, p.locked(p.oidc.Token))
	mux.HandleFunc("GET "+mockoidc.UserinfoEndpoint, p.locked(p.oidc.Userinfo))
	mux.HandleFunc("GET "+mockoidc.JWKSEndpoint, p.locked(p.oidc.JWKS))
	mux.HandleFunc("GET "+mockoidc.DiscoveryEndpoint, p.locked(p.oidc.Discovery))
	mux.HandleFunc("GET /static/style.css", stylesheet)
	return mux
}

func (p *Provider) locked(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		next(w, r)
	}
}

var personaPage = template.Must(template.New("personas.html").Funcs(template.FuncMap{"t": say}).ParseFS(files, "templates/personas.html"))

// authorize shows the personas, and sends the browser back as the chosen one.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !p.sends(q.Get("redirect_uri")) {
		http.Error(w, "redirect_uri 不在允许之列", http.StatusBadRequest)
		return
	}
	if q.Get("code_challenge") == "" {
		http.Error(w, "缺少 PKCE 的 code_challenge", http.StatusBadRequest)
		return
	}
	chosen, ok := findPersona(q.Get("persona"))
	if ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.oidc.QueueUser(oidcUser{chosen})
		p.oidc.Authorize(w, r)
		_ = p.oidc.UserQueue.Pop() // of a refused request the next one must not be the heir
		return
	}
	type choice struct{ Title, Name, Href string }
	var choices []choice
	for _, persona := range Personas {
		q.Set("persona", persona.Name)
		choices = append(choices, choice{persona.Title, persona.Name, "?" + q.Encode()})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Cache-Control", "no-store")
	_ = personaPage.Execute(w, choices)
}

// sends reports whether codes may go to uri.
func (p *Provider) sends(uri string) bool {
	if len(p.redirects) > 0 {
		return slices.Contains(p.redirects, uri)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Path != "/callback" || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// oidcUser is a persona as mockoidc wants it.
type oidcUser struct{ p Persona }

// ID is the token's subject.
func (u oidcUser) ID() string { return u.p.Caller.Subject }

// Userinfo is the answer of the userinfo endpoint.
func (u oidcUser) Userinfo([]string) ([]byte, error) {
	return json.Marshal(map[string]string{"sub": u.p.Caller.Subject, "preferred_username": u.p.Title})
}

// Claims is the body of the id token.
func (u oidcUser) Claims(_ []string, base *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	return struct {
		*mockoidc.IDTokenClaims
		Name         string   `json:"preferred_username"`
		Roles        []string `json:"xunguan_roles"`
		Agency       string   `json:"xunguan_agency,omitempty"`
		Jurisdiction string   `json:"xunguan_jurisdiction,omitempty"`
	}{base, u.p.Title, u.p.Caller.Roles, u.p.Caller.Agency, u.p.Caller.Jurisdiction}, nil
}
