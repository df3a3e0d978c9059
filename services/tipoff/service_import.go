package tipoff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// ImportTips takes in the file of another channel.
type ImportTips struct {
	once.Key
	Channel string `query:"channel" pattern:"^[0-9a-z]{1,20}$" description:"where the rows come from; 12345 if not given"`
}

// importBatch is how many rows are one transaction.
const importBatch = 100

// ImportTips imports the CSV file in r into the caller's place. A row whose channel
// and id came before is a duplicate and changes nothing, so that a file may be sent
// again, also after it broke off half-way; the same key gives the same answer. What
// cannot be imported is reported by line, and the rest goes on.
func (s *Service) ImportTips(ctx context.Context, req ImportTips, r io.Reader) (Imported, error) {
	c := auth.From(ctx)
	if req.Channel == "" {
		req.Channel = hotline
	}
	return s.importFile(ctx, File{Account: c.Subject, Key: req.IdempotencyKey, Channel: req.Channel}, c.Jurisdiction, r)
}

// importFile imports r as f for the intake office of jurisdiction.
func (s *Service) importFile(ctx context.Context, f File, jurisdiction string, r io.Reader) (Imported, error) {
	f.ID = uuid.Must(uuid.NewV7()).String()
	f, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (File, error) { return openFile(ctx, tx, f) })
	if err != nil {
		return Imported{}, err
	}
	sum := sha256.New()
	r = io.TeeReader(r, sum)
	if f.Answer != nil {
		return repeated(f, r, sum)
	}
	answer, err := s.importRows(ctx, f, jurisdiction, r)
	if err != nil {
		return Imported{}, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return Imported{}, err
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Imported, error) {
		return answer, closeFile(ctx, tx, f.ID, sum.Sum(nil), answer)
	})
}

// repeated is the answer that f had, if r is the same file; else KeyReused.
func repeated(f File, r io.Reader, sum hash.Hash) (Imported, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return Imported{}, err
	}
	if !bytes.Equal(sum.Sum(nil), f.Sum) {
		return Imported{}, fault.KeyReused.Errorf("Idempotency-Key 已用于另一文件")
	}
	return *f.Answer, nil
}

func (s *Service) importRows(ctx context.Context, f File, jurisdiction string, r io.Reader) (Imported, error) {
	got := Imported{Rejected: []Rejected{}}
	t, err := openTable(r, importColumns...)
	if err != nil {
		return got, err
	}
	var batch []Message
	for done := false; !done; {
		rec, bad, err := t.next()
		switch {
		case errors.Is(err, io.EOF):
			done = true
		case err != nil:
			return got, err
		default:
			got.Received++
			var m Message
			if bad == nil {
				m, bad = t.message(rec, s.today())
			}
			if bad != nil {
				got.Rejected = append(got.Rejected, *bad)
			} else {
				batch = append(batch, m)
			}
		}
		if full := len(batch) == importBatch; full || done {
			if err := s.importBatch(ctx, f, jurisdiction, batch, &got); err != nil {
				return got, fmt.Errorf("import to line %d: %w", t.line, err)
			}
			batch = batch[:0]
		}
		if len(got.Rejected) == maxRejected {
			return got, s.importBatch(ctx, f, jurisdiction, batch, &got)
		}
	}
	return got, nil
}

// importBatch imports ms in one transaction and counts them in got.
func (s *Service) importBatch(ctx context.Context, f File, jurisdiction string, ms []Message, got *Imported) error {
	created, err := s.tryBatch(ctx, f, jurisdiction, ms)
	if errors.Is(err, fault.Conflict) { // two drew the same number: once in a million
		created, err = s.tryBatch(ctx, f, jurisdiction, ms)
	}
	got.Created, got.Duplicate = got.Created+created, got.Duplicate+len(ms)-created
	return err
}

func (s *Service) tryBatch(ctx context.Context, f File, jurisdiction string, ms []Message) (int, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (n int, err error) {
		for _, m := range ms {
			fresh, err := s.importOne(ctx, tx, f, jurisdiction, m)
			if err != nil {
				return n, fmt.Errorf("line %d: %w", m.Line, err)
			}
			if fresh {
				n++
			}
		}
		return n, nil
	})
}

// importOne imports m, and reports whether this line of f brought it, now or
// before the import broke off.
func (s *Service) importOne(ctx context.Context, tx pgx.Tx, f File, jurisdiction string, m Message) (bool, error) {
	t := m.tip(f.Channel, jurisdiction)
	t.ImportID = fmt.Sprintf("%s:%d", f.ID, m.Line)
	var err error
	if t.Number, err = newNumber(t.ReceivedOn, 1); err != nil {
		return false, err
	}
	if fresh, err := insertTip(ctx, tx, t, theSource); err != nil || !fresh {
		by, ferr := importOf(ctx, tx, f.Channel, m.ID)
		return by == t.ImportID, errors.Join(err, ferr)
	}
	if t.HasIdentity {
		sealed, err := s.Seal.close(Identity{Account: m.User})
		if err == nil {
			err = insertIdentity(ctx, tx, t.ID, sealed)
		}
		if err != nil {
			return false, err
		}
	}
	if m.Reply != "" {
		if _, err := insertAnswer(ctx, tx, t.ID, Answer{Text: m.Reply, Office: f.Channel, GivenOn: m.RepliedOn}); err != nil {
			return false, err
		}
	}
	step := flow.Step{Action: "import", To: string(t.State), Label: "由 " + f.Channel + " 渠道导入"}
	grounds := []fault.Ground(nil)
	if t.State == Received {
		// By the law of the day on which the order reaches the office: it may be older than any rule.
		if grounds, err = s.start(ctx, tx, t, t.ReceivedOn, s.today(), fromReceipt(t.Nature, t.Channel)...); err != nil {
			return false, err
		}
	}
	return true, saveAudit(ctx, tx, s.Now(), deed{t, step, t.Reason, grounds})
}
