package inspection

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// Algorithm names how a draw is made; a file says which it was made by:
//
//  1. seed = SHA-256(task id ‖ nonce ‖ date of the draw), the ids as text, the
//     nonce as 32 bytes, the date as YYYY-MM-DD;
//  2. words = ChaCha8 of that seed (Go math/rand/v2, C2SP chacha8rand), and a
//     number below n = the high 64 bits of word × n: no rejection, so no loop;
//  3. of each stratum, in order of name, the targets in order of id: the first
//     steps of a Fisher–Yates shuffle, as many as the stratum's sample;
//  4. for each drawn target in that order, first one officer of each agency in
//     order of name, then whoever is missing to the least number: out of those
//     that may go there, least burdened by this draw, in order of id, one by a
//     number of step 2.
const Algorithm = "xunguan-draw-1"

// By is what the strata of a draw are.
type By string

// The ways to make strata.
const (
	ByCredit   By = "credit"
	ByCategory By = "category"
	ByNone     By = "none"
)

// Enum lists the ways for the published document.
func (By) Enum() []any { return []any{ByCredit, ByCategory, ByNone} }

// Why an officer does not go somewhere. They are categories, because a draw is
// public and what lies behind them is not.
const (
	Expired  = "certificate_expired" // 执法证件在检查日已失效
	Conflict = "conflict"            // 与该机构有利害关系，回避
)

// File is a draw as it is published. Until the nonce is revealed it has only
// what was frozen, and of that the public sees the hashes alone.
type File struct {
	Algorithm    string        `json:"algorithm"`
	ID           string        `json:"id"`
	TaskID       string        `json:"task_id"`
	Round        int           `json:"round"`
	Replaces     string        `json:"replaces" description:"the draw that this one replaced"`
	Reason       string        `json:"reason" description:"of the redraw"`
	Jurisdiction string        `json:"jurisdiction"`
	Date         day.Date      `json:"date" description:"of the draw"`
	VisitOn      day.Date      `json:"visit_on"`
	DrawnBy      string        `json:"drawn_by"`
	Agencies     []Agency      `json:"agencies"`
	MinOfficers  int           `json:"min_officers"`
	By           By            `json:"by"`
	Rules        []DrawRule    `json:"rules"`
	Strata       []Stratum     `json:"strata"`
	Targets      []Candidate   `json:"targets"`
	Officers     []PoolOfficer `json:"officers"`
	TargetHash   string        `json:"target_hash"`
	OfficerHash  string        `json:"officer_hash"`
	FrozenHash   string        `json:"frozen_hash" description:"of all the above"`
	Commit       string        `json:"commit" description:"SHA-256 of the nonce, published before it"`
	Nonce        string        `json:"nonce" description:"32 bytes in hex; empty until revealed"`
	Seed         string        `json:"seed"`
	Drawn        []Drawn       `json:"drawn"`
	Excluded     []Exclusion   `json:"excluded"`
	Seal         string        `json:"seal" description:"of the whole file"`
}

// DrawRule is a number of the rulebook that the draw rests on.
type DrawRule struct {
	Key          string  `json:"key"`
	Version      int     `json:"version"`
	Value        float64 `json:"value"`
	Unit         string  `json:"unit"`
	Jurisdiction string  `json:"jurisdiction"`
	Source       string  `json:"source"`
	Provenance   string  `json:"provenance"`
}

// Stratum is a part of the pool and how many are drawn of it.
type Stratum struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	Sample int    `json:"sample"`
}

// Candidate is a target in the pool.
type Candidate struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Stratum string `json:"stratum"`
}

// PoolOfficer is an officer in the pool, as the library had it.
type PoolOfficer struct {
	ID         string   `json:"id"`
	Agency     Agency   `json:"agency"`
	ValidUntil day.Date `json:"valid_until"`
	Avoids     []string `json:"avoids" description:"targets of the pool with a conflict of interest"`
}

// Drawn is one target and who goes there.
type Drawn struct {
	Target   string   `json:"target"`
	Stratum  string   `json:"stratum"`
	Officers []string `json:"officers"`
}

// Exclusion is why an officer could not be drawn: for one target, or, without
// one, at all.
type Exclusion struct {
	Officer string `json:"officer"`
	Target  string `json:"target"`
	Reason  string `json:"reason"`
}

// CreditOf is an institution's credit class, which decides how often it is drawn:
// D on the black list, A on the white list, C after a failed rectification, else B.
func CreditOf(list string, failed bool) string {
	switch {
	case list == "BLACK":
		return "D"
	case failed:
		return "C"
	case list == "WHITE":
		return "A"
	}
	return "B"
}

