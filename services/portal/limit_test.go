package portal

import (
	"net/netip"
	"testing"
)

// TestAddress is whom a request without a session is counted under.
func TestAddress(t *testing.T) {
	t.Parallel()
	l := Limits{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, tt := range []struct {
		name, from string
		forwarded  []string
		want       string
	}{
		{"nobody in between", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"a proxy", "10.1.2.3:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "10.1.2.3:1", []string{"203.0.113.7, 10.9.9.9"}, "203.0.113.7"},
		{"two headers", "10.1.2.3:1", []string{"203.0.113.7", "10.9.9.9"}, "203.0.113.7"},
		{"what the visitor claims does not count", "10.1.2.3:1", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"who is no proxy is not believed", "203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		{"a proxy that says nothing", "10.1.2.3:1", nil, "10.1.2.3"},
		{"a proxy that talks nonsense", "10.1.2.3:1", []string{"203.0.113.7, unknown"}, "10.1.2.3"},
		{"version 6", "[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"a listener for both versions", "[::ffff:10.1.2.3]:1", []string{"203.0.113.7"}, "203.0.113.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRequest("GET", "/")
			r.RemoteAddr = tt.from
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := l.address(r); got != tt.want {
				t.Errorf("counted under %s, want %s", got, tt.want)
			}
		})
	}
}
