package inspection

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"testing"

	"github.com/google/uuid"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// add takes a photo of w pixels' width in for c.
func (b *bench) add(c auth.Caller, w int) string {
	b.t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, w, 10))); err != nil {
		b.t.Fatal(err)
	}
	a, err := b.AddPhoto(b.as(c), AddPhoto{Key: b.key(), ID: uuid.NewString()}, &file)
	if err != nil || len(a.Sent) != 64 {
		b.t.Fatalf("%+v, %v", a, err)
	}
	return a.ID
}

// TestVisitPhotos: a finding's photos are seen by who sees the finding.
func TestVisitPhotos(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	v := must(b, market, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	one, two, foreign := b.add(market, 30), b.add(market, 40), b.add(fire, 50)
	find := func(photos ...string) RecordFinding {
		return RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-02", Problem: true, Detail: "门口广告保证提分", Photos: photos}
	}
	refused(b, market, b.RecordFinding, find(foreign), fault.Invalid, "")
	must(b, market, b.RecordFinding, find(one))
	v = must(b, market, b.RecordFinding, find(one, two))
	if f := v.Parts[0].Findings[0]; len(f.Photos) != 2 || f.Digest == "" || f.Photos[0].Sent == "" {
		t.Errorf("%+v", f)
	}
	read := func(c auth.Caller) error {
		f, err := b.ReadVisitPhoto(b.as(c), ReadPhoto{ID: v.ID, Photo: one})
		if err == nil && len(f.Body) == 0 {
			err = errors.New("nothing to read")
		}
		return err
	}
	for _, c := range []auth.Caller{fire, examiner, principal, neighbour, stranger} {
		if err := read(c); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s reads market's photo: %v", c.Subject, err)
		}
	}
	for agency, problem := range map[Agency]bool{Fire: false, Education: true} {
		b.sign(v.ID, agency, problem)
	}
	must(b, market, b.SignPart, SignPart{Key: b.key(), ID: v.ID, Agency: Market, Officers: []string{"market", "market2"}})
	if err := errors.Join(read(market), read(principal)); err != nil {
		t.Errorf("who is to sign does not see what: %v", err)
	}
	refused(b, market, b.RecordFinding, find(b.add(market, 60)), fault.Conflict, "")
	if err := read(stranger); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

// TestSeen: what two devices wrote of one item is not lost to either: the second
// is told, unless it wrote the same, or saw what the first wrote.
func TestSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	v := must(b, market, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	write := func(detail string, seen *string) RecordFinding {
		return RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-01", Detail: detail, Seen: seen}
	}
	none := ""
	v = must(b, market, b.RecordFinding, write("执照在墙上", &none))
	first := v.Parts[0].Findings[0].Digest
	refused(b, market2, b.RecordFinding, write("没有看到执照", &none), fault.Conflict, "MK-01 已由 market")
	if f := must(b, market, b.GetVisit, GetVisit{v.ID}).Parts[0].Findings[0]; f.Detail != "执照在墙上" || f.RecordedBy != "market" {
		t.Errorf("%+v", f)
	}
	must(b, market2, b.RecordFinding, write("执照在墙上", &none))
	v = must(b, market2, b.RecordFinding, write("执照在墙上；年报未公示", &first))
	if f := v.Parts[0].Findings[0]; f.Detail != "执照在墙上；年报未公示" || f.Digest == first {
		t.Errorf("%+v", f)
	}
	refused(b, market, b.RecordFinding, write("改回去", &first), fault.Conflict, "")
	must(b, market, b.RecordFinding, write("不看就写", nil))
	// printf 'MK-01\n0\n执照在墙上' | sha256sum: devices compute it by themselves
	if first != "062976c4753c12909b747d1edfe06bfff5b2939b10828ba24713d2892d4d4c10" {
		t.Errorf("digest %s", first)
	}
}

// TestRectificationPhotos: an institution's report has its evidence, which the
// offices of the task see, and nobody else.
func TestRectificationPhotos(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, v := b.visited(Market)
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	mine, theirs := b.add(principal, 30), b.add(stranger, 40)
	refused(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告", Photos: []string{mine, theirs}}, fault.Invalid, "")
	if got := must(b, principal, b.GetRectification, GetRectification{r.ID}); got.State != rectOrdered || len(got.Photos) != 0 {
		t.Errorf("%+v", got)
	}
	r = must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告", Photos: []string{mine}})
	if len(r.Photos) != 1 || r.Photos[0].AddedBy != "principal" {
		t.Errorf("%+v", r.Photos)
	}
	for _, tt := range []struct {
		c   auth.Caller
		may bool
	}{{principal, true}, {market, true}, {fire, true}, {stranger, false}, {neighbour, false}, {culture, false}} {
		f, err := b.ReadRectificationPhoto(b.as(tt.c), ReadPhoto{ID: r.ID, Photo: mine})
		if (err == nil && len(f.Body) > 0) != tt.may || !tt.may && fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %d bytes, %v", tt.c.Subject, len(f.Body), err)
		}
	}
}
