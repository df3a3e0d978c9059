package escrow

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/escrow/bankfile"
	"xunguan/services/escrow/standin"
)

const (
	threeWays = "peers §6.3：合同与订单、课时、银行流水三方逐日对账"
	bankForm  = "domain §1.7：DailyRecon{date, count, sum, md5}，按流水号幂等"
	fullSum   = "domain §1.1 教监管函〔2021〕2号：预收费全额进入专户"
	inStep    = "domain §1.1：拨付与授课进度同步同比例"
	offBook   = "peers §6.3：账外收款、来历不明的支出"
	noCharge  = "domain §1.1：托管银行不得向机构或学员收费"
	original  = "domain §1.2：退费原路返回"
	lateFile  = "issue 6：对账文件缺失或迟到本身即预警"
)

// reconcileCase is what a bank may do wrong, and right, and what comes of it: the
// differences of art that are there in the end.
type reconcileCase struct {
	name, source string
	play         func(b *teller)
	want         string
}

func reconcileCases() []reconcileCase {
	lesson := func(b *teller) { // one lesson, taught and confirmed today, ordered in the morning
		v := b.pays(b.terms())
		b.taught(v.ID, 1)
		b.confirmed(v.ID, 1)
		b.night()
	}
	return []reconcileCase{
		{"nothing happens", threeWays, func(b *teller) { b.night(); b.night() }, ""},
		{"a payment arrives on its day", fullSum, func(b *teller) { b.pays(b.terms()); b.night() }, ""},
		{"a payment arrives on the next day", fullSum, func(b *teller) {
			v := b.paid(b.terms())
			b.night()
			b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
		}, ""},
		{"a payment does not arrive", fullSum, func(b *teller) { b.paid(b.terms()); b.night(); b.night() }, "missing_in OPEN 480000/0"},
		{"a payment arrives two days late", fullSum, func(b *teller) {
			v := b.paid(b.terms())
			b.night()
			b.night()
			b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
		}, "missing_in CLOSED 480000/0 movement"},
		{"a payment of Friday has until Monday", "domain §0：工作日", func(b *teller) {
			b.night()
			b.night()
			b.night()
			b.night()
			v := b.paid(b.terms()) // 2026-03-06 is a Friday
			b.night()
			b.night()
			b.night()
			b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
		}, ""},
		{"one 分 is missing", threeWays, func(b *teller) {
			v := b.paid(b.terms())
			b.bank.Pay("协-art", "REF-"+v.ID, 479999)
			b.night()
		}, "amount OPEN 480000/479999"},
		{"the rest comes a day later", threeWays, func(b *teller) {
			v := b.paid(b.terms())
			b.bank.Pay("协-art", "REF-"+v.ID, 479999)
			b.night()
			b.bank.Pay("协-art", "REF-"+v.ID, 1)
			b.night()
		}, "amount CLOSED 480000/479999 movement"},
		{"it comes in two on one day", threeWays, func(b *teller) {
			v := b.paid(b.terms())
			b.bank.Pay("协-art", "REF-"+v.ID, 1)
			b.bank.Pay("协-art", "REF-"+v.ID, 479999)
			b.night()
		}, ""},
		{"it comes twice on one day", threeWays, func(b *teller) {
			v := b.pays(b.terms())
			b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
		}, "duplicate OPEN 480000/960000"},
		{"it comes again a day later", threeWays, func(b *teller) {
			v := b.pays(b.terms())
			b.night()
			b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
		}, "duplicate OPEN 480000/960000"},
		{"what came again is taken back", threeWays, func(b *teller) {
			v := b.pays(b.terms())
			b.night()
			again := b.bank.Pay("协-art", "REF-"+v.ID, 480000)
			b.night()
			b.bank.Move("协-art", bankfile.Custody, "correction", again, -480000)
			b.night()
		}, "duplicate CLOSED 480000/960000 movement"},
		{"money comes that nobody ordered", offBook, func(b *teller) { b.bank.Pay("协-art", "WECHAT-1", 99900); b.night() }, "unknown_in OPEN 0/99900"},
		{"it comes without a reference", offBook, func(b *teller) {
			b.bank.Pay("协-art", "", 100)
			b.bank.Pay("协-art", "", 200)
			b.night()
		}, "unknown_in OPEN 0/100; unknown_in OPEN 0/200"},
		{"interest", "domain §1.5 法释〔2025〕4号 §17：监管资金的实际利息", func(b *teller) {
			b.bank.Move("协-art", bankfile.Custody, "interest", "", 12)
			b.night()
		}, "unknown_in OPEN 0/12"},
		{"it is ordered a day later", offBook, func(b *teller) {
			id := b.sign(b.terms()).ID
			b.bank.Pay("协-art", "REF-"+id, 480000)
			b.night()
			must(b.PayContract(b.as("parent"), PayContract{b.key(), id, 480000, "REF-" + id}))(b.t)
			b.night()
		}, "unknown_in CLOSED 0/480000 booking"},
		{"what nobody ordered is taken back", offBook, func(b *teller) {
			txn := b.bank.Pay("协-art", "WECHAT-1", 99900)
			b.night()
			b.bank.Move("协-art", bankfile.Custody, "correction", txn, -99900)
			b.night()
		}, "unknown_in CLOSED 0/99900 movement"},
		{"a part of it is taken back", offBook, func(b *teller) {
			txn := b.bank.Pay("协-art", "WECHAT-1", 99900)
			b.night()
			b.bank.Move("协-art", bankfile.Custody, "correction", txn, -1)
			b.night()
		}, "unknown_in OPEN 0/99900; unknown_out OPEN 0/-1"},
		{"a good payment is taken back", fullSum, func(b *teller) {
			b.pays(b.terms())
			b.night()
			b.bank.Move("协-art", bankfile.Custody, "correction", "T00000001", -480000)
			b.night()
		}, "unknown_out OPEN 0/-480000"},
		{"money goes that nobody ordered", offBook, func(b *teller) {
			b.pays(b.terms())
			b.bank.Move("协-art", bankfile.Custody, "other", "RENT", -50000)
			b.night()
		}, "unknown_out OPEN 0/-50000"},
		{"the bank takes a fee", noCharge, func(b *teller) {
			b.pays(b.terms())
			b.bank.Move("协-art", bankfile.Custody, "fee", "", -5)
			b.night()
		}, "unknown_out OPEN 0/-5"},
		{"a release is paid", inStep, func(b *teller) { lesson(b); b.executes(); b.night() }, ""},
		{"a release is not paid", inStep, func(b *teller) { lesson(b); b.executes(standin.PaysNot); b.night(); b.night() }, "missing_out OPEN -10000/0"},
		{"a release is not even asked for", inStep, func(b *teller) { lesson(b); b.night(); b.night() }, "missing_out OPEN -10000/0"},
		{"a release is paid twice", inStep, func(b *teller) { lesson(b); b.executes(standin.PaysTwice); b.night() }, "duplicate OPEN -10000/-20000"},
		{"a release is paid with less", inStep, func(b *teller) { lesson(b); b.executes(standin.PaysLess); b.night() }, "amount OPEN -10000/-9999"},
		{"a release is paid before it is ordered", inStep, func(b *teller) {
			v := b.pays(b.terms())
			b.bank.Move("协-art", bankfile.Custody, "release", "lesson/"+v.ID+"/1", -10000)
			b.night()
		}, "unknown_out OPEN 0/-10000"},
		{"a refund goes back", original, func(b *teller) {
			v := b.pays(b.terms())
			b.refunded(v.ID, 1)
			b.night()
			if n := b.count(`SELECT count(*) FROM instructions WHERE purpose = 'refund' AND original = $1`, "REF-"+v.ID); n != 1 {
				b.t.Errorf("%d orders name the payment that the refund goes back on", n)
			}
			b.executes()
			b.night()
		}, ""},
		{"a refund does not go back", original, func(b *teller) {
			v := b.pays(b.terms())
			b.refunded(v.ID, 1)
			b.night()
			b.executes(standin.PaysNot)
			b.night()
			b.night()
		}, "missing_out OPEN -10000/0"},
		{"payouts are held: what waits is not missing", "domain §1.3：暂停拨付，退费照常", func(b *teller) {
			v := b.pays(b.terms())
			b.taught(v.ID, 1)
			b.confirmed(v.ID, 1)
			b.black("a", "art")
			b.refunded(v.ID, 1)
			b.night()
			if n := b.executes(); n != 1 {
				b.t.Errorf("%d orders while payouts are held, want the refund alone", n)
			}
			b.night()
			b.night()
		}, ""},
		{"payouts go on: what waited is ordered", "domain §1.3：恢复拨付", func(b *teller) {
			v := b.pays(b.terms())
			b.taught(v.ID, 1)
			b.confirmed(v.ID, 1)
			b.black("a", "art")
			b.night()
			b.night()
			b.removed("a", "art")
			b.night()
			if n := b.executes(); n != 1 {
				b.t.Errorf("%d orders after payouts were resumed, want 1", n)
			}
			b.night()
		}, ""},
		{"the bank leaves a movement out", bankForm, func(b *teller) { b.night(); b.pays(b.terms()); b.night(standin.LeftOut) }, "balance OPEN 0/480000"},
		{"movements in another order", bankForm, func(b *teller) {
			b.pays(b.terms())
			b.pays(b.terms(func(t *Terms) { t.Parent = "parent2" }))
			b.night(standin.Reordered)
		}, ""},
		{"a deposit comes in", "domain §1.1：风险保证金专户", func(b *teller) {
			b.added("art")
			b.bank.Move("保-art", bankfile.Deposit, "deposit", "", 300000)
			b.night()
			if n := b.count(`SELECT sum(balance) FROM balances WHERE institution_id = 'art' AND account = 'deposit'`); n != 300000 {
				b.t.Errorf("%d on the deposit account", n)
			}
		}, ""},
		{"a deposit is drawn on", "domain §1.1：风险保证金不得挪用、质押", func(b *teller) {
			b.added("art")
			b.bank.Move("保-art", bankfile.Deposit, "deposit", "", 300000)
			b.night()
			b.bank.Move("保-art", bankfile.Deposit, "other", "LOAN", -100000)
			b.night()
		}, "unknown_out OPEN 0/-100000"},
		{"a weekly place orders on Monday", "domain §1.3 厦门：一课一消、一周一结", func(b *teller) {
			b.enact("escrow.settlement", "320508", `"week"`, "text")
			v := b.pays(b.terms())
			for n := 1; n <= 3; n++ { // Monday to Wednesday
				b.taught(v.ID, n)
				b.confirmed(v.ID, n)
				b.night()
				if n := b.executes(); n != 0 {
					b.t.Errorf("%d orders in the week", n)
				}
			}
			for range 4 {
				b.night()
			}
			if n := b.executes(); n != 1 {
				b.t.Errorf("%d orders on Monday, want one of three lessons", n)
			}
			b.night()
			if n := b.count(`SELECT sum(balance) FROM balances WHERE institution_id = 'art' AND account = 'custody'`); n != 450000 {
				b.t.Errorf("%d in custody", n)
			}
		}, ""},
	}
}

// TestReconciliation plays them: the bank sends its files and takes its orders by way of
// the API, and the differences are read there.
func TestReconciliation(t *testing.T) {
	t.Parallel()
	for _, tt := range reconcileCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
			tt.play(b)
			if got := b.differences("art"); got != tt.want {
				t.Errorf("%s (%s)\n got %q\nwant %q", tt.name, tt.source, got, tt.want)
			}
			b.sound()
		})
	}
}

// TestBankFaults is a bank's faulty files: each is refused with its line and nothing
// booked, and the right file after it is taken.
func TestBankFaults(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.Fixed, bankfile.GBK)
	b.pays(b.terms())
	for _, tt := range []struct {
		fault standin.Fault
		want  string
	}{
		{standin.RecordTwice, "第 3 行 id：与第 2 行重复"},
		{standin.CutShort, "第 3 行"},
		{standin.WrongCount, "records：尾记录写"},
		{standin.WrongSum, "in：尾记录写"},
		{standin.WrongDigest, "digest：尾记录写"},
	} {
		status, answer := b.sends("2026-03-02", tt.fault)
		if status != http.StatusBadRequest || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %d %s", tt.fault, status, answer)
		}
		if n := b.count(`SELECT (SELECT count(*) FROM staged) + (SELECT count(*) FROM bank_files) + (SELECT count(*) FROM movements)`); n != 0 {
			t.Errorf("%s left %d rows", tt.fault, n)
		}
	}
	b.told("2026-03-02")
	if status, answer := b.sends("2026-03-02"); status != http.StatusOK || !strings.Contains(answer, `"again":true`) {
		t.Errorf("the same file again: %d %s", status, answer)
	}
	b.at("2026-03-03")
	b.settle()
	if n := b.count(`SELECT count(*) FROM movements`); n != 1 {
		t.Errorf("%d movements", n)
	}
	if got := b.differences("art"); got != "" {
		t.Error(got)
	}
}

// TestBankFiles is files that are right in themselves and not what they should be.
func TestBankFiles(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.pays(b.terms())
	b.night()
	send := func(change func(*standin.Bank)) (int, string) {
		other := *b.bank
		other.Untold, other.Files = nil, nil
		other.Accounts = append([]*standin.Account{}, other.Accounts...)
		change(&other)
		file := must(other.File(b.today()))(t)
		status, answer, err := b.client.Send(t.Context(), b.key().IdempotencyKey, file)
		if err != nil {
			t.Fatal(err)
		}
		return status, answer
	}
	for _, tt := range []struct {
		name   string
		change func(*standin.Bank)
		status int
		want   string
	}{
		{"another bank's", func(x *standin.Bank) { x.Name = "江苏银行" }, 400, "第 1 行 bank：文件写明 江苏银行，报送的是 苏州银行"},
		{"an unknown agreement", func(x *standin.Bank) { x.Open("协-nobody", bankfile.Custody, 5) }, 400, "第 5 行 agreement：本行没有监管协议 协-nobody"},
		{"no deposit account", func(x *standin.Bank) { x.Open("协-art", bankfile.Deposit, 5) }, 400, "第 5 行 agreement：本行没有监管协议 协-art"},
		{"a balance too few", func(x *standin.Bank) { x.Accounts = x.Accounts[1:] }, 400, "缺少 1 个账户的日终余额，例如监管协议 协-art"},
		{"a movement of yesterday again", func(x *standin.Bank) { x.Serial = 0; x.Pay("协-art", "REF-NEW", 5) }, 400, "第 2 行 id：流水号已在 2026-03-02 的文件中报送过"},
	} {
		if status, answer := send(tt.change); status != tt.status || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, status, answer, tt.status, tt.want)
		}
	}
	for _, tt := range []struct{ on, want string }{{"2026-03-04", "晚于今天 2026-03-03"}, {"2026-03-01", "早于该行开始报送的日期 2026-03-02"}} {
		if status, answer := b.sends(tt.on); status != http.StatusBadRequest || !strings.Contains(answer, tt.want) {
			t.Errorf("the file of %s: %d %s", tt.on, status, answer)
		}
	}
	if n := b.count(`SELECT count(*) FROM staged`); n != 0 {
		t.Errorf("%d rows are left of refused files", n)
	}
	delete(b.bank.Files, "2026-03-02")
	if status, answer := b.sends("2026-03-02"); status != http.StatusConflict || !strings.Contains(answer, "内容与这次不同") {
		t.Errorf("another file of the same day: %d %s", status, answer)
	}
	if _, err := b.SendBankFile(b.as("bank2"), SendBankFile{b.key()}, strings.NewReader("")); !errors.Is(err, fault.Refused) {
		t.Errorf("a bank that nobody registered: %v", err)
	}
}

// TestDiscrepancySteps is how a difference ends: by two people, or by a reversal.
func TestDiscrepancySteps(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.bank.Pay("协-art", "WECHAT-1", 99900)
	b.bank.Pay("协-art", "WECHAT-2", 500)
	b.night()
	items := must(b.ListDiscrepancies(b.as("examiner"), ListDiscrepancies{Institution: "art", State: discrepancyOpen}))(t).Items
	if len(items) != 2 || items[0].Due != d("2026-03-10") || items[0].Owner != ownerInstitution {
		t.Fatalf("%+v", items) // five working days after 2026-03-03
	}
	id, other := items[0].ID, items[1].ID
	if items[0].ActualFen != 99900 {
		id, other = other, id
	}
	explain := func(by string) error {
		_, err := b.ExplainDiscrepancy(b.as(by), ExplainDiscrepancy{b.key(), id, "机构误将押金收入专户"})
		return err
	}
	confirm := func(by string) error {
		_, err := b.ConfirmDiscrepancy(b.as(by), ConfirmDiscrepancy{b.key(), id})
		return err
	}
	reject := func(by string) error {
		_, err := b.RejectDiscrepancy(b.as(by), RejectDiscrepancy{b.key(), id, "没有凭据"})
		return err
	}
	reverse := func(id, transfer string) error {
		_, err := b.CloseByReversal(b.as("examiner"), CloseByReversal{b.key(), id, transfer})
		return err
	}
	booked := b.differs("art", 500, "VOUCHER-1")
	back := must(b.ReverseDifference(b.as("examiner"), ReverseDifference{b.key(), booked.ID, "已查明"}))(t)
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"nobody has explained", confirm("examiner2"), fault.Conflict},
		{"the neighbour explains", explain("neighbour"), fault.NotFound},
		{"explained", explain("examiner"), nil},
		{"explained again", explain("examiner2"), fault.Conflict},
		{"confirmed by who explained", confirm("examiner"), fault.Forbidden},
		{"rejected", reject("examiner2"), nil},
		{"explained anew", explain("examiner2"), nil},
		{"confirmed by the other", confirm("examiner"), nil},
		{"confirmed again", confirm("examiner"), fault.Conflict},
		{"rejected when it is closed", reject("examiner"), fault.Conflict},
		{"a reversal of another amount", reverse(id, back.ID), fault.Conflict},
		{"the difference itself is no reversal", reverse(other, booked.ID), fault.Invalid},
		{"no transfer at all", reverse(other, "x"), fault.Invalid},
		{"by its reversal", reverse(other, back.ID), nil},
	} {
		if !errors.Is(tt.err, tt.want) || (tt.err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	if got, want := b.differences("art"), "unknown_in CLOSED 0/500 reversal; unknown_in CLOSED 0/99900 explanation"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, sql := range []string{
		`UPDATE discrepancies SET actual = 1`, `UPDATE discrepancies SET state = 'OPEN', closed_on = NULL, closed_how = ''`, `DELETE FROM discrepancies`,
		`UPDATE movements SET amount = 1`, `DELETE FROM movements`, `UPDATE bank_balances SET balance = 1`, `DELETE FROM bank_files`, `UPDATE reconciliations SET bank_in = 1`,
	} {
		if err := b.try(sql); err == nil {
			t.Errorf("%s was let through", sql)
		}
	}
}

func TestSettledBefore(t *testing.T) {
	for _, tt := range []struct{ source, period, today, want string }{
		{"domain §1.2：一课一消", byLesson, "2026-03-04", "2026-03-04"},
		{"domain §1.2：一课一消", byLesson, "2026-03-01", "2026-03-01"},
		{"domain §1.3 厦门：一周一结", weekly, "2026-03-02", "2026-03-02"}, // a Monday
		{"domain §1.3 厦门：一周一结", weekly, "2026-03-03", "2026-03-02"},
		{"domain §1.3 厦门：一周一结", weekly, "2026-03-08", "2026-03-02"}, // a Sunday
		{"domain §1.3 厦门：一周一结", weekly, "2026-03-09", "2026-03-09"},
		{"domain §1.7：周一出具周结单", weekly, "2026-01-01", "2025-12-29"},
	} {
		if got := settledBefore(tt.period, d(tt.today)); got != d(tt.want).Start() {
			t.Errorf("%s on %s: before %v, want %s (%s)", tt.period, tt.today, got, tt.want, tt.source)
		}
	}
}

// TestReconciledAtOnce is that of twenty who reconcile a bank's day each part has one at a
// time: every institution is compared once, and the last part ends the day.
func TestReconciledAtOnce(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	for range 12 {
		id := newID()
		b.learned(&licensingv1.Institution{Id: id, Name: "姑苏美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术"})
		b.account("principal", id)
		b.bank.Open("协-"+id, bankfile.Custody, 0)
	}
	b.told("2026-03-02")
	b.at("2026-03-03")
	timers := slices.DeleteFunc(b.Timers(), func(t due.Timer) bool { return t.Name != "bank.reconcile" })
	var all errgroup.Group
	for range 20 {
		all.Go(func() error {
			return second((&due.Clockwork{DB: b.DB, Now: b.Now, Timers: timers}).Settle(t.Context()))
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	accounts, compared := b.count(`SELECT count(DISTINCT institution_id) FROM bank_accounts`), b.count(`SELECT count(*) FROM reconciliations`)
	parts, days := b.count(`SELECT count(*) FROM bank_day_parts WHERE done`), b.count(`SELECT count(*) FROM bank_days WHERE state = 'RECONCILED'`)
	if accounts < 13 || compared != accounts || parts != reconcileAtOnce || days != 1 {
		t.Errorf("%d of %d compared in %d parts, %d days", compared, accounts, parts, days)
	}
}
