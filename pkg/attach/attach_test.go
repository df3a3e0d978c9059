package attach_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/attach"
	"xunguan/pkg/attach/attachtest"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// bench is a box on a database and an S3 service of its own.
type bench struct {
	attach.Box
	t       *testing.T
	service *attachtest.Service
	today   day.Date
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, today: day.MustParse("2026-03-02")}
	b.DB = pgtest.New(t, fstest.MapFS{"0001_attachments.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE attachments (id text PRIMARY KEY, bound_to text NOT NULL DEFAULT '', item text NOT NULL DEFAULT '', sum text NOT NULL,
			sent text NOT NULL, size int NOT NULL, width int NOT NULL, height int NOT NULL, added_on date NOT NULL, added_by text NOT NULL, stored boolean NOT NULL DEFAULT false);
		ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
		ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
		CREATE POLICY scope ON attachments USING (in_scope('', '{}', ARRAY[added_by]));`)}})
	b.service, b.Objects = attachtest.New(t)
	b.Now = func() time.Time { return b.today.Start().Add(10 * time.Hour) }
	return b
}

func (b *bench) as(who string) context.Context {
	return auth.With(b.t.Context(), auth.Caller{Subject: who, Roles: []string{"parent"}})
}

// send takes file in for who, as a service does.
func (b *bench) send(who, id string, file []byte) (attach.Attachment, error) {
	p, err := attach.Clean(b.t.Context(), bytes.NewReader(file))
	if err != nil {
		return attach.Attachment{}, err
	}
	return b.Take(b.as(who), id, p)
}

func (b *bench) bind(who, to string, ids ...string) error {
	_, err := pg.InTx(b.as(who), b.DB, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, b.Bind(b.as(who), tx, to, "", ids)
	})
	return err
}

func (b *bench) list(to string) []attach.Attachment {
	b.t.Helper()
	all, err := pg.InTx(pg.Worker(b.t.Context(), "test"), b.DB, func(tx pgx.Tx) ([]attach.Attachment, error) { return b.List(b.t.Context(), tx, to) })
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func (b *bench) rows() (n int) {
	b.t.Helper()
	n, err := pg.InTx(pg.Worker(b.t.Context(), "test"), b.DB, func(tx pgx.Tx) (n int, err error) {
		err = tx.QueryRow(b.t.Context(), `SELECT count(*) FROM attachments`).Scan(&n)
		return n, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) settle() error {
	_, err := (&due.Clockwork{DB: b.DB, Now: b.Now, Timers: []due.Timer{b.Timer()}, Log: slog.New(slog.DiscardHandler)}).Settle(b.t.Context())
	return err
}

// TestHostile: each is refused in Chinese, and nothing of it is stored.
func TestHostile(t *testing.T) {
	b := newBench(t)
	all := hostile()
	if len(all) < 40 {
		t.Fatalf("%d files", len(all))
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		began := time.Now()
		_, err := b.send("a", uuid.NewString(), all[name].file)
		kind, said := fault.KindOf(err), ""
		p := fault.ProblemOf(err)
		for _, f := range p.Errors {
			said += f.Detail
		}
		if err == nil || kind != fault.Invalid && kind != fault.TooLarge || !strings.Contains(said+p.Detail, all[name].want) {
			t.Errorf("%s: %v %s %s, want %q", name, kind, said, p.Detail, all[name].want)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: took %v to refuse", name, took)
		}
	}
	if n, keys := b.rows(), b.service.Keys(t); n != 0 || len(keys) != 0 {
		t.Errorf("%d rows, objects %v", n, keys)
	}
}

// TestHarmless: of what is taken only pixels are kept, upright, no larger than is
// needed, as a JPEG that has nothing in it but its tables and its picture.
func TestHarmless(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, tt := range harmless() {
		a, err := b.send("a", uuid.NewString(), tt.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, err := b.Read(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(body))
		if err != nil || c.Width != tt.w || c.Height != tt.h || a.Width != tt.w || a.Height != tt.h || a.Size != len(body) {
			t.Errorf("%s: %d×%d, want %d×%d (%v, %+v)", name, c.Width, c.Height, tt.w, tt.h, err, a)
		}
		if found := traces(body); found != nil {
			t.Errorf("%s: kept %q", name, found)
		}
		if bad := segments(body); bad != nil {
			t.Errorf("%s: segments %x", name, bad)
		}
	}
}

// segments is the markers in a JPEG that neither are its tables and its picture
// nor end it.
func segments(body []byte) (bad []byte) {
	for at := 2; at+4 <= len(body); {
		marker := body[at+1]
		if !bytes.Contains([]byte{0xDB, 0xC0, 0xC4, 0xDA}, []byte{marker}) {
			bad = append(bad, marker)
		}
		if marker == 0xDA {
			if end := bytes.Index(body[at:], []byte{0xFF, 0xD9}); at+end+2 != len(body) {
				bad = append(bad, 0xD9)
			}
			return bad
		}
		at += 2 + int(binary.BigEndian.Uint16(body[at+2:]))
	}
	return append(bad, 0)
}

// TestUpright: EXIF's eight ways to hold a camera, by the corner that is red,
// green, blue and white then.
func TestUpright(t *testing.T) {
	t.Parallel()
	for orientation, want := range []string{1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"} {
		if want == "" {
			continue
		}
		p, err := attach.Clean(t.Context(), bytes.NewReader(segment(jpegOf(picture(64, 48)), 0xE1, exif(byte(orientation)))))
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(bytes.NewReader(p.Body))
		if err != nil {
			t.Fatal(err)
		}
		w, h, got := p.Width, p.Height, ""
		for _, at := range []image.Point{{w / 4, h / 4}, {w * 3 / 4, h / 4}, {w / 4, h * 3 / 4}, {w * 3 / 4, h * 3 / 4}} {
			got += nameOf(m.At(at.X, at.Y))
		}
		if got != want {
			t.Errorf("orientation %d: %s, want %s", orientation, got, want)
		}
	}
}

func nameOf(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return map[[3]bool]string{{true, false, false}: "R", {false, true, false}: "G", {false, false, true}: "B", {true, true, true}: "W"}[[3]bool{r > 0x8000, g > 0x8000, b > 0x8000}]
}

// TestTransparent: what cannot be seen is white, not black.
func TestTransparent(t *testing.T) {
	t.Parallel()
	p, err := attach.Clean(t.Context(), bytes.NewReader(pngOf(image.NewNRGBA(image.Rect(0, 0, 8, 8)))))
	if err != nil {
		t.Fatal(err)
	}
	if m, _, err := image.Decode(bytes.NewReader(p.Body)); err != nil || nameOf(m.At(4, 4)) != "W" {
		t.Errorf("%v, %v", m, err)
	}
}

// TestTwice: the same photo under the same id is one, also after the answer or the
// object was lost; another photo, or somebody else, gets nowhere with it.
func TestTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, photo := uuid.NewString(), jpegOf(picture(64, 48))
	b.service.Fail(true)
	if _, err := b.send("a", id, photo); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without an S3 service: %v", err)
	}
	if err := b.bind("a", "case", id); !errors.Is(err, fault.Invalid) {
		t.Errorf("bound without its object: %v", err)
	}
	b.service.Fail(false)
	first, err := b.send("a", id, photo)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.send("a", id, photo)
	if err != nil || again.Sum != first.Sum || again.Sent != first.Sent || first.Sent == "" {
		t.Errorf("%+v, %v, want %+v", again, err, first)
	}
	if _, err := b.send("a", id, pngOf(picture(10, 10))); !errors.Is(err, fault.KeyReused) {
		t.Errorf("another photo: %v", err)
	}
	if _, err := b.send("b", id, photo); !errors.Is(err, fault.KeyReused) {
		t.Errorf("somebody else: %v", err)
	}
	if n, keys := b.rows(), b.service.Keys(t); n != 1 || !slices.Equal(keys, []string{id}) {
		t.Errorf("%d rows, objects %v", n, keys)
	}
}

// TestBind: an attachment is one case's, and its sender's to give; which case, the
// transaction says that makes the case.
func TestBind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	one, two := uuid.NewString(), uuid.NewString()
	for _, id := range []string{one, two} {
		if _, err := b.send("a", id, jpegOf(picture(64, 48))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.bind("b", "case", one); !errors.Is(err, fault.Invalid) {
		t.Errorf("somebody else's: %v", err)
	}
	if err := b.bind("a", "case", one, uuid.NewString()); !errors.Is(err, fault.Invalid) || len(b.list("case")) != 0 {
		t.Errorf("one that is not there: %v, %v", err, b.list("case"))
	}
	if err := errors.Join(b.bind("a", "case", one, two, two), b.bind("a", "case", one)); err != nil || len(b.list("case")) != 2 {
		t.Errorf("%v, %v", err, b.list("case"))
	}
	if err := b.bind("a", "other", one); !errors.Is(err, fault.Invalid) {
		t.Errorf("another case's: %v", err)
	}
}

// TestOrphans: what no case took goes, row and object, after the next day; while
// the S3 service is away both stay.
func TestOrphans(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	kept, orphan := uuid.NewString(), uuid.NewString()
	for _, id := range []string{kept, orphan} {
		if _, err := b.send("a", id, jpegOf(picture(64, 48))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.bind("a", "case", kept); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		on   string
		fail bool
		left int
	}{{"2026-03-03", false, 2}, {"2026-03-04", true, 2}, {"2026-03-04", false, 1}} {
		b.today = day.MustParse(tt.on)
		b.service.Fail(tt.fail)
		if err := b.settle(); (err != nil) != tt.fail {
			t.Errorf("%s: %v", tt.on, err)
		}
		if n, keys := b.rows(), b.service.Keys(t); n != tt.left || len(keys) != tt.left || !slices.Contains(keys, kept) {
			t.Errorf("%s: %d rows, objects %v, want %d", tt.on, n, keys, tt.left)
		}
	}
	if err := b.bind("a", "case", orphan); !errors.Is(err, fault.Invalid) {
		t.Errorf("what is gone: %v", err)
	}
}

// TestBlind: nothing of the sender is kept, and the answer alone has the digest.
func TestBlind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Blind = true
	ctx, id := pg.Worker(b.as("a"), "test"), uuid.NewString()
	p, err := attach.Clean(ctx, bytes.NewReader(jpegOf(picture(64, 48))))
	if err != nil {
		t.Fatal(err)
	}
	a, err := b.Take(ctx, id, p)
	if err != nil || a.Sent != p.Sent {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := b.bindWorker(id); err != nil {
		t.Fatal(err)
	}
	if got := b.list("case"); len(got) != 1 || got[0].Sent != "" || got[0].AddedBy != "" {
		t.Errorf("%+v", got)
	}
}

func (b *bench) bindWorker(id string) error {
	ctx := pg.Worker(b.t.Context(), "test")
	_, err := pg.InTx(ctx, b.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, b.Bind(ctx, tx, "case", "", []string{id}) })
	return err
}

// TestChanged: bytes that are not those that were stored are not given out.
func TestChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a, err := b.send("a", uuid.NewString(), jpegOf(picture(64, 48)))
	if err != nil {
		t.Fatal(err)
	}
	b.service.Put(t, a.ID, []byte("something else"))
	if body, err := b.Read(t.Context(), a); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
