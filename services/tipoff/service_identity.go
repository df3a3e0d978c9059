package tipoff

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// RequestIdentity asks to read who told.
type RequestIdentity struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Reason string `json:"reason" minLength:"5" maxLength:"500" description:"the reporter will read it"`
}

// Asked is a request and how it stands.
type Asked struct {
	IdentityRequest
	State    string        `json:"state" enum:"PENDING,APPROVED,READ,EXPIRED"`
	Identity *Identity     `json:"identity,omitempty" description:"this once, for who asked"`
	Actions  []flow.Action `json:"actions,omitempty"`
	Sealed   []byte        `json:"sealed,omitempty" description:"this once: as sealed (age), where the key is not on the server"`
}

// RequestIdentity asks a colleague to approve. NotFound if the reporter gave none.
func (s *Service) RequestIdentity(ctx context.Context, req RequestIdentity) (Asked, error) {
	if err := faceless(map[string]string{"/reason": req.Reason}); err != nil {
		return Asked{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Asked, error) {
		t, err := findTip(ctx, tx, req.ID)
		if err != nil {
			return Asked{}, err
		}
		if !t.HasIdentity {
			return Asked{}, fault.NotFound.Errorf("举报人没有留下身份信息")
		}
		r := IdentityRequest{
			ID: uuid.Must(uuid.NewV7()).String(), TipID: t.ID, Jurisdiction: t.Jurisdiction, Reason: req.Reason,
			RequestedBy: auth.From(ctx).Subject, RequestedOn: s.today(),
		}
		if err := insertRequest(ctx, tx, r); err != nil {
			return Asked{}, err
		}
		return s.asked(r), s.noteIdentity(ctx, tx, t, "identity_request", "申请查看身份信息", r.Reason)
	})
}

func (s *Service) asked(r IdentityRequest) Asked {
	return Asked{IdentityRequest: r, State: r.State(s.Now())}
}

// noteIdentity adds to t's audit what was done about its identity.
func (s *Service) noteIdentity(ctx context.Context, tx pgx.Tx, t *Tip, action, label, note string) error {
	return saveAudit(ctx, tx, s.Now(), deed{tip: t, note: note, step: flow.Step{
		From: string(t.State), To: string(t.State), Action: action, Label: label,
	}})
}

// ApproveIdentity is the second person's consent.
type ApproveIdentity struct {
	once.Key
	ID string `path:"id" minLength:"1" maxLength:"36"`
}

// ApproveIdentity lets the one who asked read the identity once, within a day.
// Forbidden for who asked.
func (s *Service) ApproveIdentity(ctx context.Context, req ApproveIdentity) (Asked, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Asked, error) {
		r, err := lockRequest(ctx, tx, req.ID)
		if err != nil {
			return Asked{}, err
		}
		if err := r.approve(auth.From(ctx).Subject, s.Now()); err != nil {
			return Asked{}, err
		}
		if err := saveRequest(ctx, tx, r); err != nil {
			return Asked{}, err
		}
		t, err := findTip(ctx, tx, r.TipID)
		if err != nil {
			return Asked{}, err
		}
		return s.asked(r), s.noteIdentity(ctx, tx, t, "identity_approve", "批准查看身份信息", r.RequestedBy+"："+r.Reason)
	})
}

// FindIdentityRequest asks how a request stands.
type FindIdentityRequest struct {
	ID string `path:"id" minLength:"1" maxLength:"36"`
}

// FindIdentityRequest is a request without the identity.
func (s *Service) FindIdentityRequest(ctx context.Context, req FindIdentityRequest) (Asked, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Asked, error) {
		r, err := lockRequest(ctx, tx, req.ID)
		return s.asked(r), err
	})
}

// ReadIdentity opens what was approved. It has no Idempotency-Key: with one, the
// answer would be kept to be given again.
type ReadIdentity struct {
	ID string `path:"id" minLength:"1" maxLength:"36"`
}

// ReadIdentity is the request, and for who asked, once it is approved, the
// identity: this one time. The reporter will read that it was opened, and why.
func (s *Service) ReadIdentity(ctx context.Context, req ReadIdentity) (Asked, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Asked, error) {
		r, err := lockRequest(ctx, tx, req.ID)
		if err != nil {
			return Asked{}, err
		}
		if !r.readable(auth.From(ctx).Subject, s.Now()) {
			return s.asked(r), nil
		}
		sealed, err := findIdentity(ctx, tx, r.TipID)
		if err != nil {
			return Asked{}, err
		}
		a := Asked{Sealed: sealed}
		if s.Seal.With != nil {
			i, err := s.Seal.open(sealed)
			if err != nil {
				return Asked{}, err
			}
			a.Identity, a.Sealed = &i, nil
		}
		r.ReadOn = s.today()
		if err := saveRequest(ctx, tx, r); err != nil {
			return Asked{}, err
		}
		a.IdentityRequest, a.State = r, r.State(s.Now())
		t, err := findTip(ctx, tx, r.TipID)
		if err != nil {
			return Asked{}, err
		}
		return a, s.noteIdentity(ctx, tx, t, "identity_read", "查看身份信息", r.Reason)
	})
}
