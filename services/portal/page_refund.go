package portal

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// refundView is what a refund of a contract would come to, clause by clause, and what
// becomes of those that were asked for.
type refundView struct {
	Contract string // id
	Course   string
	Fields   []flow.Field // what the answer depends on
	Asked    url.Values
	Quote    fact
	Apply    *actionView
	Reason   string // typed before
	Past     []fact
}

// Chosen reports whether choice was asked for in f.
func (v refundView) Chosen(f flow.Field, choice string) bool { return v.Asked.Get(f.Name) == choice }

// Clauses is the clauses that apply, or those that do not.
func (v refundView) Clauses(apply bool) []fact {
	return slices.DeleteFunc(slices.Clone(v.Quote.At("clauses").Facts), func(c fact) bool { return (c.At("applies").Raw == "true") != apply })
}

// Shown is what of the answer stands at its head.
func (refundView) Shown() []string {
	return []string{"basis_text", "lessons", "gift_lessons", "from_institution_fen", "deducted_fen"}
}

// Said is what was asked by, besides the number of lessons.
func (v refundView) Said() []string {
	return slices.DeleteFunc(slices.Clone(priced[1:]), func(name string) bool { return v.Asked.Get(name) == "" })
}

// priced is the fields of a refund that its price depends on, in the order of the page.
var priced = []string{"lessons", "fault", "ground", "stopped_on"}

// refundPages adds /contracts/{id}/refund: what a refund would come to, which changes
// nothing, and the application for exactly that.
func (d *door) refundPages(mux *table) {
	mux.Handle("GET /contracts/{id}/refund", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.showRefund(w, r, nil, nil)
	})))
	mux.Handle("POST /contracts/{id}/refund", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.act(w, r, "escrow", func(failed error, typed url.Values) error { return d.showRefund(w, r, failed, typed) })
	})))
}

// showRefund prices the refund that the address asks for, or the form that failed.
func (d *door) showRefund(w http.ResponseWriter, r *http.Request, failed error, typed url.Values) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	at := "/v1/contracts/" + url.PathEscape(r.PathValue("id"))
	contract, err := d.ask(r.Context(), v, "escrow", at)
	if err != nil {
		return err
	}
	page := refundView{Contract: r.PathValue("id"), Course: contract.Get("course"), Asked: askedOf(r.URL.Query(), typed), Reason: typed.Get("text.reason"), Past: contract.At("refunds").Facts}
	slices.Reverse(page.Past) // the latest first
	actions := actionsOf(contract, d.filling(v, typed))
	if i := slices.IndexFunc(actions, asksRefund); i >= 0 {
		page.Apply = &actions[i]
		page.Fields = slices.DeleteFunc(slices.Clone(actions[i].Fields), func(f flow.Field) bool { return !slices.Contains(priced, f.Name) })
		page.Quote, err = d.ask(r.Context(), v, "escrow", at+"/refund-quote?"+page.Asked.Encode())
		if errors.Is(err, fault.Conflict) { // there is nothing left to give back
			page.Apply, err = nil, nil
		}
	}
	shown := view{Title: say("refund.heading"), Body: page, Done: r.URL.Query().Get("done") == "1"}
	if failed == nil {
		failed = err
	}
	code := http.StatusOK
	if failed != nil {
		d.note(r, failed)
		shown.Problem = problemOf(failed)
		code = shown.Problem.Status
	}
	d.render(w, r, code, "refund", shown)
	return nil
}

// asksRefund reports whether a applies for a refund.
func asksRefund(a actionView) bool { return path.Base(a.Href) == "refunds" }

// askedOf is what the refund's price is asked by: the address or, if a form came back,
// what that form was about.
func askedOf(query, typed url.Values) url.Values {
	asked := url.Values{}
	for _, name := range priced {
		if said := query.Get(name); said != "" {
			asked.Set(name, said)
		}
	}
	for name, values := range typed {
		if _, field, ok := strings.Cut(name, "."); ok && slices.Contains(priced, field) && values[0] != "" {
			asked.Set(field, values[0])
		}
	}
	return asked
}

// calculated makes of the form that applies for a refund the way to the page that says
// first what it would come to.
func calculated(contract string, actions []actionView) {
	for i := range actions {
		if asksRefund(actions[i]) {
			actions[i].Page = "/contracts/" + url.PathEscape(contract) + "/refund"
		}
	}
}
