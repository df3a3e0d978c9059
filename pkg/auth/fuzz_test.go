package auth

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// FuzzVerify takes no token for a caller's but those that were signed for him.
func FuzzVerify(f *testing.F) {
	public, private, _ := ed25519.GenerateKey(nil)
	_, stranger, _ := ed25519.GenerateKey(nil)
	anna := Caller{Subject: "anna", Roles: []string{"parent"}}
	for _, k := range []ed25519.PrivateKey{private, stranger} {
		for _, audience := range []string{"escrow", "licensing"} {
			token, err := Sign(k, "k1", anna, time.Hour, audience)
			if err != nil {
				f.Fatal(err)
			}
			f.Add("Bearer " + token)
		}
	}
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, header string) {
		v := &Verifier{Keys: map[string]ed25519.PublicKey{"k1": public}, Audience: "escrow"}
		ctx, err := v.Authenticate(t.Context(), header)
		if got := From(ctx); err == nil && header != "" && !reflect.DeepEqual(got, anna) {
			t.Errorf("%q speaks for %+v", header, got)
		}
	})
}

// FuzzReadKey reads any file: a whole key or an error.
func FuzzReadKey(f *testing.F) {
	good := filepath.Join(f.TempDir(), "good.pem")
	if err := WriteKey(good); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(good) //nolint:gosec // written above
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := ReadKey(file); err == nil && len(k) != ed25519.PrivateKeySize {
			t.Errorf("a key of %d bytes", len(k))
		}
	})
}
