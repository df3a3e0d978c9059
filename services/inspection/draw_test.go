package inspection

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

var visitDay = day.MustParse("2026-11-20")

// pool is a file with so many targets, in strata in turn, and officers of each agency.
func pool(targets int, strata []string, perAgency int, agencies ...Agency) File {
	f := File{
		ID: "draw-1", TaskID: "task-1", Round: 1, Jurisdiction: "320508", Date: day.MustParse("2026-11-18"), VisitOn: visitDay, DrawnBy: "examiner",
		Agencies: agencies, MinOfficers: 2, By: ByCategory, Rules: []DrawRule{{Key: ruleOfficers, Version: 1, Value: 2, Unit: "person", Jurisdiction: "000000"}},
		Targets: []Candidate{}, Officers: []PoolOfficer{},
	}
	for i := range targets {
		f.Targets = append(f.Targets, Candidate{ID: fmt.Sprintf("i-%03d", i), Name: fmt.Sprintf("机构%d", i), Stratum: strata[i%len(strata)]})
	}
	for _, a := range agencies {
		for i := range perAgency {
			f.Officers = append(f.Officers, PoolOfficer{ID: fmt.Sprintf("%s-%d", a, i), Agency: a, ValidUntil: day.MustParse("2027-12-31"), Avoids: []string{}})
		}
	}
	return f
}

// nonceOf is a nonce that differs for each n.
func nonceOf(n int) []byte { return sum([]byte(fmt.Sprint("nonce", n))) }

// drawn is f frozen and revealed with the nth nonce.
func drawnFile(t testing.TB, f File, names []string, total, n int) File {
	t.Helper()
	f.Commit = hex.EncodeToString(sum(nonceOf(n)))
	if err := f.Freeze(names, total); err != nil {
		t.Fatal(err)
	}
	if err := f.Reveal(nonceOf(n)); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDraw(t *testing.T) {
	t.Parallel()
	f := drawnFile(t, pool(30, []string{"culture_arts", "sport", "science_technology"}, 4, Education, Market), nil, 6, 1)
	if len(f.Drawn) != 6 {
		t.Fatalf("%d drawn, want 6", len(f.Drawn))
	}
	seen := map[string]bool{}
	for _, d := range f.Drawn {
		if seen[d.Target] {
			t.Errorf("%s drawn twice", d.Target)
		}
		seen[d.Target] = true
		if len(d.Officers) != 2 || agencyOf(f, d.Officers[0]) == agencyOf(f, d.Officers[1]) {
			t.Errorf("%s gets %v, want two officers of two agencies", d.Target, d.Officers)
		}
	}
	if wrong := Replay(f); len(wrong) > 0 {
		t.Errorf("a true draw was not replayed: %v", wrong)
	}
	if g := drawnFile(t, pool(30, []string{"culture_arts", "sport", "science_technology"}, 4, Education, Market), nil, 6, 1); g.Seal != f.Seal {
		t.Error("the same draw came out differently")
	}
	if g := drawnFile(t, pool(30, []string{"culture_arts", "sport", "science_technology"}, 4, Education, Market), nil, 6, 2); slices.EqualFunc(g.Drawn, f.Drawn, func(a, b Drawn) bool { return a.Target == b.Target }) {
		t.Error("another seed drew the same targets in the same order")
	}
}

func agencyOf(f File, id string) Agency {
	i := slices.IndexFunc(f.Officers, func(o PoolOfficer) bool { return o.ID == id })
	return f.Officers[i].Agency
}

// TestDrawRefused: what cannot be drawn says so before a seed is spent.
func TestDrawRefused(t *testing.T) {
	t.Parallel()
	all := func(f *File, change func(*PoolOfficer)) {
		for i := range f.Officers {
			change(&f.Officers[i])
		}
	}
	for _, tt := range []struct {
		name   string
		file   func() File
		sample int
		says   string
	}{
		{"empty pool", func() File { return pool(0, []string{"x"}, 3, Education, Market) }, 1, "名录库为空"},
		{"pool smaller than the sample", func() File { return pool(5, []string{"x"}, 3, Education, Market) }, 10, "仅有 5 家，少于要抽取的 10 家"},
		{"no officers at all", func() File { return pool(5, []string{"x"}, 0, Education, Market) }, 1, "名录库中没有该部门人员"},
		{"fewer officers than the group", func() File {
			f := pool(5, []string{"x"}, 1, Education, Market)
			f.MinOfficers = 3
			return f
		}, 1, "只有 2 名，每组至少 3 名"},
		{"every certificate of an agency expired", func() File {
			f := pool(5, []string{"x"}, 2, Education, Market)
			all(&f, func(o *PoolOfficer) {
				if o.Agency == Market {
					o.ValidUntil = visitDay.AddDays(-1)
				}
			})
			return f
		}, 1, "已失效 2 人"},
		{"all in conflict with one target", func() File {
			f := pool(5, []string{"x"}, 2, Education, Market)
			all(&f, func(o *PoolOfficer) { o.Avoids = []string{"i-003"} })
			return f
		}, 1, "应当回避 2 人"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.file()
			err := f.Freeze(nil, tt.sample)
			if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want a refusal that says %q", err, tt.says)
			}
		})
	}
	t.Run("a certificate is good on its last day", func(t *testing.T) {
		f := pool(3, []string{"x"}, 1, Education, Market)
		all(&f, func(o *PoolOfficer) { o.ValidUntil = visitDay })
		if err := f.Freeze(nil, 1); err != nil {
			t.Error(err)
		}
	})
}

