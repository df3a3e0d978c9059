package escrow

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"xunguan/pkg/fault"
)

const (
	law59      = "民办教育促进法 §59（domain §1.1）"
	bankrupt   = "企业破产法 §113（同一顺序按比例）"
	ourDefault = "winddown.remainder：平台默认（D）"
)

// TestApportion is how a shortfall is shared.
func TestApportion(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		pool         Fen
		claims, want []Fen
	}{
		{"there is enough: in full", law59, 600, []Fen{100, 200, 300}, []Fen{100, 200, 300}},
		{"there is more than enough", law59, 900, []Fen{100, 200, 300}, []Fen{100, 200, 300}},
		{"half of it", bankrupt, 300, []Fen{100, 200, 300}, []Fen{50, 100, 150}},
		{"nothing", bankrupt, 0, []Fen{100, 200}, []Fen{0, 0}},
		{"less than nothing", bankrupt, -5, []Fen{100, 200}, []Fen{0, 0}},
		{"less than nothing, and nobody is owed anything", bankrupt, -1, []Fen{0, 0}, []Fen{0, 0}},
		{"a 分 is left: to the largest remainder", ourDefault, 100, []Fen{100, 100, 200}, []Fen{25, 25, 50}},
		{"among equals to the first", ourDefault, 100, []Fen{100, 100, 100}, []Fen{34, 33, 33}},
		{"two are left", ourDefault, 200, []Fen{100, 100, 100}, []Fen{67, 67, 66}},
		{"the largest remainder, not the largest claim", ourDefault, 10, []Fen{6, 9, 18}, []Fen{2, 3, 5}},
		{"a claim of nothing gets nothing", ourDefault, 1, []Fen{0, 3, 0}, []Fen{0, 1, 0}},
		{"one 分 for many", ourDefault, 1, []Fen{1, 1, 1}, []Fen{1, 0, 0}},
		{"beyond what 64 bits multiply", bankrupt, 5e12, []Fen{4e12, 6e12}, []Fen{2e12, 3e12}},
		{"nobody", law59, 100, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := apportion(tt.pool, tt.claims); !slices.Equal(got, tt.want) {
				t.Errorf("%d among %d: %d, want %d (%s)", tt.pool, tt.claims, got, tt.want, tt.source)
			}
		})
	}
}

// exact is what holds of every sharing out: the sum to the 分, nobody above his claim, and
// nobody a 分 or more away from his exact part, which is reckoned without limits here.
func exact(t interface{ Fatalf(string, ...any) }, pool Fen, claims []Fen) {
	shares := apportion(pool, claims)
	var total, sum Fen
	for i, c := range claims {
		total, sum = total+c, sum+shares[i]
	}
	if want := max(0, min(pool, total)); sum != want {
		t.Fatalf("%d among %d: %d adds up to %d, want %d", pool, claims, shares, sum, want)
	}
	for i, c := range claims {
		if shares[i] < 0 || shares[i] > c {
			t.Fatalf("%d among %d: share %d of a claim of %d", pool, claims, shares[i], c)
		}
		if total == 0 {
			continue
		}
		part := new(big.Int).Mul(big.NewInt(int64(max(0, min(pool, total)))), big.NewInt(int64(c)))
		off := part.Sub(part, new(big.Int).Mul(big.NewInt(int64(shares[i])), big.NewInt(int64(total))))
		if off.CmpAbs(big.NewInt(int64(total))) >= 0 {
			t.Fatalf("%d among %d: share %d is a 分 or more off", pool, claims, shares[i])
		}
		for j, other := range claims {
			if c > other && shares[i] < shares[j] {
				t.Fatalf("%d among %d: a claim of %d gets less than one of %d", pool, claims, c, other)
			}
		}
	}
}

func TestApportionIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Fen { return Fen(rapid.Int64Range(0, 1e10).Draw(t, "claim")) }), 0, 40).Draw(t, "claims")
		exact(t, Fen(rapid.Int64Range(-10, 4e11).Draw(t, "pool")), claims)
	})
}

