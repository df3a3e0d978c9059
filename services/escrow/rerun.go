package escrow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// RerunRules asks what the fee rules say of payments that were made, under the rules of
// then and, if a key is named, under another value of that rule.
type RerunRules struct {
	From     day.Date `query:"from" required:"true" description:"the first day of the payments"`
	To       day.Date `query:"to" required:"true" description:"the last"`
	Division string   `query:"division" pattern:"^([0-9]{2}){0,3}$" description:"what the codes of their divisions begin with; all that the caller sees if absent"`
	Key      string   `query:"key" maxLength:"64" description:"of the rule that is proposed"`
	Value    string   `query:"value" maxLength:"2000" description:"as the rulebook has it: a number in the rule's unit, or a list of days"`
	Place    string   `query:"place" pattern:"^[0-9]{6}$" description:"where it would be enacted; the caller's own place if absent"`
}

// Rejudged is what came of it, and the proposal as it was understood.
type Rejudged struct {
	Rerun
	Proposed *rule.Rule `json:"proposed,omitempty"`
}

// RerunRules changes nothing. The payments are those that the caller sees, of all parties'
// contracts. Unavailable if there are more than can be judged in 20 seconds: a shorter span
// is then to be asked for.
func (s *Service) RerunRules(ctx context.Context, req RerunRules) (Rejudged, error) {
	if req.To.Before(req.From) {
		return Rejudged{}, fault.Fields(fault.Field{Pointer: "/query/to", Detail: "不得早于起始日 " + req.From.String()})
	}
	if req.Key == "" && req.Value+req.Place != "" {
		return Rejudged{}, fault.Fields(fault.Field{Pointer: "/query/key", Detail: "提出了拟议的数值或地区，须写明是哪一条规则"})
	}
	var proposed *rule.Rule
	if req.Key != "" {
		r, err := s.propose(ctx, req)
		if err != nil {
			return Rejudged{}, err
		}
		proposed = &r
	}
	all, err := s.Rerun(ctx, Span{From: req.From, To: req.To, Division: req.Division}, proposed)
	return Rejudged{all, proposed}, err
}

// propose is the rule that is in force at the place on the first day, with the value that
// req has instead, from that day on.
func (s *Service) propose(ctx context.Context, req RerunRules) (rule.Rule, error) {
	place := cmp.Or(req.Place, auth.From(ctx).Jurisdiction)
	set, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (rule.Set, error) {
		return rule.Known(ctx, tx, place, req.From, slices.Concat(feeRules, localRules)...)
	})
	if err != nil {
		return rule.Rule{}, err
	}
	r, known := set[req.Key]
	if !known {
		return r, fault.Fields(fault.Field{Pointer: "/query/key", Detail: fmt.Sprintf("%s 于 %s 没有这条收费规则", place, req.From)})
	}
	if err := sameKind(req.Value, r.Value); err != nil {
		return r, fault.Fields(fault.Field{Pointer: "/query/value", Detail: fmt.Sprintf("%s，现为 %s（%s）", err, r.Value, r.Unit)})
	}
	r.Value, r.Jurisdiction, r.EffectiveFrom, r.EffectiveTo = json.RawMessage(req.Value), place, req.From, nil
	r.Source, r.Provenance = "拟议，未颁布", "D"
	return r, nil
}

// sameKind says why a value cannot stand where another does: a number that is not
// negative, or days one after the other.
func sameKind(value string, now json.RawMessage) error {
	var was, number float64
	if json.Unmarshal(now, &was) == nil {
		if json.Unmarshal([]byte(value), &number) != nil || number < 0 {
			return errors.New("应为不小于 0 的数")
		}
		return nil
	}
	var then, days []day.Date
	if json.Unmarshal(now, &then) != nil {
		return errors.New("这条规则没有可以改的数值")
	}
	if json.Unmarshal([]byte(value), &days) != nil || len(days) == 0 || !slices.IsSortedFunc(days, day.Date.Compare) {
		return errors.New("应为由早到晚的日期列表")
	}
	return nil
}

// Span is the payments that are judged anew: of some days, the last included, and of
// a division, by what its codes begin with; "" is the nation.
type Span struct {
	From, To day.Date
	Division string
}

// Tally is how many payments a rule finds fault with.
type Tally struct {
	Then     int `json:"then" description:"under the rules of then"`
	Proposed int `json:"proposed" description:"under the rules as proposed"`
	More     int `json:"more" description:"only as proposed"`
	Less     int `json:"less" description:"only under the rules of then"`
}

// Contrast is a payment that the proposal finds fault with and the rules of then
// did not, or the other way round.
type Contrast struct {
	Institution string  `json:"institution"`
	Contract    string  `json:"contract"`
	More        bool    `json:"more" description:"only as proposed; otherwise only under the rules of then"`
	Finding     Warning `json:"finding"`
}

// Rerun is what comes of judging the payments of a span anew.
type Rerun struct {
	Payments  int              `json:"payments"`
	Flagged   int              `json:"flagged" description:"payments with a finding under the rules of then"`
	Rules     map[string]Tally `json:"rules" description:"by key of the rule"`
	Contrasts []Contrast       `json:"contrasts" description:"the first of them, by institution and contract"`
}

