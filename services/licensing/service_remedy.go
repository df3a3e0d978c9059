package licensing

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/rule"
	licensingv1 "xunguan/proto/licensing/v1"
)

// StateCase is what an institution says against a proposed black list entry.
type StateCase struct {
	once.Key
	ID   string `path:"id" format:"uuid"`
	Text string `json:"text" minLength:"2" maxLength:"4000" description:"only the institution and the deciding office's own agency read it"`
}

// StateCase keeps what the institution states, once and until the last day of the
// statement: Refused after it.
func (s *Service) StateCase(ctx context.Context, req StateCase) (ListEntry, error) {
	text, err := said("text", req.Text)
	if err != nil {
		return ListEntry{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		_, e, err := lockEntry(ctx, tx, req.ID)
		if err != nil {
			return e, err
		}
		step, err := step(ListEntries, entryStateNames, e.State, "statement", auth.From(ctx))
		if err != nil {
			return e, err
		}
		if err := e.MayState(s.today()); err != nil {
			return e, err
		}
		e.Statement, e.StatedOn = text, s.today()
		if err := saveEntry(ctx, tx, &e); err != nil {
			return e, err
		}
		return e, s.note(ctx, tx, &e, step, "已提交陈述、申辩意见，附卷供决定人审阅", nil)
	})
}

// said is text without blanks around it: Invalid, at the field name, if nothing is left.
func said(name, text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fault.Fields(fault.Field{Pointer: "/" + name, Detail: "不能为空白"})
	}
	return text, nil
}

// SetAsideListEntry sets aside the decision of an entry that is in force, for
// example after reconsideration (行政复议).
type SetAsideListEntry struct {
	once.Key
	ID       string `path:"id" format:"uuid"`
	Reason   string `json:"reason" minLength:"2" maxLength:"500"`
	Document string `json:"document" minLength:"2" maxLength:"200" description:"by which it is set aside, for example 行政复议决定书 with its number"`
}

// SetAsideListEntry ends an entry as if it had not been decided: Forbidden for who
// decided it and for other offices than its own and those above, Conflict if it is
// not in force. The white list entry that it had ended comes back, see giveBack.
func (s *Service) SetAsideListEntry(ctx context.Context, req SetAsideListEntry) (ListEntry, error) {
	reason, err := said("reason", req.Reason)
	if err != nil {
		return ListEntry{}, err
	}
	document, err := said("document", req.Document)
	if err != nil {
		return ListEntry{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		i, e, err := lockEntry(ctx, tx, req.ID)
		if err != nil {
			return e, err
		}
		c := auth.From(ctx)
		step, err := step(ListEntries, entryStateNames, e.State, "set_aside", c)
		if err != nil {
			return e, err
		}
		if err := e.MaySetAside(c); err != nil {
			return e, err
		}
		e.SetAside, e.SetAsideWho, e.SetAsideBy, e.Document = true, c.Subject, officeOf(c), document
		back, comesBack, err := s.mayComeBack(ctx, tx, &i, &e)
		if err != nil {
			return e, err
		}
		if err := s.takeOff(ctx, tx, &i, &e, step, s.today(), sentences(reason, "文书："+document, comesBack)); err != nil || back == nil {
			return e, err
		}
		return e, s.giveBack(ctx, tx, &i, back)
	})
}

// mayComeBack is the white list entry that e had ended, nil if there is none or if
// it would not be in force today without e; and that in words. A black list entry
// that a white one had ended does not come back: it would need to be proposed, and
// answered, anew.
func (s *Service) mayComeBack(ctx context.Context, tx pgx.Tx, i *Institution, e *ListEntry) (*ListEntry, string, error) {
	old, err := endedBy(ctx, tx, e.ID)
	if err != nil || old == nil {
		return nil, "", err
	}
	rules, err := rule.InForce(ctx, tx, i.Jurisdiction, s.today(), ruleWhiteTerm)
	if err != nil {
		return nil, "", err
	}
	if s.today().After(old.Until) {
		return nil, fmt.Sprintf("原白名单列入已于 %s 届满，不恢复", old.Until), nil
	}
	if _, err := i.MayBeWhite(rules[ruleWhiteTerm], ""); err != nil {
		return nil, "原白名单列入不恢复：" + err.Error(), nil //nolint:nilerr // said in words
	}
	return old, fmt.Sprintf("原白名单列入恢复，至 %s", old.Until), nil
}

// giveBack puts old, a white list entry of i, in force again for the rest of its term.
func (s *Service) giveBack(ctx context.Context, tx pgx.Tx, i *Institution, old *ListEntry) error {
	step, err := own(ListEntries, string(old.State), "restore")
	if err != nil {
		return err
	}
	old.State, old.RemovedOn, old.Reason, old.SupersededBy = EntryState(step.To), day.Date{}, "", ""
	if err := saveEntry(ctx, tx, old); err != nil {
		return err
	}
	return s.note(ctx, tx, old, step, step.Label, &licensingv1.ListEntryPublished{Entry: entryPB(old), Institution: institutionPB(i, old)})
}