func FuzzApportion(f *testing.F) {
	f.Add(int64(100), []byte{1, 2, 3})
	f.Add(int64(-1), []byte{})
	f.Add(int64(1), []byte{0, 255, 255, 7})
	f.Fuzz(func(t *testing.T, pool int64, bytes []byte) {
		claims := make([]Fen, len(bytes))
		for i, b := range bytes {
			claims[i] = Fen(b) * 1_000_003 >> (i % 20)
		}
		exact(t, Fen(pool), claims)
	})
}

// TestShareOut is who is paid from what.
func TestShareOut(t *testing.T) {
	custody := func(held, amount Fen) Family { return Family{Mode: custodyMode, Held: held, Amount: amount} }
	deposit := func(held, amount Fen) Family { return Family{Mode: depositMode, Held: held, Amount: amount} }
	corrected := func(f Family, to Fen) Family { f.Corrected = &to; return f }
	for _, tt := range []struct {
		name, source string
		families     []Family
		has          estate
		want         []Fen
	}{
		{"custody is each family's own", law59, []Family{custody(300, 300), custody(500, 500)}, estate{Custody: 900}, []Fen{300, 500}},
		{"what the institution owes besides is not in custody", article18, []Family{custody(300, 350)}, estate{Custody: 900}, []Fen{300}},
		{"the bank has less", bankrupt, []Family{custody(300, 300), custody(500, 500)}, estate{Custody: 400}, []Fen{150, 250}},
		{"the deposit pays all that is owed", "教监管函〔2021〕2号（domain §1.1：风险保证金）", []Family{deposit(300, 350)}, estate{Deposit: 900}, []Fen{350}},
		{"the deposit does not suffice", bankrupt, []Family{deposit(300, 300), deposit(100, 100)}, estate{Deposit: 100}, []Fen{75, 25}},
		{"neither stands in for the other", "资金监管协议：两种方式分别监管", []Family{custody(300, 300), deposit(300, 300)}, estate{Custody: 300, Deposit: 100}, []Fen{300, 100}},
		{"a corrected claim counts", article25, []Family{corrected(custody(300, 300), 100), custody(300, 300)}, estate{Custody: 200}, []Fen{50, 150}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := WindDown{}
			grounds, err := w.shareOut(tt.families, tt.has, seeded(t, d("2026-03-02")))
			if err != nil || len(grounds) != 3 || grounds[0].Key != windOrder || grounds[0].Provenance != "V" || len(grounds[1].Inputs) == 0 {
				t.Fatalf("%+v, %v", grounds, err)
			}
			for i, f := range tt.families {
				if f.Share != tt.want[i] {
					t.Errorf("family %d gets %d, want %d (%s)", i, f.Share, tt.want[i], tt.source)
				}
			}
		})
	}
	w := WindDown{}
	if _, err := w.shareOut(nil, estate{}, seeded(t, d("2026-03-02"), windOrder, []string{"staff_wages", "learner_refunds"})); !errors.Is(err, fault.Refused) {
		t.Errorf("wages before refunds: %v", err)
	}
}

// TestUndone is what an institution's end makes of a schedule.
func TestUndone(t *testing.T) {
	on := d("2026-03-02")
	for _, tt := range []struct {
		name string
		is   Lesson
		want string
	}{
		{"ahead", Lesson{State: scheduled}, scheduled},
		{"asked back", Lesson{State: refunding, Refund: "r"}, scheduled},
		{"given, and asked back with the whole", Lesson{State: refunding, Refund: "r", TaughtOn: on}, taught},
		{"not given, says the parent, and asked back", Lesson{State: refunding, Refund: "r", TaughtOn: on, Reason: "没上"}, scheduled},
		{"not given, says the parent", Lesson{State: disputed, TaughtOn: on, Reason: "没上"}, scheduled},
		{"waiting for the parent", Lesson{State: taught, TaughtOn: on}, taught},
		{"given", Lesson{State: confirmed, TaughtOn: on}, confirmed},
		{"given back", Lesson{State: refunded, Refund: "r"}, refunded},
	} {
		if got := undone([]Lesson{tt.is})[0]; got.State != tt.want || got.State != refunded && got.Refund != "" {
			t.Errorf("%s (%s): %+v, want %s", tt.name, article25, got, tt.want)
		}
	}
}
