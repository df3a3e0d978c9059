package tipoff

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"

	"github.com/google/uuid"

	"xunguan/pkg/day"
)

// A receipt is a public number and a secret code. The code is 120 bits in 24
// characters of Crockford's base 32 and one to check them by; only its keyed hash
// is stored, with the number in it, so that a code is good for its number alone.
const (
	crockford  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	checkSigns = crockford + "*~$=U" // modulo 37
	codeBytes  = 15
	codeLength = 24
	groupOf    = 5
)

// Code is a secret query code in its plain form: 25 characters, without hyphens.
type Code string

// String hides c from logs: a code that was printed by mistake is not secret.
func (Code) String() string { return redacted }

// LogValue hides c.
func (Code) LogValue() slog.Value { return slog.StringValue(redacted) }

// Shown is c in groups of five, for the one time that it is shown.
func (c Code) Shown() string {
	var groups []string
	for s := string(c); s != ""; s = s[min(groupOf, len(s)):] {
		groups = append(groups, s[:min(groupOf, len(s))])
	}
	return strings.Join(groups, "-")
}

// encode is the code of 120 bits.
func encode(b [codeBytes]byte) Code {
	n := new(big.Int).SetBytes(b[:])
	check := new(big.Int).Mod(n, big.NewInt(int64(len(checkSigns)))).Int64()
	signs := make([]byte, codeLength+1)
	signs[codeLength] = checkSigns[check]
	for i := codeLength - 1; i >= 0; i-- {
		signs[i] = crockford[n.Uint64()&31]
		n.Rsh(n, 5)
	}
	return Code(signs)
}

var errCode = errors.New("not a code")

// parseCode reads what a person typed: any case, with spaces and hyphens, O for 0,
// I and L for 1. Its error says nothing of why.
func parseCode(typed string) (Code, error) {
	signs := make([]byte, 0, codeLength+1)
	for _, r := range strings.ToUpper(narrow(typed)) {
		switch r {
		case ' ', '-', '\t', '\r', '\n', '—', '–', '_':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if r > 'Z' && r != '~' || len(signs) > codeLength {
			return "", errCode
		}
		signs = append(signs, byte(r))
	}
	if len(signs) != codeLength+1 {
		return "", errCode
	}
	n := new(big.Int)
	for _, s := range signs[:codeLength] {
		v := strings.IndexByte(crockford, s)
		if v < 0 {
			return "", errCode
		}
		n.Lsh(n, 5).Or(n, big.NewInt(int64(v)))
	}
	if checkSigns[new(big.Int).Mod(n, big.NewInt(int64(len(checkSigns)))).Int64()] != signs[codeLength] {
		return "", errCode
	}
	return Code(signs), nil
}

// parseNumber is a public number as it is stored, of what a person typed.
func parseNumber(typed string) string {
	return strings.ToUpper(strings.Join(strings.Fields(narrow(typed)), ""))
}

// Pepper is the service's secret, which no database, backup of one, or log has.
type Pepper []byte

// String hides p.
func (Pepper) String() string { return redacted }

// LogValue hides p.
func (Pepper) LogValue() slog.Value { return slog.StringValue(redacted) }

// mac is HMAC-SHA-256 of parts under p, for one use.
func (p Pepper) mac(use string, parts ...string) []byte {
	m := hmac.New(sha256.New, p)
	for _, part := range append([]string{use}, parts...) {
		_ = binary.Write(m, binary.BigEndian, int64(len(part))) // a hash does not fail
		m.Write([]byte(part))
	}
	return m.Sum(nil)
}

// hash is what is stored of the code that goes with number.
func (p Pepper) hash(number string, c Code) []byte { return p.mac("receipt", number, string(c)) }

// code derives the code of a submission from random salt, which is stored, and the
// caller's Idempotency-Key, which is not. So the answer to a call that is repeated
// has the same code although the stored answer has none, and who would find a code
// out needs the database, the pepper and the caller's own key together.
func (p Pepper) code(salt, key string) Code {
	return encode([codeBytes]byte(p.mac("code", salt, key)))
}

// blind is what is stored of an Idempotency-Key.
func (p Pepper) blind(key string) string { return hex.EncodeToString(p.mac("key", key)) }

// newSalt is 128 random bits.
func newSalt() string { return rand.Text() }

// newNumber is a public number of a day, TS-2026-1122-0837: its digits are random,
// so that numbers tell neither order nor count. From the second try on it is
// longer, for a day that has few left.
func newNumber(on day.Date, try int) (string, error) {
	digits, most := 4, int64(1e4)
	if try > 0 {
		digits, most = 8, 1e8
	}
	n, err := rand.Int(rand.Reader, big.NewInt(most))
	if err != nil {
		return "", err
	}
	d := on.String() // 2026-11-22
	return fmt.Sprintf("TS-%s-%s%s-%0*d", d[:4], d[5:7], d[8:], digits, n.Int64()), nil
}

// newID is a UUIDv7 whose time is the beginning of the day: one like any other
// would say to the millisecond when its tip-off came.
func newID(on day.Date) string {
	var id uuid.UUID
	_, _ = rand.Read(id[:]) // it never fails
	ms := uint64(on.Start().UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i)) //nolint:gosec // one of its bytes
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id.String()
}