// pageSeenSize is how many payments are read at a time; contrastsShown how many
// contrasts are kept. They bound the memory, whatever the span.
const (
	pageSeenSize   = 4000
	contrastsShown = 100
)

// Rerun judges the payments of in that the caller sees, each from what was seen when
// it was made: under the rules of then and, unless it is nil, under those as a
// proposal would have made them. Payments are read in pages and judged by as many
// goroutines as there are processors.
func (s *Service) Rerun(ctx context.Context, in Span, proposed *rule.Rule) (Rerun, error) {
	then, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (*rule.History, error) {
		return rule.Load(ctx, tx, slices.Concat(feeRules, localRules)...)
	})
	if err != nil {
		return Rerun{}, err
	}
	instead := then
	if proposed != nil {
		instead = then.With(*proposed)
	}
	all := Rerun{Rules: map[string]Tally{}, Contrasts: []Contrast{}}
	pages := make(chan []seenRow, 1)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return s.read(ctx, in, pageSeenSize, pages)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for page := range pages {
				part, err := rejudge(page, then, instead)
				if err != nil {
					return err
				}
				mu.Lock()
				all.add(part)
				mu.Unlock()
			}
			return nil
		})
	}
	return all, g.Wait()
}

// read sends the payments of in, so many to a page, each page in a transaction of its own,
// so that a long run holds up nobody.
func (s *Service) read(ctx context.Context, in Span, size int, pages chan<- []seenRow) error {
	var last seenRow
	for {
		page, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) ([]seenRow, error) {
			return pageSeen(ctx, tx, in, last.InstitutionID, last.ContractID, size)
		})
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1]
		select {
		case pages <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rejudge judges a page under two histories, which may be the same.
func rejudge(page []seenRow, then, instead *rule.History) (Rerun, error) {
	part := Rerun{Payments: len(page), Rules: map[string]Tally{}}
	for _, p := range page {
		var rows []orderRow
		if err := json.Unmarshal(p.Orders, &rows); err != nil {
			return part, fmt.Errorf("what was seen of %s: %w", p.ContractID, err)
		}
		was, err := p.findings(rows, then)
		if err != nil {
			return part, err
		}
		is := was
		if instead != then {
			if is, err = p.findings(rows, instead); err != nil {
				return part, err
			}
		}
		part.compare(p, was, is)
	}
	return part, nil
}

// findings applies the rules of h to what was seen. Only those of the contract that
// was paid count: what was paid before had its own turn.
func (p seenRow) findings(rows []orderRow, h *rule.History) ([]Finding, error) {
	orders := make([]Order, len(rows))
	for n, r := range rows {
		paid := r.paidOn(day.Date{})
		rules := h.Known(p.Jurisdiction, paid)
		if err := rules.Need(p.Jurisdiction, paid, feeRules...); err != nil {
			return nil, err
		}
		orders[n] = r.order(paid, rules)
	}
	found := slices.DeleteFunc(Findings(p.Kind, orders), func(f Finding) bool { return f.Contract != p.ContractID })
	if p.Family == nil {
		return found, nil
	}
	var kin []Kin
	if err := json.Unmarshal(p.Family, &kin); err != nil {
		return nil, fmt.Errorf("what was seen beside %s: %w", p.ContractID, err)
	}
	own := slices.IndexFunc(orders, func(o Order) bool { return o.Contract == p.ContractID })
	if f := split(p.Kind, orders[:own+1], kin); f != nil {
		f.Contract = p.ContractID
		found = append(found, *f)
	}
	return found, nil
}

// compare counts the findings on one payment.
func (r *Rerun) compare(p seenRow, was, is []Finding) {
	if len(was) > 0 {
		r.Flagged++
	}
	has := func(all []Finding, key string) bool {
		return slices.ContainsFunc(all, func(f Finding) bool { return f.Rule.Key == key })
	}
	differs := func(more bool, f Finding) {
		r.Contrasts = append(r.Contrasts, Contrast{p.InstitutionID, p.ContractID, more, f.warning()})
	}
	for _, f := range was {
		t := r.Rules[f.Rule.Key]
		t.Then++
		if !has(is, f.Rule.Key) {
			t.Less++
			differs(false, f)
		}
		r.Rules[f.Rule.Key] = t
	}
	for _, f := range is {
		t := r.Rules[f.Rule.Key]
		t.Proposed++
		if !has(was, f.Rule.Key) {
			t.More++
			differs(true, f)
		}
		r.Rules[f.Rule.Key] = t
	}
}

// add adds what came of other payments. Which contrasts are kept does not depend
// on the order in which they come.
func (r *Rerun) add(o Rerun) {
	r.Payments, r.Flagged = r.Payments+o.Payments, r.Flagged+o.Flagged
	for key, t := range o.Rules {
		sum := r.Rules[key]
		r.Rules[key] = Tally{sum.Then + t.Then, sum.Proposed + t.Proposed, sum.More + t.More, sum.Less + t.Less}
	}
	r.Contrasts = append(r.Contrasts, o.Contrasts...)
	slices.SortFunc(r.Contrasts, func(a, b Contrast) int {
		return cmp.Or(cmp.Compare(a.Institution, b.Institution), cmp.Compare(a.Contract, b.Contract), cmp.Compare(a.Finding.Key, b.Finding.Key))
	})
	r.Contrasts = r.Contrasts[:min(len(r.Contrasts), contrastsShown)]
}