func TestDrawStrata(t *testing.T) {
	t.Parallel()
	t.Run("credit by ratio, rounded up; empty strata draw nothing", func(t *testing.T) {
		f := pool(0, []string{"B"}, 2, Education, Market)
		f.By = ByCredit
		for i := range 101 {
			f.Targets = append(f.Targets, Candidate{ID: fmt.Sprintf("b-%03d", i), Stratum: "B"})
		}
		for i := range 4 {
			f.Targets = append(f.Targets, Candidate{ID: fmt.Sprintf("d-%03d", i), Stratum: "D"})
		}
		for k, v := range map[string]float64{"A": 0.01, "B": 0.02, "C": 0.10, "D": 0.30} {
			f.Rules = append(f.Rules, DrawRule{Key: ruleRatio + k, Value: v})
		}
		f = drawnFile(t, f, []string{"A", "B", "C", "D"}, 0, 1)
		want := []Stratum{{"A", 0, 0}, {"B", 101, 3}, {"C", 0, 0}, {"D", 4, 2}}
		if !slices.Equal(f.Strata, want) {
			t.Errorf("%v, want %v", f.Strata, want)
		}
		if len(f.Drawn) != 5 || len(Replay(f)) > 0 {
			t.Errorf("%d drawn, %v", len(f.Drawn), Replay(f))
		}
	})
	t.Run("in proportion, largest remainder", func(t *testing.T) {
		f := pool(10, []string{"x", "x", "y"}, 2, Education, Market) // 7 and 3
		f = drawnFile(t, f, nil, 5, 1)
		if want := []Stratum{{"x", 7, 4}, {"y", 3, 1}}; !slices.Equal(f.Strata, want) {
			t.Errorf("%v, want %v", f.Strata, want)
		}
	})
	t.Run("the whole pool", func(t *testing.T) {
		f := drawnFile(t, pool(7, []string{"x", "y"}, 1, Education, Market), nil, 7, 3)
		if len(f.Drawn) != 7 {
			t.Errorf("%d drawn", len(f.Drawn))
		}
	})
}

func TestDrawExclusions(t *testing.T) {
	t.Parallel()
	f := pool(3, []string{"x"}, 3, Education, Market)
	f.Officers[0].ValidUntil = visitDay.AddDays(-1)
	f.Officers[1].Avoids = []string{"i-001"}
	f = drawnFile(t, f, nil, 3, 1)
	want := []Exclusion{{"education-0", "", Expired}, {"education-1", "i-001", Conflict}}
	if !slices.Equal(f.Excluded, want) {
		t.Errorf("%v, want %v", f.Excluded, want)
	}
	for _, d := range f.Drawn {
		if slices.Contains(d.Officers, "education-0") || d.Target == "i-001" && slices.Contains(d.Officers, "education-1") {
			t.Errorf("%v draws an excluded officer", d)
		}
	}
}

// TestDrawSpreads: with as many officers as targets nobody goes twice while
// another of the agency stays at home.
func TestDrawSpreads(t *testing.T) {
	t.Parallel()
	f := drawnFile(t, pool(6, []string{"x"}, 3, Education, Fire), nil, 6, 1)
	load := map[string]int{}
	for _, d := range f.Drawn {
		for _, o := range d.Officers {
			load[o]++
		}
	}
	for o, n := range load {
		if n != 2 {
			t.Errorf("%s goes %d times, want 2", o, n)
		}
	}
}

