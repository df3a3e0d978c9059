package escrow

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/fault"
)

// cutter cuts all its connections at one chosen write or read of theirs: a write
// never leaves, of a read the question has arrived and the answer is lost. It is
// what a killed service looks like to the database, at every point of a use case.
type cutter struct{ left atomic.Int64 }

type cutConn struct {
	net.Conn
	c *cutter
}

func (c cutConn) cut() bool {
	if c.c.left.Add(-1) != 0 {
		return false
	}
	_ = c.Close() // that is the fault
	return true
}

func (c cutConn) Write(b []byte) (int, error) {
	if c.cut() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func (c cutConn) Read(b []byte) (int, error) {
	if c.cut() {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(b)
}

// cutting is h's service over connections that c cuts.
func (h *house) cutting(c *cutter) *Service {
	h.t.Helper()
	config := h.DB.Config()
	config.MaxConns = 1 // so that the points come in one order
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return cutConn{conn, c}, err
	}
	db := must(pgxpool.NewWithConfig(h.t.Context(), config))(h.t)
	h.t.Cleanup(db.Close)
	return &Service{DB: db, Now: h.Now}
}

// TestCrashAnywhere cuts each way of moving money at one point after the other,
// until nothing is left to cut; asked again with the same key, each has one effect.
// It takes every so many-th point, beginning anywhere: ESCROW_POINTS=1 takes all.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// prepare makes a fresh case and returns the one request on it.
		prepare func(h *house) func(*Service) error
		fact    string
		facts   int64 // of one case, those of its preparation too
		kind    string
		kinds   int64
	}{
		{"pay", func(h *house) func(*Service) error {
			id := h.sign(h.tooMuch()).ID
			req := PayContract{h.key(), id, 480000, "REF-" + id}
			return func(s *Service) error { _, err := s.PayContract(h.as("parent"), req); return err }
		}, "PaymentReceived", 2, holdTransfer, 2},
		{"confirm", func(h *house) func(*Service) error {
			id := h.paid(h.terms()).ID
			h.taught(id, 1)
			req := ConfirmLesson{h.key(), LessonOf{id, 1}}
			return func(s *Service) error { _, err := s.ConfirmLesson(h.as("parent"), req); return err }
		}, "FundsReleased", 1, postTransfer, 1},
		{"refund", func(h *house) func(*Service) error {
			id := h.paid(h.tooMuch()).ID
			r := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Lessons: 3, Reason: "x"}))(h.t)
			req := AgreeRefund{h.key(), r.ID}
			return func(s *Service) error { _, err := s.AgreeRefund(h.as("principal"), req); return err }
		}, "RefundPaid", 1, payBackTransfer, 1},
		{"request", func(h *house) func(*Service) error {
			req := RequestRefund{Key: h.key(), Contract: h.paid(h.terms()).ID, Whole: true, Reason: "x"}
			return func(s *Service) error { _, err := s.RequestRefund(h.as("parent"), req); return err }
		}, "RefundRequested", 1, holdTransfer, 1},
		{"withdraw", func(h *house) func(*Service) error {
			req := WithdrawRefund{h.key(), h.requested(h.tooMuch()).ID}
			return func(s *Service) error { _, err := s.WithdrawRefund(h.as("parent"), req); return err }
		}, "RefundChanged", 1, holdTransfer, 2},
		{"settle, and a part is kept", func(h *house) func(*Service) error {
			req := SettleRefund{Key: h.key(), ID: h.inMediation(h.terms(penalty(10), prior(fromThis))), Fault: consumerReason, Reason: "x"}
			return func(s *Service) error { _, err := s.SettleRefund(h.as("examiner"), req); return err }
		}, "RefundPaid", 1, voidTransfer, 1},
		{"return", func(h *house) func(*Service) error {
			req := ReturnPayback{h.key(), h.refunded(h.paid(h.terms()).ID, 3).Paybacks[0].ID, "x"}
			return func(s *Service) error { _, err := s.ReturnPayback(h.as("examiner"), req); return err }
		}, "RefundChanged", 1, reverseTransfer, 1},
		{"retry", func(h *house) func(*Service) error {
			id := h.refunded(h.paid(h.terms()).ID, 3).Paybacks[0].ID
			h.returned(id)
			req := RetryPayback{h.key(), id}
			return func(s *Service) error { _, err := s.RetryPayback(h.as("parent"), req); return err }
		}, "RefundPaid", 2, payBackTransfer, 2},
		{"received", func(h *house) func(*Service) error {
			id := h.paid(h.terms(freeAfter(3))).ID
			h.taught(id, 1)
			h.confirmed(id, 1)
			req := ReceivePayback{h.key(), h.refunded(id, 0).Paybacks[1].ID}
			return func(s *Service) error { _, err := s.ReceivePayback(h.as("parent"), req); return err }
		}, "RefundPaid", 1, payBackTransfer, 2},
		{"object, and the fee is kept", func(h *house) func(*Service) error {
			h.at("2026-03-02")
			req := ObjectToLesson{h.key(), LessonOf{h.silently(), 1}, "x"}
			return func(s *Service) error { _, err := s.ObjectToLesson(h.as("parent"), req); return err }
		}, "RefundRequested", 1, keepTransfer, 1},
		{"wind down: confirm, and draw", func(h *house) func(*Service) error {
			req := ConfirmWindDown{h.key(), h.begun(h.doomed()).ID}
			return func(s *Service) error {
				_, err := s.ConfirmWindDown(h.as("examiner"), req)
				return errors.Join(err, winds(h, s))
			}
		}, "WindDownChanged", 4, holdTransfer, 1},
		{"wind down: close, pay and finish", func(h *house) func(*Service) error {
			h.at("2026-03-02")
			h.at(h.open(h.doomed()).ChooseBy.AddDays(1).String())
			return func(s *Service) error { return winds(h, s) }
		}, "FamilySettled", 1, payBackTransfer, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			var c cutter
			s := h.cutting(&c)
			if err := s.DB.Ping(t.Context()); err != nil { // the points of connecting are no use case's
				t.Fatal(err)
			}
			stride := setting(t, "ESCROW_POINTS", 6)
			point, cuts := int64(1+rand.N(stride)), int64(0) //nolint:gosec // dice
			for ; ; point += int64(stride) {
				ask := tt.prepare(h)
				c.left.Store(point)
				err := ask(s)
				uncut := c.left.Swap(0) > 0
				// Who was cut in a group is served once more alone, and may meet itself: the
				// database has not noticed yet that the group is gone.
				if err != nil && !errors.Is(err, fault.Unavailable) && !errors.Is(err, fault.InFlight) {
					t.Errorf("cut at point %d: %v, want unavailable", point, err)
				}
				for range 2 {
					if err := again(s, ask); err != nil {
						t.Fatalf("asked again after point %d: %v", point, err)
					}
				}
				if n, m := h.facts(tt.fact), h.count(`SELECT count(*) FROM transfers WHERE kind = $1`, tt.kind); n != (cuts+1)*tt.facts || m != (cuts+1)*tt.kinds {
					t.Fatalf("after point %d: %d facts and %d transfers, want %d and %d", point, n, m, (cuts+1)*tt.facts, (cuts+1)*tt.kinds)
				}
				if uncut {
					break
				}
				cuts++
			}
			t.Logf("cut at %d points of %d", cuts, point)
			if cuts < 3 {
				t.Errorf("cut at %d points only", cuts)
			}
			h.sound()
		})
	}
}

// tooMuch is terms that are too much, with what their child has paid before. Each child
// is another: of one, every contract more is one more to be judged with the others, and
// the points would become more as fast as they are cut.
func (h *house) tooMuch() Terms {
	t := h.terms(func(t *Terms) { t.Pupil = h.key().IdempotencyKey })
	h.paid(t)
	return t
}

// again asks until the database has noticed that the first one is gone.
func again(s *Service, ask func(*Service) error) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := ask(s); !errors.Is(err, fault.InFlight) || time.Now().After(deadline) {
			return err
		}
	}
}
