// Package attach takes photos in for a service's cases: it makes them safe, keeps
// their bytes in an S3 bucket and what is to be known of them in the service's
// own table attachments, whose policy says who sees which.
//
// What must always be true: of a file only pixels are kept, under an id that is
// no name; an object has a row, written before it; a row is part of a case only
// by the transaction that says so, with its object there; what no case took is
// removed, a day later at the soonest. A service that embeds the package makes
// the table (services/tipoff/migrations has it).
package attach

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// mostWaiting is how many attachments may wait for a case: of one person, or of
// all who are nobody.
const mostWaiting = 10_000

// Box is the attachments of one service.
type Box struct {
	DB      *pgxpool.Pool
	Objects *Objects
	Now     func() time.Time // legal time
	// Blind keeps nothing of who sends: neither the account nor the digest of the
	// file as it was, by which it could be found on a telephone.
	Blind bool
}

// Attachment is what is known of one.
type Attachment struct {
	ID      string   `json:"id"`
	Item    string   `json:"item,omitempty" description:"what of the case it belongs to"`
	Sum     string   `json:"sha256" description:"of what is kept, in hexadecimal"`
	Sent    string   `json:"sent_sha256,omitempty" description:"of the file as it was sent"`
	Size    int      `json:"bytes"`
	Width   int      `json:"width" description:"pixels"`
	Height  int      `json:"height" description:"pixels"`
	AddedOn day.Date `json:"added_on"`
	AddedBy string   `json:"added_by,omitempty"`
	Stored  bool     `json:"-"`
}

// Take takes a photo in under id, which its sender made; no case has it yet. The
// same photo under the same id again is the same attachment, another one is
// KeyReused.
func (b *Box) Take(ctx context.Context, id string, p Picture) (Attachment, error) {
	a := Attachment{ID: id, Sum: p.Sum, Sent: p.Sent, Size: len(p.Body), Width: p.Width, Height: p.Height, AddedOn: day.Of(b.Now()), AddedBy: auth.From(ctx).Subject}
	if b.Blind {
		a.Sent, a.AddedBy = "", ""
	}
	was, err := pg.InTx(ctx, b.DB, func(tx pgx.Tx) (Attachment, error) { return admit(ctx, tx, a) })
	if err != nil || was.Stored {
		was.Sent = p.Sent
		return was, err
	}
	if err := b.Objects.put(ctx, id, p.Body); err != nil {
		return Attachment{}, err
	}
	a.Sent = p.Sent
	return pg.InTx(ctx, b.DB, func(tx pgx.Tx) (Attachment, error) { return a, markStored(ctx, tx, id) })
}

// admit adds a row for a, or finds the one that is there.
func admit(ctx context.Context, tx pgx.Tx, a Attachment) (Attachment, error) {
	waiting, err := countWaiting(ctx, tx)
	if err != nil {
		return a, err
	}
	if waiting >= mostWaiting {
		return a, fault.Unavailable.Errorf("等待提交的照片过多，请稍后再传")
	}
	if err := insert(ctx, tx, a); err != nil {
		return a, err
	}
	was, err := find(ctx, tx, a.ID)
	if err == nil && was.Sum != a.Sum {
		err = fault.KeyReused.Errorf("这个编号已用于另一张照片")
	}
	if fault.KindOf(err) == fault.NotFound { // there, and somebody else's
		err = fault.KeyReused.Errorf("这个编号已用于另一张照片")
	}
	return was, err
}

// Bind makes the attachments ids part of the case to, and of its item if it has
// such, with tx. Each must have been taken in by whom tx acts for, and be no other
// case's; else it is Invalid.
func (b *Box) Bind(ctx context.Context, tx pgx.Tx, to, item string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	bound, err := bind(ctx, tx, to, item, ids)
	if err == nil && bound < len(ids) {
		err = fault.Fields(fault.Field{Pointer: "/photos", Detail: fmt.Sprintf("有 %d 张照片没有传完，或已过期，请重新添加", len(ids)-bound)})
	}
	return err
}

// List lists the attachments of the case to that tx sees, never nil.
func (b *Box) List(ctx context.Context, tx pgx.Tx, to string) ([]Attachment, error) {
	return list(ctx, tx, to)
}

// Of is the attachment id of the case to; NotFound if tx does not see it there.
func (b *Box) Of(ctx context.Context, tx pgx.Tx, to, id string) (Attachment, error) {
	return findOf(ctx, tx, to, id)
}

// Read is the bytes of a, whole and as they were taken in. Call it outside of
// transactions.
func (b *Box) Read(ctx context.Context, a Attachment) ([]byte, error) {
	body, err := b.Objects.get(ctx, a.ID)
	if err == nil && sum(body) != a.Sum {
		err = fmt.Errorf("attachment %s is not what was stored", a.ID)
	}
	return body, err
}

// Timer removes what no case took.
func (b *Box) Timer() due.Timer {
	return due.Timer{Name: "orphan attachment", Next: nextOrphan, Apply: func(ctx context.Context, tx pgx.Tx, id string) error {
		// The object goes first: a row that stays is found again, an object alone never.
		if err := b.Objects.remove(ctx, id); err != nil {
			return err
		}
		return remove(ctx, tx, id)
	}}
}
