package auth

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "portal.pem")
	if err := WriteKey(file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := WriteKey(file); !os.IsExist(err) {
		t.Errorf("writing over a key: %v", err)
	}
	key, err := ReadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	pub, _ := key.Public().(ed25519.PublicKey)
	token, err := Sign(key, KeyID(pub), Caller{Subject: "examiner"}, time.Minute, "escrow")
	if err != nil {
		t.Fatal(err)
	}
	v := Verifier{Keys: map[string]ed25519.PublicKey{KeyID(pub): pub}, Audience: "escrow"}
	if c, err := v.Verify(token); err != nil || c.Subject != "examiner" {
		t.Errorf("token of the key in the file: %+v, %v", c, err)
	}
	for name, content := range map[string]string{"no PEM": "x", "no key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(file); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
}
