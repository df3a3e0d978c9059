package tipoff

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// The files of the folder of secrets. In production the folder holds the first and
// the second: the third is with the intake office, on no server.
const (
	pepperFile    = "receipt.key"
	recipientFile = "identity.pub"
	identityFile  = "identity.key"
	pepperSize    = 32
)

// Secrets reads the folder dir. With mint, for trials, what is missing is made.
func Secrets(dir string, mint bool) (Pepper, Seal, error) {
	if mint {
		if err := mintSecrets(dir); err != nil {
			return nil, Seal{}, fmt.Errorf("make secrets: %w", err)
		}
	}
	pepper, err := read(dir, pepperFile)
	if err != nil {
		return nil, Seal{}, err
	}
	key, err := hex.DecodeString(pepper)
	if err != nil || len(key) < pepperSize {
		return nil, Seal{}, fmt.Errorf("%s is not %d bytes in hexadecimal", pepperFile, pepperSize)
	}
	seal, err := readSeal(dir)
	return key, seal, err
}

func readSeal(dir string) (seal Seal, err error) {
	pub, err := read(dir, recipientFile)
	if err != nil {
		return seal, err
	}
	to, err := age.ParseX25519Recipient(pub)
	if err != nil {
		return seal, fmt.Errorf("%s: %w", recipientFile, err)
	}
	seal.To = to
	secret, err := read(dir, identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return seal, nil
	}
	if err != nil {
		return seal, err
	}
	with, err := age.ParseX25519Identity(secret)
	if err != nil {
		return seal, fmt.Errorf("%s is not an age identity", identityFile) // its words would show the key
	}
	if with.Recipient().String() != to.String() {
		return seal, fmt.Errorf("%s and %s do not belong together", identityFile, recipientFile)
	}
	seal.With = with
	return seal, nil
}

func read(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the folder is the administrator's
	return strings.TrimSpace(string(text)), err
}

// mintSecrets makes what dir lacks. The secret half comes first: a public half
// without it would seal what nobody can open.
func mintSecrets(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	pepper := make([]byte, pepperSize)
	_, _ = rand.Read(pepper) // it never fails
	if err := put(dir, pepperFile, hex.EncodeToString(pepper)); err != nil {
		return err
	}
	if _, err := read(dir, recipientFile); err == nil {
		return nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := put(dir, identityFile, id.String()); err != nil {
		return err
	}
	secret, err := read(dir, identityFile) // it may have been there
	if err != nil {
		return err
	}
	if id, err = age.ParseX25519Identity(secret); err != nil {
		return fmt.Errorf("%s is not an age identity", identityFile)
	}
	return put(dir, recipientFile, id.Recipient().String())
}

// put writes a file of dir, whole or not at all, unless it is there.
func put(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