// TestDrawUniform: over 10,000 seeds each of 20 targets, and each officer of an
// agency, comes up as often as chance would have it. The bound is the 99.9 %
// quantile of chi-square with 19 and 3 degrees of freedom.
func TestDrawUniform(t *testing.T) {
	t.Parallel()
	const draws, sample = 10_000, 5
	f := pool(20, []string{"x"}, 4, Education, Market)
	if err := f.Freeze(nil, sample); err != nil {
		t.Fatal(err)
	}
	targets, officers, pairs := map[string]int{}, map[string]int{}, map[string]int{}
	for n := range draws {
		g := f
		g.Commit = hex.EncodeToString(sum(nonceOf(n)))
		if err := g.Reveal(nonceOf(n)); err != nil {
			t.Fatal(err)
		}
		for _, d := range g.Drawn {
			targets[d.Target]++
		}
		officers[g.Drawn[0].Officers[0]]++
		pairs[g.Drawn[0].Target]++
	}
	for _, tt := range []struct {
		what  string
		seen  map[string]int
		total float64
		share float64 // how much of an independent count the variance is, for draws without replacement
		bound float64
	}{
		{"targets", targets, draws * sample, 1 - (sample-1)/19.0, 43.82},
		{"the first target", pairs, draws, 1, 43.82},
		{"the first officer of education", officers, draws, 1, 16.27},
	} {
		chi := 0.0
		k := float64(len(tt.seen))
		for _, n := range tt.seen {
			chi += math.Pow(float64(n)-tt.total/k, 2) / (tt.total / k)
		}
		chi /= tt.share
		t.Logf("%s: chi-square %.2f with %d degrees of freedom over %d draws (99.9%% bound %.2f)", tt.what, chi, len(tt.seen)-1, draws, tt.bound)
		if chi > tt.bound {
			t.Errorf("%s are not uniform", tt.what)
		}
	}
}

// TestReplayNotices: a change of any single value of a published file is seen.
func TestReplayNotices(t *testing.T) {
	t.Parallel()
	f := pool(12, []string{"x", "y"}, 3, Education, Market)
	f.Officers[0].ValidUntil = visitDay.AddDays(-1)
	f.Officers[1].Avoids = []string{"i-001", "i-002"}
	f.Round, f.Replaces, f.Reason = 2, "draw-0", "抽中人员因病不能出勤"
	f = drawnFile(t, f, nil, 12, 1)
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	places := 0
	mutate(doc, "", func(at string) {
		places++
		changed, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		g, err := ReadFile(changed)
		if err == nil && len(Replay(g)) == 0 {
			t.Errorf("a change of %s went unnoticed", at)
		}
	})
	t.Logf("%d single changes, each noticed", places)
	if places < 100 {
		t.Errorf("only %d places were changed", places)
	}
}

// mutate changes one value after the other, calls see, and changes it back.
func mutate(v any, at string, see func(string)) {
	with := func(old any, at string, set func(any)) {
		var other any
		switch old := old.(type) {
		case string:
			other = old + "0"
			if len(old) == 10 && old[4] == '-' {
				other = old[:9] + string('0'+(old[9]-'0'+1)%10)
			}
		case float64:
			other = old + 1
		case []any:
			other = []any{}
			if len(old) == 0 {
				other = nil
			}
		default:
			mutate(old, at, see)
			return
		}
		set(other)
		see(at)
		set(old)
		mutate(old, at, see)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, old := range v {
			with(old, at+"/"+k, func(x any) { v[k] = x })
		}
	case []any:
		for i, old := range v {
			with(old, fmt.Sprint(at, "/", i), func(x any) { v[i] = x })
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	f := drawnFile(t, pool(5, []string{"x"}, 2, Education, Market), nil, 2, 1)
	twice := f
	twice.Targets = append(slices.Clone(f.Targets), f.Targets[0])
	early := f
	early.Nonce = ""
	for name, tt := range map[string]struct {
		f    File
		says string
	}{
		"another algorithm": {func() File { g := f; g.Algorithm = "dice"; return g }(), "未知的算法"},
		"not revealed":      {early, "尚未公布"},
		"a target twice":    {twice, "重复"},
		"no file at all":    {File{}, "未知的算法"},
	} {
		if wrong := Replay(tt.f); len(wrong) == 0 || !strings.Contains(strings.Join(wrong, ""), tt.says) {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	if err := f.Reveal(nonceOf(2)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another seed than the one committed to: %v", err)
	}
	if s := f.sealed(); len(s.Targets)+len(s.Officers)+len(s.Drawn)+len(s.Strata) > 0 || s.FrozenHash == "" {
		t.Errorf("a sealed file shows %+v", s)
	}
}

// FuzzReadFile: whatever comes, reading and replaying ends without a panic, and
// what passes for true replays to itself.
func FuzzReadFile(f *testing.F) {
	good, err := json.Marshal(drawnFile(f, pool(6, []string{"x", "y"}, 2, Education, Market), nil, 3, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"algorithm":"xunguan-draw-1","nonce":"` + strings.Repeat("00", 32) + `","min_officers":-5,"by":"credit","rules":[{"key":"inspect.ratio.x","value":1e300}],"targets":[{"id":"a","stratum":"x"}]}`))
	f.Add(bytes.Replace(good, []byte(`"sample":2`), []byte(`"sample":-2`), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := ReadFile(raw)
		if err != nil {
			return
		}
		if wrong := Replay(file); len(wrong) > 0 {
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if g, err := ReadFile(again); err != nil || len(Replay(g)) > 0 {
			t.Errorf("a true draw is none after it was written again: %v", err)
		}
	})
}
