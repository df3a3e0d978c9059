package inspection

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// DrawTask freezes the pools of a random task and commits to a seed.
type DrawTask struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// RevealTask publishes the seed of a task's draw, and what it draws.
type RevealTask struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// RedrawTask is another person's word that a draw must be made again.
type RedrawTask struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500" description:"published with the new draw"`
}

// DrawTask freezes the pools and keeps a seed whose hash is public from now on.
// It is Refused, with the reason, when the draw could not be made.
func (s *Service) DrawTask(ctx context.Context, req DrawTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		if err := s.take(ctx, tx, t, "draw", ""); err != nil {
			return TaskView{}, err
		}
		if err := s.freeze(ctx, tx, t, nil, ""); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// RedrawTask freezes the pools anew: the round before stays, with its reason.
// Who made that round may not ask for another.
func (s *Service) RedrawTask(ctx context.Context, req RedrawTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		if err := s.take(ctx, tx, t, "redraw", req.Reason); err != nil {
			return TaskView{}, err
		}
		rounds, err := listDraws(ctx, tx, t.ID)
		if err != nil {
			return TaskView{}, err
		}
		last := rounds[len(rounds)-1]
		if c := auth.From(ctx); c.Subject == last.DrawnBy || c.Subject == last.RevealedBy {
			return TaskView{}, fault.Forbidden.Errorf("重抽须由另一人提出：上一轮由 %s 抽取、%s 公布", last.DrawnBy, last.RevealedBy)
		}
		if err := s.freeze(ctx, tx, t, &last, strings.TrimSpace(req.Reason)); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// freeze makes the next round of t's draw, after last if there is one.
func (s *Service) freeze(ctx context.Context, tx pgx.Tx, t *Task, last *Draw, reason string) error {
	f := File{
		ID: newID(), TaskID: t.ID, Round: 1, Reason: reason, Jurisdiction: t.Jurisdiction, Date: s.today(), VisitOn: t.VisitOn,
		DrawnBy: auth.From(ctx).Subject, Agencies: slices.Clone(t.Agencies), By: t.Plan.By,
	}
	if last != nil {
		f.Round, f.Replaces = last.Round+1, last.ID
	}
	names, err := s.fillPools(ctx, tx, t, &f)
	if err != nil {
		return err
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails
	f.Commit = hex.EncodeToString(sum(nonce))
	if err := f.Freeze(names, t.Plan.Sample); err != nil {
		return err
	}
	return addDraw(ctx, tx, Draw{ID: f.ID, TaskID: t.ID, Round: f.Round, Nonce: nonce, Committed: f.Commit, DrawnBy: f.DrawnBy, File: f})
}

// fillPools puts targets, officers and rules into f, and returns the strata that
// there could be.
func (s *Service) fillPools(ctx context.Context, tx pgx.Tx, t *Task, f *File) ([]string, error) {
	keys := Rules[:]
	set, err := rule.InForce(ctx, tx, t.Jurisdiction, s.today(), keys...)
	if err != nil {
		return nil, err
	}
	f.MinOfficers = int(set[ruleOfficers].Int())
	f.Rules = drawRules(set, t.Plan.By)
	var pool []Candidate
	var byID map[string]Institution
	var failedOnce map[string]bool
	// An institution's class rests on all offices' rectifications, not on those that the caller sees.
	if err := elevated(ctx, tx, "pool", func() (err error) {
		pool, byID, failedOnce, err = listPool(ctx, tx, t.Jurisdiction, t.Plan.Category)
		return err
	}); err != nil {
		return nil, err
	}
	names := []string{}
	if t.Plan.By == ByCredit {
		names = []string{"A", "B", "C", "D"}
	}
	for i := range pool {
		of := byID[pool[i].ID]
		switch t.Plan.By {
		case ByCredit:
			pool[i].Stratum = CreditOf(of.List, failedOnce[of.ID])
		case ByCategory:
			pool[i].Stratum = of.Category
		case ByNone:
			pool[i].Stratum = "all"
		}
	}
	f.Targets = pool
	officers, err := listDrawable(ctx, tx, t.Jurisdiction, t.Agencies)
	f.Officers = poolOfficers(officers, byID)
	return names, err
}

func drawRules(set rule.Set, by By) []DrawRule {
	keys := []string{ruleOfficers}
	if by == ByCredit {
		keys = append(keys, ruleRatio+"A", ruleRatio+"B", ruleRatio+"C", ruleRatio+"D")
	}
	all := []DrawRule{}
	for _, k := range keys {
		r := set[k]
		all = append(all, DrawRule{r.Key, r.Version, r.Ratio(), r.Unit, r.Jurisdiction, r.Source, r.Provenance})
	}
	return all
}

// poolOfficers is officers with what they avoid among targets.
func poolOfficers(officers []Officer, targets map[string]Institution) []PoolOfficer {
	all := []PoolOfficer{}
	for _, o := range officers {
		p := PoolOfficer{ID: o.ID, Agency: o.Agency, ValidUntil: o.ValidUntil, Avoids: []string{}}
		for _, a := range o.Conflicts {
			if _, in := targets[a.InstitutionID]; in && !slices.Contains(p.Avoids, a.InstitutionID) {
				p.Avoids = append(p.Avoids, a.InstitutionID)
			}
		}
		slices.Sort(p.Avoids)
		all = append(all, p)
	}
	return all
}

// RevealTask reveals the seed of the latest round and draws by it.
func (s *Service) RevealTask(ctx context.Context, req RevealTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		if err := s.take(ctx, tx, t, "reveal", ""); err != nil {
			return TaskView{}, err
		}
		rounds, err := listDraws(ctx, tx, t.ID)
		if err != nil {
			return TaskView{}, err
		}
		d := rounds[len(rounds)-1]
		if err := d.File.Reveal(d.Nonce); err != nil {
			return TaskView{}, err
		}
		d.RevealedBy = auth.From(ctx).Subject
		if err := saveRevealed(ctx, tx, d); err != nil {
			return TaskView{}, err
		}
		if err := s.addDrawn(ctx, tx, t, d); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// addDrawn makes targets of what was drawn.
func (s *Service) addDrawn(ctx context.Context, tx pgx.Tx, t *Task, d Draw) error {
	names := map[string]string{}
	for _, c := range d.File.Targets {
		names[c.ID] = c.Name
	}
	var ids []string
	for _, x := range d.File.Drawn {
		if err := addTarget(ctx, tx, Target{t.ID, d.Round, x.Target, names[x.Target], x.Stratum, x.Officers}); err != nil {
			return err
		}
		ids = append(ids, x.Target)
	}
	return event.Append(ctx, tx, Topic, t.ID, &inspectionv1.TargetsDrawn{
		Task: taskPB(t), DrawId: d.ID, PoolHash: d.File.TargetHash, Seed: d.File.Seed, Round: int32(d.Round), Targets: ids, //nolint:gosec // few rounds
	})
}

// GetDraw asks for a published draw.
type GetDraw struct {
	ID string `path:"id" maxLength:"64"`
}

// GetDraw shows a draw to everybody: before its seed is revealed only hashes,
// afterwards the whole file, which scripts/verifydraw replays.
func (s *Service) GetDraw(ctx context.Context, req GetDraw) (File, error) {
	return pg.InTx(pg.Worker(ctx, "inspection:draw"), s.DB, func(tx pgx.Tx) (File, error) {
		d, err := findDraw(ctx, tx, req.ID)
		if err != nil {
			return File{}, err
		}
		if d.File.Nonce == "" {
			return d.File.sealed(), nil
		}
		return d.File, nil
	})
}
