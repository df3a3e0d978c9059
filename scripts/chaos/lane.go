package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// people are who writes, and what they know of the suite before it begins.
type people struct {
	principal, principal2, parent, parent2            *person
	examiner, examiner2, market, intake, city, public *person
	teller                                            *person // the bank's system

	today  string // the legal date
	school string // principal's institution, with an account
	signed string // an institution to tip off
	listed []listed
	items  map[string]string // the first check item of each agency

	custody account // of school
}

// listed is an institution of principal2's that somebody has proposed to black-list.
type listed struct{ institution, entry string }

// lane is one writer: it plays one case after the other, to its end.
type lane struct {
	name string
	j    *journal
	who  *people
	dice *rand.Rand
	n    int // cases begun
}

// mark is a name for the lane's next case that nothing else has.
func (l *lane) mark() string {
	l.n++
	return fmt.Sprintf("chaos-%s-%d", l.name, l.n)
}

// lanes run until stop; what is under way then is finished within life. Their
// marks begin with prefix; those named without stay away.
func lanes(stop, life context.Context, j *journal, who *people, seed uint64, prefix string, without ...string) error {
	var g errgroup.Group
	play := map[string]func(*lane, context.Context) error{
		"money1": (*lane).money, "money2": (*lane).money, "money3": (*lane).money, "money4": (*lane).money,
		"tip1": (*lane).tip, "tip2": (*lane).tip, "tip3": (*lane).tip,
		"import": (*lane).file, "sweep": (*lane).sweep, "hold": (*lane).hold,
		"bank": (*lane).bank, "wind": (*lane).wind,
	}
	for name, cycle := range play {
		if slices.Contains(without, name) {
			continue
		}
		seed++
		l := &lane{name: prefix + name, j: j, who: who, dice: rand.New(rand.NewPCG(seed, 3))} //nolint:gosec // repeatable
		g.Go(func() error {
			for stop.Err() == nil && life.Err() == nil {
				err := cycle(l, life)
				if errors.Is(err, errDone) {
					return nil
				}
				if err != nil && !errors.Is(err, errGivenUp) {
					return fmt.Errorf("%s: %w", l.name, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// errDone says that a lane has no more cases.
var errDone = errors.New("done")

// meet logs everybody in and prepares what the lanes need: once on a suite that
// is whole, before any fault. If fresh, the black-list entries are proposed and
// the days for the institutions' word pass.
func meet(ctx context.Context, s *suite, fresh bool) (*people, error) {
	who := &people{public: stranger(s.door(publicPort))}
	for _, p := range []struct {
		name string
		at   int
		to   **person
	}{
		{"principal", staffPort, &who.principal},
		{"principal2", staffPort, &who.principal2},
		{"parent", publicPort, &who.parent},
		{"parent2", publicPort, &who.parent2},
		{"examiner", staffPort, &who.examiner},
		{"examiner2", staffPort, &who.examiner2},
		{"market", staffPort, &who.market},
		{"intake", staffPort, &who.intake},
		{"city", staffPort, &who.city},
		{"bank", staffPort, &who.teller},
	} {
		var err error
		if *p.to, err = login(ctx, p.name, s.door(p.at)); err != nil {
			return nil, err
		}
	}
	if err := who.know(ctx, fresh); err != nil {
		return nil, err
	}
	var clock struct{ Now time.Time }
	if err := who.trial(ctx, http.MethodGet, "", &clock); err != nil {
		return nil, err
	}
	who.today = clock.Now.In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateOnly)
	return who, nil
}

// know learns the institutions, and proposes the entries if fresh.
func (who *people) know(ctx context.Context, fresh bool) error {
	mine, err := who.schools(ctx, who.principal)
	if err != nil {
		return err
	}
	who.school, who.signed = mine[0], mine[1%len(mine)]
	if err := who.banked(ctx); err != nil {
		return err
	}
	theirs, err := who.schools(ctx, who.principal2)
	if err != nil {
		return err
	}
	until := ""
	for _, institution := range theirs {
		if !fresh {
			break
		}
		var e struct {
			ID    string
			Until string `json:"statement_until"`
		}
		if err := who.once(ctx, who.examiner, "licensing/v1/list-entries", map[string]any{
			"institution": institution, "list": "BLACK", "facts": "混沌演练：超期预收费", "basis": "演练",
		}, &e); err != nil {
			return err
		}
		until = e.Until
	}
	if fresh {
		if err := who.trial(ctx, http.MethodPost, until, nil); err != nil {
			return err
		}
	}
	return who.proposed(ctx, theirs)
}

// schools are the institutions of a principal that have an account: such as may
// take money.
func (who *people) schools(ctx context.Context, p *person) (ids []string, err error) {
	var page struct{ Items []struct{ ID string } }
	if err := p.get(ctx, "licensing/v1/institutions?status=ACTIVE").into(&page); err != nil {
		return nil, err
	}
	for _, i := range page.Items {
		if p.get(ctx, "escrow/v1/accounts/"+i.ID).status == http.StatusOK {
			ids = append(ids, i.ID)
		}
	}
	if len(ids) == 0 {
		err = errors.New("the demo data have no institution with an account")
	}
	return ids, err
}

// proposed learns which entries wait for a decision, and the check items.
func (who *people) proposed(ctx context.Context, institutions []string) error {
	var entries struct {
		Items []struct {
			ID            string
			InstitutionID string `json:"institution_id"`
			List          string
		}
	}
	if err := who.examiner.get(ctx, "licensing/v1/list-entries?state=PROPOSED").into(&entries); err != nil {
		return err
	}
	for _, e := range entries.Items {
		for _, i := range institutions {
			if e.InstitutionID == i && e.List == "BLACK" {
				who.listed = append(who.listed, listed{i, e.ID})
			}
		}
	}
	var items struct {
		Items []struct{ Code, Agency string }
	}
	if err := who.public.get(ctx, "inspection/v1/items").into(&items); err != nil {
		return err
	}
	who.items = map[string]string{}
	for _, i := range items.Items {
		if who.items[i.Agency] == "" {
			who.items[i.Agency] = i.Code
		}
	}
	return nil
}

// once posts, for preparation: on a suite that is whole.
func (who *people) once(ctx context.Context, p *person, url string, body, into any) error {
	said, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return p.send(ctx, http.MethodPost, url, fmt.Sprint("chaos-", time.Now().UnixNano()), "application/json", said).into(into)
}

// trial asks for the legal clock, or moves it to the morning after a day.
func (who *people) trial(ctx context.Context, method, day string, into any) error {
	body := ""
	if day != "" {
		d, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return err
		}
		body = `{"to":"` + d.AddDate(0, 0, 1).Format(time.DateOnly) + `T09:00:00+08:00"}`
	}
	r, err := http.NewRequestWithContext(ctx, method, who.examiner.door+"/trial/clock", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	patient := http.Client{Timeout: 2 * time.Minute}
	resp, err := patient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("trial clock: %s", resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// eventually asks until ok; false if it does not come before ctx ends or in two minutes.
func eventually(ctx context.Context, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !ok() {
		pause(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}
