package app

import (
	"crypto/ed25519"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// FuzzConfig reads any settings: an error, or keys that are keys.
func FuzzConfig(f *testing.F) {
	f.Add("--database-url=x\n--kafka-brokers=a,b\n--caller-keys=k=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;j=x")
	f.Add("--database-url=x\n--kafka-brokers=\n--caller-keys==\n--peers=a=b;;=\n--deadline=-1s\n--busy=99999999999999999999")
	f.Fuzz(func(t *testing.T, args string) {
		var c Config
		p, err := kong.New(&c, kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Parse(strings.Split(args, "\n")); err != nil {
			return
		}
		keys, err := PublicKeys(c.CallerKeys)
		for id, k := range keys {
			if err == nil && len(k) != ed25519.PublicKeySize {
				t.Errorf("key %q has %d bytes", id, len(k))
			}
		}
	})
}
