package escrow

import (
	"errors"
	"testing"

	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

func TestReportAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	report := func(by, institution, opened string) error {
		_, err := h.ReportAccount(h.as(by), ReportAccount{Key: h.key(), Institution: institution, Mode: "deposit", Bank: "苏州银行", AccountTail: "0001", AgreementNo: "1", OpenedOn: d(opened)})
		return err
	}
	for _, tt := range []struct {
		name, by, institution, opened string
		want                          error
	}{
		{"unknown", "principal", "nowhere", "2026-03-02", fault.NotFound},
		{"another's", "principal2", "bare", "2026-03-02", fault.NotFound},
		{"licence suspended", "principal", "shut", "2026-03-02", fault.Refused},
		{"opened tomorrow", "principal", "bare", "2026-03-03", fault.Invalid},
		{"a second one", "principal", "art", "2026-03-02", fault.Conflict},
		{"its own", "principal", "bare", "2026-03-01", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := report(tt.by, tt.institution, tt.opened); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if n := h.facts("AccountOpened"); n != 4 {
		t.Errorf("%d accounts opened, want 3 and one", n)
	}
	for by, want := range map[string]error{"principal": nil, "examiner": nil, "city": nil, "neighbour": fault.NotFound, "principal2": fault.NotFound, "market": fault.NotFound} {
		if _, err := h.FindAccount(h.as(by), FindAccount{"art"}); !errors.Is(err, want) {
			t.Errorf("%s finds the account: %v, want %v", by, err, want)
		}
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons = 61 }))
	art := &licensingv1.Institution{Id: "art", Name: "新名", Kind: "non_subject", Jurisdiction: "320508", Status: "ACTIVE", ValidUntil: "2028-12-31", Manager: "principal3"}
	for range 3 { // as a republish repeats it
		h.apply(&licensingv1.LicenceChanged{Institution: art})
	}
	h.apply(&licensingv1.ListEntryPublished{Entry: &licensingv1.ListEntry{List: "BLACK"}}) // of a subject that is no institution
	if n := h.count(`SELECT count(*) FROM institutions`); n != 5 {
		t.Errorf("%d institutions, want 5", n)
	}
	if got := h.contract("principal3", v.ID); got.InstitutionName != "新名" || got.Party == nil {
		t.Errorf("the new manager sees %+v", got.ContractLine)
	}
	if _, err := h.FindContract(h.as("principal"), FindContract{v.ID}); !errors.Is(err, fault.NotFound) {
		t.Errorf("the old manager still sees it: %v", err)
	}
	if all := must(h.ListFlags(h.as("principal3"), ListFlags{}))(t); len(all.Items) != 1 {
		t.Errorf("the new manager's flags: %+v", all)
	}
	for status, e := range map[string]protoMessage{
		"SUSPENDED": &licensingv1.LicenceSuspended{Institution: withStatus(art, "SUSPENDED")}, "REVOKED": &licensingv1.LicenceRevoked{Institution: withStatus(art, "REVOKED")},
		"CANCELLED": &licensingv1.LicenceCancelled{Institution: withStatus(art, "CANCELLED")}, "ACTIVE": &licensingv1.ListEntryRemoved{Institution: withStatus(art, "ACTIVE")},
	} {
		h.apply(e)
		if n := h.count(`SELECT count(*) FROM institutions WHERE id = 'art' AND status = $1`, status); n != 1 {
			t.Errorf("not %s after %T", status, e)
		}
	}
}

func withStatus(i *licensingv1.Institution, status string) *licensingv1.Institution {
	return &licensingv1.Institution{Id: i.GetId(), Name: i.GetName(), Kind: i.GetKind(), Jurisdiction: i.GetJurisdiction(), Manager: i.GetManager(), ValidUntil: i.GetValidUntil(), Status: status}
}
