package tipoff_test

import (
	"errors"
	"testing"

	"xunguan/pkg/fault"
	"xunguan/services/tipoff"
)

// TestFeedback: a reporter is told who holds the case since when, may say two
// things of the answer, and may send it back once, with clocks that begin again.
func TestFeedback(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, id := b.submit()
	pair := tipoff.TrackTip{Number: r.Number, Code: r.Code}
	track := func(want, since string) tipoff.Track {
		t.Helper()
		k, err := b.TrackTip(t.Context(), pair)
		if err != nil || k.Holder != want || k.HeldSince.String() != since {
			t.Fatalf("held by %q since %s, %v; want %q since %s", k.Holder, k.HeldSince, err, want, since)
		}
		return k
	}
	track("苏州市姑苏区举报受理中心", "2026-03-02")
	b.tie(id)
	b.at("2026-03-04")
	b.ok(b.DispatchTip(b.as("intake"), tipoff.DispatchTip{Key: b.key(), ID: id, Owner: "education"}))
	if k := track("苏州市姑苏区教育局", "2026-03-04"); k.CanReopen {
		t.Error("it may be reopened before there is an answer")
	}
	rate := tipoff.RateTip{TrackTip: pair, Attitude: "GOOD", Solved: "NO"}
	unsolved := tipoff.UnsolvedTip{TrackTip: pair, Text: "学费仍未退还，机构电话无人接听"}
	if _, err := b.RateTip(t.Context(), rate); !errors.Is(err, fault.Conflict) {
		t.Errorf("rated before there is an answer: %v", err)
	}
	if _, err := b.UnsolvedTip(t.Context(), unsolved); !errors.Is(err, fault.Conflict) {
		t.Errorf("reopened before there is an answer: %v", err)
	}
	b.ok(b.AcceptTip(b.as("examiner"), tipoff.AcceptTip{Key: b.key(), ID: id}))
	b.ok(b.AnswerTip(b.as("examiner"), tipoff.AnswerTip{Key: b.key(), ID: id, Text: "已责令退费"}))
	b.ok(b.CloseTip(b.as("examiner"), tipoff.CloseTip{Key: b.key(), ID: id}))
	b.at("2026-03-09")
	k, err := b.RateTip(t.Context(), rate)
	if err != nil || k.Feedback == nil || k.Feedback.Attitude != "GOOD" || k.Feedback.Solved != "NO" || !k.CanReopen {
		t.Fatalf("%+v, %v", k, err)
	}
	k, err = b.UnsolvedTip(t.Context(), unsolved)
	if err != nil || k.State != tipoff.Handling || k.CanReopen || k.HeldSince.String() != "2026-03-09" {
		t.Fatalf("%+v, %v", k, err)
	}
	if want := "2026-03-30"; k.Due.String() != want { // 15 working days, tip.check
		t.Errorf("due %s, want %s: the period begins again on the day of reopening", k.Due, want)
	}
	found, err := b.FindTip(b.as("examiner"), tipoff.FindTip{ID: id})
	if err != nil || found.Feedback == nil || found.Questions[len(found.Questions)-1].Answer != unsolved.Text {
		t.Errorf("the owner sees %+v, %v", found, err)
	}
	b.ok(b.AnswerTip(b.as("examiner"), tipoff.AnswerTip{Key: b.key(), ID: id, Text: "已退费到账"}))
	if _, err := b.UnsolvedTip(t.Context(), unsolved); !errors.Is(err, fault.Conflict) {
		t.Errorf("reopened twice: %v", err)
	}
	rate.Code = "00000-00000-00000-00000-00000"
	if _, err := b.RateTip(t.Context(), rate); !errors.Is(err, fault.NotFound) {
		t.Errorf("rated with a wrong code: %v", err)
	}
}
