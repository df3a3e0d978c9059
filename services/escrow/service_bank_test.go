package escrow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// TestDays is a week of one institution: what is paid in, taught, released, ordered
// and paid out agrees on all three sides, in every layout and charset.
func TestDays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		layout  bankfile.Layout
		charset bankfile.Charset
	}{{bankfile.CSV, bankfile.UTF8}, {bankfile.CSV, bankfile.GBK}, {bankfile.Fixed, bankfile.UTF8}, {bankfile.Fixed, bankfile.GBK}} {
		t.Run(string(tt.layout)+" "+string(tt.charset), func(t *testing.T) {
			t.Parallel()
			b := withBank(t, "2026-03-02", tt.layout, tt.charset)
			v := b.pays(b.terms())
			b.night()
			b.taught(v.ID, 1)
			b.confirmed(v.ID, 1)
			b.refunded(v.ID, 2)
			b.night()
			if n := b.executes(); n != 2 {
				t.Errorf("%d orders, want a release and a refund", n)
			}
			b.night()
			if got := b.differences("art"); got != "" {
				t.Errorf("differences: %s", got)
			}
			less := 100
			opening, closing := Fen(480000), Fen(450000)
			want := ReconciledView{
				Institution: "art", Name: "姑苏美术培训中心", Day: d("2026-03-04"), Bank: bankName, OrderedFen: 30000, BankOutFen: 30000, OpeningFen: &opening, ClosingFen: &closing,
				LedgerFen: 450000, UnconsumedFen: 450000, CoverPercent: &less,
			}
			if diff := cmp.Diff(want, b.reconciled("art", "2026-03-04"), cmp.Comparer(func(a, b day.Date) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			b.sound()
		})
	}
}