// Sizes gives each stratum of f its sample: by credit the rules' ratios, rounded
// up; else total, shared out in proportion (largest remainder, then by name). It
// is Refused if the pool is empty or smaller than the sample.
func (f *File) Sizes(total int) error {
	if len(f.Targets) == 0 {
		return fault.Refused.Errorf("抽查对象名录库为空：%s内没有符合条件的机构，无法抽取", f.Jurisdiction)
	}
	if f.By == ByCredit {
		return f.sizesByRatio()
	}
	if total > len(f.Targets) {
		return fault.Refused.Errorf("抽查对象名录库仅有 %d 家，少于要抽取的 %d 家", len(f.Targets), total)
	}
	given := 0
	rest := make([]int, len(f.Strata))
	for i := range f.Strata {
		share := total * f.Strata[i].Size
		f.Strata[i].Sample, rest[i] = share/len(f.Targets), share%len(f.Targets)
		given += f.Strata[i].Sample
	}
	for ; given < total; given++ {
		i := slices.Index(rest, slices.Max(rest))
		f.Strata[i].Sample++
		rest[i] = -1
	}
	return nil
}

func (f *File) sizesByRatio() error {
	for i := range f.Strata {
		s := &f.Strata[i]
		j := slices.IndexFunc(f.Rules, func(r DrawRule) bool { return r.Key == ruleRatio+s.Name })
		if j < 0 {
			return fault.Refused.Errorf("没有信用等级 %s 的抽查比例", s.Name)
		}
		share := math.Ceil(f.Rules[j].Value * float64(s.Size))
		s.Sample = int(max(0, min(share, float64(s.Size))))
	}
	return nil
}

