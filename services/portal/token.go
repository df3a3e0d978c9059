package portal

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"xunguan/pkg/auth"
)

const (
	tokenTTL  = time.Minute      // of the token that a forwarded call carries
	tokenKeep = tokenTTL / 2     // how long the same token is used again
	scriptTTL = 15 * time.Minute // of the token of /trial/login
	tokensMax = 4096             // remembered at once
	self      = "portal"         // the audience of a token that portal itself accepts
)

// Signer makes the tokens that say to services who calls, and checks those that
// come back to portal.
type Signer struct {
	key      ed25519.PrivateKey
	id       string
	verifier *auth.Verifier

	mu   sync.Mutex
	made map[string]token // by caller and audience
}

type token struct {
	text  string
	until time.Time
}

// NewSigner returns the Signer of key.
func NewSigner(key ed25519.PrivateKey) *Signer {
	public, _ := key.Public().(ed25519.PublicKey)
	id := auth.KeyID(public)
	return &Signer{key: key, id: id, verifier: &auth.Verifier{Keys: map[string]ed25519.PublicKey{id: public}, Audience: self}}
}

// CallerKey is what services must be given to trust s: kid=base64.
func (s *Signer) CallerKey() string {
	return s.id + "=" + base64.StdEncoding.EncodeToString(s.verifier.Keys[s.id])
}

// For returns a token that says c to service and to those it calls. A browser
// sends many requests at once, so the same token serves for a while.
func (s *Signer) For(c auth.Caller, service string) (string, error) {
	key := strings.Join(append([]string{service, c.Subject, c.Agency, c.Jurisdiction, c.Institution}, c.Roles...), "\x00")
	now := time.Now()
	s.mu.Lock()
	t, ok := s.made[key]
	s.mu.Unlock()
	if ok && now.Before(t.until) {
		return t.text, nil
	}
	text, err := auth.Sign(s.key, s.id, c, tokenTTL, append([]string{service}, reaches[service]...)...)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil || len(s.made) >= tokensMax {
		s.made = make(map[string]token)
	}
	s.made[key] = token{text, now.Add(tokenKeep)}
	return text, nil
}

// Script returns a token for a script that tries the suite: portal accepts it in
// place of a session.
func (s *Signer) Script(c auth.Caller) (text string, until time.Time, err error) {
	audience := []string{self}
	for name := range reaches {
		audience = append(audience, name)
	}
	text, err = auth.Sign(s.key, s.id, c, scriptTTL, audience...)
	return text, time.Now().Add(scriptTTL), err
}
