package tipoff_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"xunguan/pkg/fault"
	"xunguan/services/tipoff"
)

const messages = "../../../shared/data/citizen-messages.csv"

// realFile is the hotline's file, or the sample of it, and how many rows it has.
func realFile(t *testing.T) (file string, n int) {
	t.Helper()
	if text, err := os.ReadFile(messages); err == nil {
		return string(text), 579
	}
	text, err := os.ReadFile(filepath.Join("testdata", "sample.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), 30
}

func (b *bench) imports(as, key, file string) tipoff.Imported {
	b.t.Helper()
	req := tipoff.ImportTips{Key: b.key()}
	if key != "" {
		req.IdempotencyKey = key
	}
	got, err := b.ImportTips(b.as(as), req, strings.NewReader(file))
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func TestImport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-11-20")
	file, n := realFile(t)
	first := b.imports("intake", "import-key-1", file)
	if first.Received != n || first.Created != n || first.Duplicate != 0 || len(first.Rejected) != 0 {
		t.Errorf("first: %+v, want %d created", first, n)
	}
	if text, err := json.Marshal(first); err != nil || string(text) != fmt.Sprintf(`{"received":%d,"created":%d,"duplicate":0,"rejected":[]}`, n, n) {
		t.Errorf("answer: %s, %v", text, err)
	}
	if again := b.imports("intake", "import-key-1", file); again.Created != n {
		t.Errorf("same key: %+v, want the first answer", again)
	}
	_, err := b.ImportTips(b.as("intake"), tipoff.ImportTips{Key: keyed("import-key-1")}, strings.NewReader(file+"x"))
	want(t, err, fault.KeyReused)
	if second := b.imports("intake2", "", file); second.Created != 0 || second.Duplicate != n {
		t.Errorf("second: %+v, want %d duplicates", second, n)
	}
	if got := count(t, b.DB, `SELECT count(*) FROM tips WHERE channel = '12345'`); got != n {
		t.Errorf("%d tips, want %d", got, n)
	}
	if got := count(t, b.DB, `SELECT count(*) FROM tips WHERE NOT history OR answered_on IS NULL OR state NOT IN ('CLOSED', 'NOT_TRAINING')`); got != 0 {
		t.Errorf("%d with a reply are not closed history", got)
	}
	if got := count(t, b.DB, `SELECT count(*) FROM tips WHERE state = 'NOT_TRAINING' AND reason NOT LIKE '%请向%反映'`); got != 0 {
		t.Errorf("%d were sent back without saying where to go", got)
	}
	if got := count(t, b.DB, `SELECT count(*) FROM clocks`); got != 0 {
		t.Errorf("%d clocks of history", got)
	}
	t.Logf("of %d messages %d are about training", n, count(t, b.DB, `SELECT count(*) FROM tips WHERE state = 'CLOSED'`))
}

func TestImportRest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-03-05")
	file := "\xef\xbb\xbfid,user,subject,sent_at,text,reply,replied_at\r\n" +
		"1,U1,投诉培训机构退费难,2026/3/2 9:00:00,培训机构拒不退费,,\r\n" +
		"2,U2,坏日期,2026/2/30 9:00:00,培训机构,,\r\n" +
		"3,U3,请求修路,2026-03-02T09:00:00,路口坏了,,\r\n" +
		"1,U1,投诉培训机构退费难,2026/3/2 9:00:00,培训机构拒不退费,,\r\n"
	got := b.imports("intake", "", file)
	if got.Received != 4 || got.Created != 2 || got.Duplicate != 1 || len(got.Rejected) != 1 || got.Rejected[0].Line != 3 || got.Rejected[0].Field != "sent_at" {
		t.Errorf("%+v", got)
	}
	var state, other, due string
	b.query(&state, `SELECT state FROM tips WHERE source_id = '1'`)
	b.query(&other, `SELECT state FROM tips WHERE source_id = '3'`)
	b.query(&due, `SELECT due::text FROM clocks JOIN tips ON id = tip_id WHERE source_id = '1'`)
	if state != "RECEIVED" || other != "NOT_TRAINING" || due != "2026-03-09" {
		t.Errorf("open: %s due %s; not ours: %s", state, due, other)
	}
	var id string
	b.query(&id, `SELECT id FROM tips WHERE source_id = '3'`)
	b.ok(b.ReopenTip(b.as("intake"), tipoff.ReopenTip{Key: b.key(), ID: id, Reason: "系统判断有误"}))
	if n := count(t, b.DB, `SELECT count(*) FROM clocks WHERE tip_id = $1 AND met_on IS NULL`, id); n != 1 {
		t.Errorf("%d clocks of what was reopened, want 1", n)
	}
}

// TestImportAtOnce: one file from twenty sides is there once, and each side's
// account of it adds up.
func TestImportAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-11-20")
	text, err := os.ReadFile(filepath.Join("testdata", "sample.csv"))
	if err != nil {
		t.Fatal(err)
	}
	answers := make([]tipoff.Imported, 20)
	var again atomic.Int32
	var g errgroup.Group
	for i := range answers {
		key := b.key()
		g.Go(func() (err error) {
			for range 10 { // twenty wait for a few connections: some are told to come again
				answers[i], err = b.ImportTips(b.as("intake"), tipoff.ImportTips{Key: key}, strings.NewReader(string(text)))
				if !errors.Is(err, fault.Unavailable) {
					return err
				}
				again.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	created := 0
	for _, a := range answers {
		created += a.Created
		if a.Created+a.Duplicate != 30 {
			t.Errorf("%+v", a)
		}
	}
	// Who was told to come again may find as duplicates what it had created itself.
	if n := count(t, b.DB, `SELECT count(*) FROM tips`); n != 30 || created > 30 || created < 30 && again.Load() == 0 {
		t.Errorf("%d tips, %d created, want 30", n, created)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-11-20")
	for _, path := range []string{"", "no such file", ""} {
		if err := b.Seed(path)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, b.DB, `SELECT count(*) FROM tips`); n != 30 {
		t.Errorf("%d tips of the sample, want 30", n)
	}
}
