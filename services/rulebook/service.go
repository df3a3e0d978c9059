package rulebook

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the rulebook's schema.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

const nation = division.Nation

// Service is the rulebook's use cases. Each is one transaction.
type Service struct {
	DB  *pgxpool.Pool
	Now func() time.Time // legal time
}

func (s *Service) today() day.Date { return day.Of(s.Now()) }

// EnactRule is a city's decision of a parameter's value at a place from a day on.
type EnactRule struct {
	once.Key
	RuleKey       string          `json:"key" minLength:"3" maxLength:"64" description:"one of GET /v1/parameters"`
	Value         json.RawMessage `json:"value" description:"as its unit asks: a number, or a word or list where the parameter names them"`
	Unit          string          `json:"unit" minLength:"1" maxLength:"20"`
	Jurisdiction  string          `json:"jurisdiction" pattern:"^[0-9]{6}$" description:"the caller's own division or one below it"`
	EffectiveFrom day.Date        `json:"effective_from" description:"today or later"`
	Source        string          `json:"source" minLength:"4" maxLength:"500" description:"document and clause"`
	Provenance    string          `json:"provenance,omitempty" enum:"V,P,S,L,memory,D" description:"L if left out"`
	Reason        string          `json:"reason" minLength:"2" maxLength:"500" description:"why; kept in the audit"`
}

func (q EnactRule) rule() Rule {
	r := Rule{
		Key: q.RuleKey, Value: q.Value, Unit: q.Unit, Jurisdiction: q.Jurisdiction, EffectiveFrom: q.EffectiveFrom,
		Source: strings.TrimSpace(q.Source), Provenance: q.Provenance,
	}
	if r.Provenance == "" {
		r.Provenance = "L"
	}
	return r
}

// check returns Invalid if a field is wrong, Forbidden if the place is not c's,
// Refused if the change begins before today.
func (q EnactRule) check(c auth.Caller, today day.Date) error {
	p, ok := parameters[q.RuleKey]
	if !ok {
		return wrong("/key", "没有名为 %s 的参数", q.RuleKey)
	}
	if err := known("/jurisdiction", q.Jurisdiction); err != nil {
		return err
	}
	if err := mayRule(c, q.Jurisdiction); err != nil {
		return err
	}
	if err := p.Fits(q.Unit, q.Value); err != nil {
		return err
	}
	if err := said("/source", q.Source, "/reason", q.Reason); err != nil {
		return err
	}
	if q.EffectiveFrom.Year() > lastYear {
		return wrong("/effective_from", "不得晚于 %d 年", lastYear)
	}
	return notPast("生效日", q.EffectiveFrom, today)
}

// lastYear keeps dates within what JSON and SQL can say, after any period.
const lastYear = 2999

// said returns Invalid if one of the texts, each after its pointer, is blank.
func said(pairs ...string) error {
	for p := range slices.Chunk(pairs, 2) {
		if strings.TrimSpace(p[1]) == "" {
			return wrong(p[0], "不能为空白")
		}
	}
	return nil
}

// EnactRule adds a version that replaces, from its day on, what the place has for
// the key. It returns Forbidden for a place that is not the caller's, and Refused
// for a day gone by.
func (s *Service) EnactRule(ctx context.Context, req EnactRule) (Rule, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Rule, error) {
		if err := req.check(auth.From(ctx), s.today()); err != nil {
			return Rule{}, err
		}
		series, err := lockSeries(ctx, tx, req.RuleKey, req.Jurisdiction)
		if err != nil {
			return Rule{}, err
		}
		return s.enact(ctx, tx, series, req.rule(), req.Reason)
	})
}

// enact adds r to series, which is locked.
func (s *Service) enact(ctx context.Context, tx pgx.Tx, series int, r Rule, reason string) (Rule, error) {
	if _, err := endFrom(ctx, tx, series, r.EffectiveFrom); err != nil {
		return Rule{}, err
	}
	version, err := saveRule(ctx, tx, series, r)
	if err != nil {
		return Rule{}, err
	}
	r.Version = version
	if err := record(ctx, tx, s.today(), entry{"enact", r.Key, r.Jurisdiction, r.Version, reason}); err != nil {
		return Rule{}, err
	}
	return r, tellEnacted(ctx, tx, r)
}

// RepealRule is a city's decision that a parameter has no value of its own at a
// place any more, so that the one of the place above applies.
type RepealRule struct {
	once.Key
	RuleKey      string   `path:"key" maxLength:"64"`
	Jurisdiction string   `json:"jurisdiction" pattern:"^[0-9]{6}$" description:"the caller's own division or one below it"`
	From         day.Date `json:"from" description:"the first day without it: today or later"`
	Reason       string   `json:"reason" minLength:"2" maxLength:"500" description:"why; kept in the audit"`
}

// Rules is a list of rules.
type Rules struct {
	Rules []Rule `json:"rules"`
}

// RepealRule ends what the place has for the key, and what it would have later.
// It returns NotFound if there is nothing of the kind.
func (s *Service) RepealRule(ctx context.Context, req RepealRule) (Rules, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Rules, error) {
		if err := req.check(auth.From(ctx), s.today()); err != nil {
			return Rules{}, err
		}
		series, err := lockSeries(ctx, tx, req.RuleKey, req.Jurisdiction)
		if err != nil {
			return Rules{}, err
		}
		ended, err := endFrom(ctx, tx, series, req.From)
		if err == nil && len(ended) == 0 {
			err = fault.NotFound.Errorf("%s没有在 %s 或其后生效的 %s", division.Name(req.Jurisdiction), req.From, req.RuleKey)
		}
		if err != nil {
			return Rules{}, err
		}
		slices.SortFunc(ended, func(a, b Rule) int { return a.Version - b.Version })
		for _, r := range ended {
			if err := record(ctx, tx, s.today(), entry{"repeal", r.Key, r.Jurisdiction, r.Version, req.Reason}); err != nil {
				return Rules{}, err
			}
			if err := tellRepealed(ctx, tx, r); err != nil {
				return Rules{}, err
			}
		}
		return Rules{ended}, nil
	})
}