// Freeze sorts the pools, fills in their hashes and says, before anything is
// drawn, why it could not be done: for every target in the pool a group of
// officers must be possible. total is how many are drawn where no ratio says it.
func (f *File) Freeze(names []string, total int) error {
	f.Algorithm = Algorithm
	slices.SortFunc(f.Targets, func(a, b Candidate) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Officers, func(a, b PoolOfficer) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(f.Agencies)
	f.strata(names)
	if err := f.Sizes(total); err != nil {
		return err
	}
	if err := f.staffed(); err != nil {
		return err
	}
	f.TargetHash, f.OfficerHash = hash(f.Targets), hash(f.Officers)
	f.FrozenHash = f.frozenHash()
	return nil
}

// strata lists names, also the empty ones, and what else the pool has.
func (f *File) strata(names []string) {
	size := map[string]int{}
	for _, n := range names {
		size[n] = 0
	}
	for _, t := range f.Targets {
		size[t.Stratum]++
	}
	f.Strata = f.Strata[:0]
	for name, n := range size {
		f.Strata = append(f.Strata, Stratum{Name: name, Size: n})
	}
	slices.SortFunc(f.Strata, func(a, b Stratum) int { return strings.Compare(a.Name, b.Name) })
}

// staffed returns Refused if some target could not be given its officers.
func (f *File) staffed() error {
	for _, t := range f.Targets {
		may := f.eligible(t.ID)
		for _, a := range f.Agencies {
			if !slices.ContainsFunc(may, func(o PoolOfficer) bool { return o.Agency == a }) {
				return fault.Refused.Errorf("%s（%s）没有可派的%s执法人员：%s", t.Name, t.ID, a.Name(), f.whyNone(a, t.ID))
			}
		}
		if need := max(f.MinOfficers, len(f.Agencies)); len(may) < need {
			return fault.Refused.Errorf("%s（%s）可派的执法人员只有 %d 名，每组至少 %d 名", t.Name, t.ID, len(may), need)
		}
	}
	return nil
}

// whyNone says why nobody of agency a can go to target.
func (f *File) whyNone(a Agency, target string) string {
	of, expired, conflict := 0, 0, 0
	for _, o := range f.Officers {
		if o.Agency != a {
			continue
		}
		of++
		switch o.barred(f.VisitOn, target) {
		case Expired:
			expired++
		case Conflict:
			conflict++
		}
	}
	if of == 0 {
		return "名录库中没有该部门人员"
	}
	return fmt.Sprintf("名录库中 %d 人，其中证件在 %s 已失效 %d 人，应当回避 %d 人", of, f.VisitOn, expired, conflict)
}

// barred is why o cannot go to target on a day; "" if it can.
func (o PoolOfficer) barred(on day.Date, target string) string {
	switch {
	case on.After(o.ValidUntil):
		return Expired
	case slices.Contains(o.Avoids, target):
		return Conflict
	}
	return ""
}

// eligible is who may go to target, in order of id.
func (f *File) eligible(target string) []PoolOfficer {
	var may []PoolOfficer
	for _, o := range f.Officers {
		if o.barred(f.VisitOn, target) == "" && slices.Contains(f.Agencies, o.Agency) {
			may = append(may, o)
		}
	}
	return may
}

// Reveal draws: it fills in what follows from the nonce. It cannot fail on what
// Freeze has passed.
func (f *File) Reveal(nonce []byte) error {
	if hex.EncodeToString(sum(nonce)) != f.Commit {
		return fault.Conflict.Errorf("种子与事先公布的承诺不符")
	}
	f.Nonce = hex.EncodeToString(nonce)
	seed := sum([]byte(f.TaskID), nonce, []byte(f.Date.String()))
	f.Seed = hex.EncodeToString(seed)
	r := &words{rand.NewChaCha8([32]byte(seed))}
	f.Drawn = f.drawTargets(r)
	f.Excluded = f.exclusions()
	if err := f.drawOfficers(r); err != nil {
		return err
	}
	f.Seal = f.seal()
	return nil
}

// words is a stream of random words.
type words struct{ *rand.ChaCha8 }

// below returns a number in [0, n) from one word; how far from uniform is at
// most n/2⁶⁴.
func (w *words) below(n int) int {
	hi, _ := bits.Mul64(w.Uint64(), uint64(n)) //nolint:gosec // n is a length
	return int(hi)                             //nolint:gosec // below n
}

// pick moves k elements, drawn at random, to the front of list and returns them.
func pick[T any](r *words, list []T, k int) []T {
	for i := range k {
		j := i + r.below(len(list)-i)
		list[i], list[j] = list[j], list[i]
	}
	return list[:k]
}

func (f *File) drawTargets(r *words) []Drawn {
	all := []Drawn{}
	for _, s := range f.Strata {
		var pool []string
		for _, t := range f.Targets {
			if t.Stratum == s.Name {
				pool = append(pool, t.ID)
			}
		}
		for _, id := range pick(r, pool, min(s.Sample, len(pool))) {
			all = append(all, Drawn{Target: id, Stratum: s.Name})
		}
	}
	return all
}

func (f *File) drawOfficers(r *words) error {
	load := map[string]int{}
	for i := range f.Drawn {
		d := &f.Drawn[i]
		d.Officers = []string{}
		may := f.eligible(d.Target)
		one := func(fits func(PoolOfficer) bool) error {
			o, err := lightest(r, may, load, fits)
			if err != nil {
				return fault.Refused.Errorf("%s 的检查组凑不齐：%v", d.Target, err)
			}
			load[o.ID]++
			d.Officers = append(d.Officers, o.ID)
			may = slices.DeleteFunc(may, func(p PoolOfficer) bool { return p.ID == o.ID })
			return nil
		}
		for _, a := range f.Agencies {
			if err := one(func(o PoolOfficer) bool { return o.Agency == a }); err != nil {
				return err
			}
		}
		for len(d.Officers) < f.MinOfficers {
			if err := one(func(PoolOfficer) bool { return true }); err != nil {
				return err
			}
		}
	}
	return nil
}

// lightest draws one of those that fit and have the least to do.
func lightest(r *words, may []PoolOfficer, load map[string]int, fits func(PoolOfficer) bool) (PoolOfficer, error) {
	var best []PoolOfficer
	for _, o := range may {
		switch {
		case !fits(o):
		case len(best) == 0 || load[o.ID] < load[best[0].ID]:
			best = []PoolOfficer{o}
		case load[o.ID] == load[best[0].ID]:
			best = append(best, o)
		}
	}
	if len(best) == 0 {
		return PoolOfficer{}, fault.Refused.Errorf("没有可派人员")
	}
	return best[r.below(len(best))], nil
}

// exclusions lists who could not be drawn, for the targets that were.
func (f *File) exclusions() []Exclusion {
	all := []Exclusion{}
	for _, o := range f.Officers {
		if f.VisitOn.After(o.ValidUntil) {
			all = append(all, Exclusion{Officer: o.ID, Reason: Expired})
			continue
		}
		for _, d := range f.Drawn {
			if slices.Contains(o.Avoids, d.Target) {
				all = append(all, Exclusion{o.ID, d.Target, Conflict})
			}
		}
	}
	return all
}
