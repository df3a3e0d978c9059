package once_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// TestCalls is several requests in one transaction, and again in the next.
func TestCalls(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}})
	ctx := auth.With(t.Context(), auth.Caller{Subject: "anna"})
	together := func(reqs ...pay) []*once.Call {
		t.Helper()
		var calls []*once.Call
		for _, r := range reqs {
			c, err := once.NewCall(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, c)
		}
		_, err := pg.InTx(ctx, db, func(tx pgx.Tx) (struct{}, error) {
			var read, write pgx.Batch
			once.Recall(&read, calls)
			if err := tx.SendBatch(ctx, &read).Close(); err != nil {
				return struct{}{}, err
			}
			var fresh []*once.Call
			var answers [][]byte
			for i, c := range calls {
				if c.Err == nil && c.Answer == nil {
					fresh, answers = append(fresh, c), append(answers, []byte(reqs[i].Account))
				}
			}
			if fresh != nil {
				once.Keep(&write, fresh, answers)
			}
			return struct{}{}, tx.SendBatch(ctx, &write).Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		return calls
	}
	for i, c := range together(request("key-0001", "1", 5), request("key-0002", "2", 5), request("key-0001", "1", 5)) {
		if twice := i == 2; c.Answer != nil || errors.Is(c.Err, fault.InFlight) != twice {
			t.Errorf("the first time, call %d: %s %v", i, c.Answer, c.Err)
		}
	}
	got := together(request("key-0002", "2", 5), request("key-0001", "1", 6), request("key-0003", "3", 5))
	if string(got[0].Answer) != "2" || got[0].Err != nil || !errors.Is(got[1].Err, fault.KeyReused) || got[2].Answer != nil || got[2].Err != nil {
		t.Errorf("the second time: %s %v, %v, %s %v", got[0].Answer, got[0].Err, got[1].Err, got[2].Answer, got[2].Err)
	}
	if answer, err := once.Do(ctx, db, request("key-0003", "3", 5), func(pgx.Tx) (int, error) { return 0, errors.New("done twice") }); err != nil || answer != 3 {
		t.Errorf("what was kept together, asked for alone: %d %v", answer, err)
	}
	if _, err := once.NewCall(ctx, request("", "1", 5)); !errors.Is(err, fault.Invalid) {
		t.Errorf("without a key: %v", err)
	}
}
