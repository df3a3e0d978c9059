package escrow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

func TestOfferRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: "old", Name: "到期的", Kind: "non_subject", ValidUntil: "2026-03-01"})
	for _, tt := range []struct {
		name   string
		change func(*Terms)
		want   error
		says   string
	}{
		{"no account yet", func(t *Terms) { t.Institution = "bare" }, fault.Refused, "监管账户"},
		{"licence suspended", func(t *Terms) { t.Institution = "shut" }, fault.Refused, "暂扣"},
		{"licence expired", func(t *Terms) { t.Institution = "old" }, fault.Refused, "2026-03-01 到期"},
		{"another's institution", func(t *Terms) { t.Institution = "other" }, fault.NotFound, ""},
		{"first lesson yesterday", func(t *Terms) { t.FirstLesson = d("2026-03-01") }, fault.Invalid, ""},
		{"last before first", func(t *Terms) { t.LastLesson = d("2026-03-01") }, fault.Invalid, ""},
		{"over three years", func(t *Terms) { t.LastLesson = d("2029-03-03") }, fault.Invalid, ""},
		{"one lesson, two days", func(t *Terms) { t.Lessons = 1 }, fault.Invalid, ""},
		{"less than a 分 a lesson", func(t *Terms) { t.PriceFen = 47 }, fault.Invalid, ""},
		{"with oneself", func(t *Terms) { t.Parent = "principal" }, fault.Invalid, ""},
		{"a blank pupil", func(t *Terms) { t.Pupil = "  " }, fault.Invalid, ""},
		{"a blank course", func(t *Terms) { t.Course = "\t" }, fault.Invalid, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.OfferContract(h.as("principal"), OfferContract{h.key(), h.terms(tt.change)})
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.says)
			}
			if tt.want == fault.Refused && !strings.Contains(err.Error(), supervision) { //nolint:errorlint // compares the table's kind
				t.Errorf("%v does not cite %s", err, supervision)
			}
		})
	}
	if n := h.count(`SELECT count(*) FROM contracts`); n != 0 {
		t.Errorf("%d contracts from refusals", n)
	}
}

// TestSteps is every step that the state or the person forbids, and that it
// changes nothing.
func TestSteps(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	offered, signedID := h.offer(h.terms()), h.sign(h.terms()).ID
	v := h.paid(h.terms())
	h.taught(v.ID, 1)
	h.taught(v.ID, 2)
	h.confirmed(v.ID, 2)
	pay := func(by, id string, fen Fen, ref string) error {
		_, err := h.PayContract(h.as(by), PayContract{h.key(), id, fen, ref})
		return err
	}
	lesson := func(by, id string, n int, what string) error {
		var err error
		switch at := (LessonOf{id, n}); what {
		case "taught":
			_, err = h.TeachLesson(h.as(by), TeachLesson{Key: h.key(), LessonOf: at})
		case "tomorrow":
			_, err = h.TeachLesson(h.as(by), TeachLesson{h.key(), at, h.today().AddDays(1)})
		case "confirm":
			_, err = h.ConfirmLesson(h.as(by), ConfirmLesson{h.key(), at})
		case "dispute":
			_, err = h.DisputeLesson(h.as(by), DisputeLesson{h.key(), at, "x"})
		case "withdraw":
			_, err = h.WithdrawLesson(h.as(by), WithdrawLesson{h.key(), at, "x"})
		}
		return err
	}
	sign := func(by, id string) error {
		_, err := h.SignContract(h.as(by), SignContract{h.key(), id})
		return err
	}
	before := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`)
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"a stranger signs", sign("parent2", offered), fault.NotFound},
		{"the institution signs", sign("principal", offered), fault.Forbidden},
		{"signed twice", sign("parent", signedID), fault.Conflict},
		{"no such contract", sign("parent", "x"), fault.NotFound},
		{"paid unsigned", pay("parent", offered, 480000, "R-1"), fault.Conflict},
		{"a 分 short", pay("parent", signedID, 479999, "R-2"), fault.Invalid},
		{"a stranger pays", pay("parent2", signedID, 480000, "R-3"), fault.NotFound},
		{"a reference of another payment", pay("parent", signedID, 480000, "REF-"+v.ID), fault.Conflict},
		{"paid again under another reference", pay("parent", v.ID, 480000, "R-4"), fault.Conflict},
		{"taught unpaid", lesson("principal", signedID, 1, "taught"), fault.Conflict},
		{"taught twice", lesson("principal", v.ID, 1, "taught"), fault.Conflict},
		{"taught tomorrow", lesson("principal", v.ID, 3, "tomorrow"), fault.Invalid},
		{"taught by the parent", lesson("parent", v.ID, 3, "taught"), fault.Forbidden},
		{"taught by a stranger", lesson("principal2", v.ID, 3, "taught"), fault.NotFound},
		{"no such lesson", lesson("principal", v.ID, 49, "taught"), fault.NotFound},
		{"confirmed untaught", lesson("parent", v.ID, 3, "confirm"), fault.Conflict},
		{"confirmed by the institution", lesson("principal", v.ID, 1, "confirm"), fault.Forbidden},
		{"confirmed by a stranger", lesson("parent2", v.ID, 1, "confirm"), fault.NotFound},
		{"disputed when confirmed", lesson("parent", v.ID, 2, "dispute"), fault.Conflict},
		{"disputed untaught", lesson("parent", v.ID, 3, "dispute"), fault.Conflict},
		{"withdrawn undisputed", lesson("principal", v.ID, 1, "withdraw"), fault.Conflict},
		{"confirmed again", lesson("parent", v.ID, 2, "confirm"), nil}, // the same answer
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	if after := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`); after != before {
		t.Errorf("refusals left %d rows", after-before)
	}
	if err := pay("parent", v.ID, 480000, "REF-"+v.ID); err != nil { // asked again under the same reference
		t.Errorf("the same payment again: %v", err)
	}
}

func TestCancelContract(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for _, by := range []string{"parent", "principal"} {
		v := must(h.CancelContract(h.as(by), CancelContract{h.key(), h.sign(h.terms()).ID}))(t)
		if v.State != cancelled || len(v.Warnings) != 0 {
			t.Errorf("cancelled by %s: %+v", by, v)
		}
	}
	if _, err := h.CancelContract(h.as("parent"), CancelContract{h.key(), h.paid(h.terms()).ID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a paid contract was cancelled: %v", err)
	}
}

func TestLicenceLostBeforePayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.sign(h.terms())
	h.learned(&licensingv1.Institution{Id: "art", Name: "姑苏美术培训中心", Kind: "non_subject", Status: "REVOKED"})
	_, err := h.PayContract(h.as("parent"), PayContract{h.key(), v.ID, 480000, "R-1"})
	if !errors.Is(err, fault.Refused) || h.count(`SELECT sum(paid) FROM contracts`) != 0 {
		t.Errorf("paid to an institution without a licence: %v", err)
	}
}
