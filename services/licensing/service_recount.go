package licensing

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// recounted counts the clock again, now that the calendar of its years is known,
// and says what moved. The rule is the one that it was first counted by.
func recounted(c *day.Calendar, name, label string, cs Clocks) (moved string, err error) {
	k := cs[name]
	amount := int(rule.Rule{Value: k.Ground.Value}.Int())
	d, err := c.Due(k.From, amount, day.Unit(k.Ground.Unit))
	if err != nil {
		return "", err
	}
	was := k.Due
	k.Due, k.Provisional = d.On, d.Provisional
	cs[name] = k
	if was == d.On {
		return label + "仍为 " + d.On.String(), nil
	}
	return fmt.Sprintf("%s由 %s 改为 %s", label, was, d.On), nil
}

// recountAll recounts the provisional clocks among names that are open.
func recountAll(c *day.Calendar, cs Clocks, names [][2]string, open func(string) bool) (moved []string, grounds []fault.Ground, err error) {
	for _, n := range names {
		if k, ok := cs[n[0]]; !ok || !k.Provisional || !open(n[0]) {
			continue
		}
		text, err := recounted(c, n[0], n[1], cs)
		if err != nil {
			return nil, nil, err
		}
		moved, grounds = append(moved, text), append(grounds, cs[n[0]].Ground)
	}
	return moved, grounds, nil
}

// recountStep is the step of a case whose provisional deadlines become certain.
func recountStep[S ~string](state S) flow.Step {
	return flow.Step{From: string(state), Action: "recount", To: string(state), Label: "放假安排公布，重新计算期限", Basis: "国务院办公厅关于节假日安排的通知"}
}

// recountApplication recounts the deadlines of the application id, some of which
// ran into a year whose calendar has been published since.
func (s *Service) recountApplication(ctx context.Context, tx pgx.Tx, id string) error {
	f, err := lockFile(ctx, tx, id)
	if err != nil {
		return err
	}
	c, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	_, err = s.take(ctx, tx, &f, recountStep(f.State), func(m *move) error {
		moved, grounds, err := recountAll(c, m.Clocks, applicationDeadlines, m.open)
		m.note, m.grounds = strings.Join(moved, "；"), grounds
		for name, on := range map[string]*day.Date{"correct_by": &m.CorrectBy, "decide_by": &m.DecideBy, "notice_until": &m.NoticeUntil, "issue_by": &m.IssueBy} {
			if k, ok := m.Clocks[name]; ok {
				*on = k.Due
			}
		}
		return err
	})
	return err
}

// recountEntry does for the list entry id what recountApplication does.
func (s *Service) recountEntry(ctx context.Context, tx pgx.Tx, id string) error {
	_, e, err := lockEntry(ctx, tx, id)
	if err != nil {
		return err
	}
	c, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	moved, grounds, err := recountAll(c, e.Clocks, entryDeadlines, func(string) bool { return true })
	if err != nil {
		return err
	}
	e.StatementUntil = e.Clocks["statement_until"].Due
	if err := saveEntry(ctx, tx, &e); err != nil {
		return err
	}
	return saveAudit(ctx, tx, s.Now(), deed{
		about: "list_entry", caseID: e.ID, jurisdiction: e.Jurisdiction, manager: e.Manager,
		step: recountStep(e.State), note: strings.Join(moved, "；"), grounds: grounds,
	})
}