func (q RepealRule) check(c auth.Caller, today day.Date) error {
	if _, ok := parameters[q.RuleKey]; !ok {
		return fault.NotFound.Errorf("没有名为 %s 的参数", q.RuleKey)
	}
	if err := known("/jurisdiction", q.Jurisdiction); err != nil {
		return err
	}
	if err := mayRule(c, q.Jurisdiction); err != nil {
		return err
	}
	if err := said("/reason", q.Reason); err != nil {
		return err
	}
	return notPast("废止日", q.From, today)
}

// ListRules asks for the rules in force at a place on a day.
type ListRules struct {
	Jurisdiction string   `query:"jurisdiction" required:"true" pattern:"^[0-9]{6}$" description:"division code; 000000 is the nation"`
	Date         day.Date `query:"date" description:"today if left out"`
	RuleKey      string   `query:"key" maxLength:"64" description:"only this parameter"`
}

// ListRules returns, for each key, the rule of the place itself, else of the
// nearest place above it.
func (s *Service) ListRules(ctx context.Context, req ListRules) (Rules, error) {
	if err := known("/query/jurisdiction", req.Jurisdiction); err != nil {
		return Rules{}, err
	}
	if _, ok := parameters[req.RuleKey]; !ok && req.RuleKey != "" {
		return Rules{}, wrong("/query/key", "没有名为 %s 的参数", req.RuleKey)
	}
	if req.Date.IsZero() {
		req.Date = s.today()
	}
	places := division.Ancestors(req.Jurisdiction)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Rules, error) {
		found, err := listInForce(ctx, tx, places, req.Date, req.RuleKey)
		return Rules{nearest(found, places)}, err
	})
}

// ListVersions asks for all that a place, and those above it, ever had for a key.
type ListVersions struct {
	RuleKey      string `path:"key" maxLength:"64"`
	Jurisdiction string `query:"jurisdiction" required:"true" pattern:"^[0-9]{6}$" description:"division code; 000000 is the nation"`
}

// Version is a rule and how it came about. Who did it is in the audit; the public
// sees the office.
type Version struct {
	Rule
	EnactedAt time.Time `json:"enacted_at"`
	Agency    string    `json:"agency" description:"the office that enacted it; none if it came with the system"`
	Place     string    `json:"place" description:"that office's division"`
	Reason    string    `json:"reason"`
}

// Versions is a key's history, the nearest place first, its newest version first.
type Versions struct {
	Versions []Version `json:"versions"`
}

// ListVersions returns the history of a key for a place.
func (s *Service) ListVersions(ctx context.Context, req ListVersions) (Versions, error) {
	if _, ok := parameters[req.RuleKey]; !ok {
		return Versions{}, fault.NotFound.Errorf("没有名为 %s 的参数", req.RuleKey)
	}
	if err := known("/query/jurisdiction", req.Jurisdiction); err != nil {
		return Versions{}, err
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Versions, error) {
		found, err := listVersions(ctx, tx, req.RuleKey, division.Ancestors(req.Jurisdiction))
		return Versions{found}, err
	})
}

// ListParameters asks for the keys that may be enacted.
type ListParameters struct{}

// Parameters is the keys that may be enacted.
type Parameters struct {
	Parameters []Parameter `json:"parameters"`
}

// ListParameters returns every key, in order.
func (s *Service) ListParameters(context.Context, ListParameters) (Parameters, error) {
	list := slices.Collect(maps.Values(parameters))
	slices.SortFunc(list, func(a, b Parameter) int { return strings.Compare(a.Key, b.Key) })
	return Parameters{list}, nil
}

// Republish asks for the whole rulebook to be published again, for a service that
// has lost its copy.
type Republish struct {
	once.Key
	Reason string `json:"reason" minLength:"2" maxLength:"500" description:"why; kept in the audit"`
}

// Republished is how much was published again.
type Republished struct {
	Rules     int `json:"rules"`
	Calendars int `json:"calendars"`
}

// Republish puts the state of every rule and calendar into the outbox again.
func (s *Service) Republish(ctx context.Context, req Republish) (Republished, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Republished, error) {
		if err := said("/reason", req.Reason); err != nil {
			return Republished{}, err
		}
		all, err := tellAll(ctx, tx)
		if err != nil {
			return Republished{}, err
		}
		years, err := lockYears(ctx, tx)
		if err != nil {
			return Republished{}, err
		}
		for _, y := range years {
			if err := tellPublished(ctx, tx, y); err != nil {
				return Republished{}, err
			}
		}
		return Republished{all, len(years)}, record(ctx, tx, s.today(), entry{"republish", "", "", 0, req.Reason})
	})
}

// tellAll tells of every rule, while none can change, and returns how many.
func tellAll(ctx context.Context, tx pgx.Tx) (int, error) {
	if err := lockAll(ctx, tx); err != nil {
		return 0, err
	}
	all, err := listAll(ctx, tx)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if err := tellEnacted(ctx, tx, r); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}
