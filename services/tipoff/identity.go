package tipoff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// Identity is who told, as the reporter gave it. It is in memory only while it is
// sealed or opened, and never prints itself.
type Identity struct {
	Name    string `json:"name,omitempty" maxLength:"40"`
	Phone   string `json:"phone,omitempty" maxLength:"40"`
	Account string `json:"account,omitempty" maxLength:"64" description:"the pseudonym that another channel gave"`
}

const redacted = "[redacted]"

// String hides i.
func (Identity) String() string { return redacted }

// GoString hides i.
func (Identity) GoString() string { return redacted }

// LogValue hides i.
func (Identity) LogValue() slog.Value { return slog.StringValue(redacted) }

func (i Identity) empty() bool { return i == Identity{} }

// sealedSize is how long a sealed identity's text is, whatever it says: a short
// name must not be told from a long one.
const sealedSize = 512

// Seal is the intake office's key. Everyone can close it; who has the secret half,
// which in production is on no server, can open it.
type Seal struct {
	To   age.Recipient
	With age.Identity // nil: officers open with their own copy of the key
}

// close seals i.
func (s Seal) close(i Identity) ([]byte, error) {
	plain, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	if len(plain) < sealedSize {
		plain = append(plain, bytes.Repeat([]byte{' '}, sealedSize-len(plain))...)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, s.To)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // before Bytes: it writes the end
		return nil, err
	}
	return sealed.Bytes(), nil
}

// open is the identity in sealed.
func (s Seal) open(sealed []byte) (Identity, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), s.With)
	if err != nil {
		return Identity{}, fmt.Errorf("open identity: %w", err)
	}
	var i Identity
	plain, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(plain, &i)
	}
	return i, err
}

// openFor is how long an approved request may be used. It is a matter of safety,
// not of law.
const openFor = 24 * time.Hour

// IdentityRequest is one asking to open an identity, and what became of it.
type IdentityRequest struct {
	ID           string     `json:"id"`
	TipID        string     `json:"tip"`
	Jurisdiction string     `json:"jurisdiction"`
	Reason       string     `json:"reason"`
	RequestedBy  string     `json:"requested_by" description:"account"`
	RequestedOn  day.Date   `json:"requested_on"`
	ApprovedBy   string     `json:"approved_by"`
	OpenUntil    *time.Time `json:"open_until"`
	ReadOn       day.Date   `json:"read_on"`
}

// State is PENDING, APPROVED, READ or EXPIRED at now.
func (r *IdentityRequest) State(now time.Time) string {
	switch {
	case !r.ReadOn.IsZero():
		return "READ"
	case r.OpenUntil == nil:
		return "PENDING"
	case now.After(*r.OpenUntil):
		return "EXPIRED"
	}
	return "APPROVED"
}

// approve lets account approve r: someone of the same office, but not who asked.
func (r *IdentityRequest) approve(account string, now time.Time) error {
	switch {
	case account == r.RequestedBy:
		return fault.Forbidden.Errorf("申请人不能批准自己的申请，须由受理中心另一名工作人员批准")
	case r.ApprovedBy != "":
		return fault.Conflict.Errorf("该申请已经批准")
	}
	until := now.Add(openFor)
	r.ApprovedBy, r.OpenUntil = account, &until
	return nil
}

// readable reports whether account may read the identity that r asks for, now.
func (r *IdentityRequest) readable(account string, now time.Time) bool {
	return account == r.RequestedBy && r.State(now) == "APPROVED"
}
