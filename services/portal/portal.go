// Package portal is the front door: sessions and login, the gateway to the
// other services, the public directory of institutions, the first pages, and in
// trial mode the tools to try it all.
//
// It owns nothing but sessions and a copy of what is public. A session belongs
// to the listener it was made on and is worth nothing at the other one. Services
// trust only the short-lived token that portal derives from a session; nothing a
// browser sends reaches them as an identity. No address and no user agent is
// kept, logged or traced.
package portal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/mend"
)

// Listener is one of portal's two doors.
type Listener string

// The doors: families and the public; officials and institutions.
const (
	Public Listener = "public"
	Staff  Listener = "staff"
)

// Roles that a person may log in with. The roles of services, system and trial,
// are not among them: no provider can grant them.
var personRoles = []string{"examiner", "culture", "market", "fire", "intake", "city", "principal", "parent", "bank", mend.Operator}

// Services is every service portal forwards to, each with those that it calls
// in turn and that its caller's token must therefore name.
var reaches = map[string][]string{
	"rulebook":   {},
	"licensing":  {"rulebook"},
	"escrow":     {"rulebook", "licensing"},
	"inspection": {"rulebook", "licensing", "escrow"},
	"tipoff":     {"rulebook", "licensing"},
}

// admits reports whether c logs in at l: families at the public door, officials
// and institutions at the other. The short cut of trial mode does not ask.
func (l Listener) admits(c auth.Caller) bool {
	family := func(role string) bool { return role == "parent" }
	if l == Public {
		return slices.ContainsFunc(c.Roles, family)
	}
	return slices.ContainsFunc(c.Roles, func(role string) bool { return !family(role) })
}

// Session is a person who has logged in at one listener.
type Session struct {
	Caller    auth.Caller
	CreatedAt time.Time // machine time
	SeenAt    time.Time // machine time, to the minute

	id string // the cookie's value, of which only the hash is stored
}

// Terms is how long a session lives.
type Terms struct {
	Idle map[Listener]time.Duration // without a request
	Cap  time.Duration              // from login on, however busy
}

// Ends is when s is over unless it is used before.
func (t Terms) Ends(l Listener, s *Session) time.Time {
	idle, last := s.SeenAt.Add(t.Idle[l]), s.CreatedAt.Add(t.Cap)
	if idle.Before(last) {
		return idle
	}
	return last
}

// CSRF is what a request that changes something under s must show besides its
// cookie. It is derived, so nothing that is stored gives it away.
func (s *Session) CSRF() string {
	mac := hmac.New(sha256.New, []byte(s.id))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Holds reports whether s carries role.
func (s *Session) Holds(role string) bool { return slices.Contains(s.Caller.Roles, role) }

// secret is 256 random bits, fit for a cookie or a URL.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is what is stored of a secret.
func hash(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }
