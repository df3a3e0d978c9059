package escrow

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
	"xunguan/services/escrow/standin"
)

// teller is a stand-in bank that talks to a house over HTTP, with the accounts of
// art, maths and other.
type teller struct {
	*house
	bank   *standin.Bank
	client *standin.Client
}

const bankName = "苏州银行"

// withBank is a house on a day, with a bank registered from that day on.
func withBank(t testing.TB, today string, layout bankfile.Layout, charset bankfile.Charset) *teller {
	t.Helper()
	h := newHouse(t, today)
	server := httptest.NewServer(newAPI(h.Service).Handler())
	t.Cleanup(server.Close)
	must(h.RegisterBank(h.as("city"), RegisterBank{h.key(), bankName, "bank", h.today()}))(t)
	b := &standin.Bank{Name: bankName, Layout: layout, Charset: charset, Clock: h.Now}
	for _, i := range []string{"art", "maths", "other"} {
		b.Open("协-"+i, bankfile.Custody, 0)
	}
	return &teller{h, b, &standin.Client{
		URL: server.URL, HTTP: server.Client(), Token: func() string { return token(t, "bank", time.Minute, private, "escrow") },
	}}
}

// pays is a contract on t that was signed and paid, in the books and at the bank.
func (b *teller) pays(t Terms) ContractView {
	b.t.Helper()
	v := b.paid(t)
	b.bank.Pay("协-"+t.Institution, "REF-"+v.ID, int64(t.PriceFen))
	return v
}

// sends sends the file of a day, and returns the answer.
func (b *teller) sends(on string, faults ...standin.Fault) (status int, answer string) {
	b.t.Helper()
	file := must(b.bank.File(d(on), faults...))(b.t)
	status, answer, err := b.client.Send(b.t.Context(), b.key().IdempotencyKey, file)
	if err != nil {
		b.t.Fatal(err)
	}
	return status, answer
}

// told sends the file of a day, which must be taken.
func (b *teller) told(on string, faults ...standin.Fault) {
	b.t.Helper()
	if status, answer := b.sends(on, faults...); status != http.StatusOK {
		b.t.Fatalf("file of %s: %d %s", on, status, answer)
	}
}

// executes takes what is to be paid and pays it.
func (b *teller) executes(faults ...standin.Fault) int {
	b.t.Helper()
	file, err := b.client.Take(b.t.Context(), b.key().IdempotencyKey, b.bank.Layout, b.bank.Charset)
	if err != nil {
		b.t.Fatal(err)
	}
	if file == nil {
		return 0
	}
	return must(b.bank.Execute(file, faults...))(b.t)
}

// night is the night from one day to the next: the bank sends its file of the day
// and, next morning, all is reconciled and settled; what is ordered is paid.
func (b *teller) night(faults ...standin.Fault) {
	b.t.Helper()
	today := b.today()
	b.told(today.String(), faults...)
	b.at(today.AddDays(1).String())
	b.settle()
}

// asked is what the API answers a persona.
func asked[T any](h *house, by, path string) (v T) {
	h.t.Helper()
	code, body := ask(h.t, newAPI(h.Service).Handler(), http.MethodGet, path, by, "", "")
	if err := json.Unmarshal([]byte(body), &v); err != nil || code != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, code, body)
	}
	return v
}

// differences is the discrepancies of an institution in short, those that are not closed
// first: "missing_in OPEN 480000/0".
func (b *teller) differences(institution string) string {
	b.t.Helper()
	var all []string
	for _, x := range asked[Discrepancies](b.house, "city", "/v1/discrepancies?institution="+institution).Items {
		line := fmt.Sprintf("%s %s %d/%d", x.Kind, x.State, x.ExpectedFen, x.ActualFen)
		if x.ClosedHow != "" {
			line += " " + x.ClosedHow
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// reconciled is an institution's day.
func (b *teller) reconciled(institution, on string) ReconciledView {
	b.t.Helper()
	for _, r := range must(b.ListReconciliations(b.as("city"), ListReconciliations{Institution: institution}))(b.t).Items {
		if r.Day == day.MustParse(on) {
			return r
		}
	}
	b.t.Fatalf("%s is not reconciled on %s", institution, on)
	return ReconciledView{}
}

// banked is a bank with a day, two orders of which it was told one, and two
// discrepancies of art.
func (h *house) banked() (ids struct{ settlement, found, explained, alert, hold, freeze string }) {
	h.t.Helper()
	must(h.RegisterBank(h.as("city"), RegisterBank{h.key(), bankName, "bank", h.today().AddDays(-1)}))(h.t)
	order := func(id string) string {
		return fmt.Sprintf(`INSERT INTO instructions (institution_id, id, bank, agreement_no, purpose, amount, reference, original, made_on)
			VALUES ('art', '%s', '%s', '协-art', 'refund', 5, 'payback/x', 'REF-X', '2026-03-01')`, id, bankName)
	}
	differ := func(reference string) string {
		return fmt.Sprintf(`INSERT INTO discrepancies (institution_id, id, jurisdiction, manager, kind, account, reference, txn, day, expected, actual, owner, raised_on, due, provisional, ground, state)
			VALUES ('art', '%s', '320508', 'principal', 'unknown_in', 'custody', '%[1]s', 'T1', '2026-03-01', 0, 5, 'institution', '2026-03-02', '2026-03-09', false, '{}', 'OPEN')`, reference)
	}
	alert := func(id, kind string) string {
		return fmt.Sprintf(`INSERT INTO alerts (institution_id, id, jurisdiction, manager, day, kind, level, words, ground, raised_on, due, provisional, state)
			VALUES ('art', '%s', '320508', 'principal', '2026-03-01', '%s', 'RED', 'x', '{}', '2026-03-02', '2026-03-05', false, 'OPEN')`, id, kind)
	}
	h.enact("escrow.hefei_style_floor", "320508", `"per_institution"`, "text")
	for _, sql := range []string{
		alert("alert-1", muchInDay), alert("alert-2", muchInWeek), order("order-1"), differ("found-1"), differ("explained-1"),
		`INSERT INTO reconciliations (institution_id, day, bank, orders, lessons, refunds, ordered, bank_in, bank_out, ledger, unconsumed, cycle, open)
			VALUES ('art', '2026-03-01', '` + bankName + `', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
	} {
		if err := h.try(sql); err != nil {
			h.t.Fatal(err)
		}
	}
	ids.settlement = must(h.TakeSettlement(h.as("bank"), TakeSettlement{h.key(), "csv", "UTF-8"}))(h.t).ID
	if err := h.try(order("order-2")); err != nil {
		h.t.Fatal(err)
	}
	ids.found, ids.explained = "found-1", "explained-1"
	must(h.ExplainDiscrepancy(h.as("examiner2"), ExplainDiscrepancy{h.key(), ids.explained, "渠道清算跨日"}))(h.t)
	ids.alert = "alert-1"
	must(h.HoldByAlert(h.as("examiner"), HoldByAlert{h.key(), "alert-2", "逐日核查"}))(h.t)
	for _, x := range must(h.ListHolds(h.as("examiner"), ListHolds{Institution: "art"}))(h.t).Items {
		if x.CauseID == "alert-2" {
			ids.hold = x.ID
		}
	}
	ids.freeze = must(h.RecordFreeze(h.as("examiner"), RecordFreeze{h.key(), "art", custodyAccount, "姑苏区人民法院", "（2026）苏0508执1号", 0, h.today()}))(h.t).ID
	return ids
}

// added gives an institution of principal a deposit account beside the one in custody.
func (b *teller) added(institution string) {
	b.t.Helper()
	must(b.AddAccount(b.as("principal"), AddAccount{b.key(), institution, depositAccount, bankName, "4321", "保-" + institution, b.today()}))(b.t)
	b.bank.Open("保-"+institution, bankfile.Deposit, 0)
}

// enact puts a rule of a place in force from 2026-01-01.
func (b *house) enact(key, place, value, unit string) {
	b.t.Helper()
	if err := b.try(fmt.Sprintf(`INSERT INTO rule_copy (key, version, value, unit, jurisdiction, effective_from, source, provenance)
		VALUES ('%s', 1, '%s', '%s', '%s', '2026-01-01', '测试用地方规则', 'L')`, key, value, unit, place)); err != nil {
		b.t.Fatal(err)
	}
}
