package rulebook

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// PublishCalendar is the State Council's notice of one year's holidays.
type PublishCalendar struct {
	once.Key
	Year   int           `json:"year" minimum:"2000" maximum:"2999"`
	Source string        `json:"source" minLength:"4" maxLength:"500" description:"the notice, with its number"`
	Days   []day.Special `json:"days" minItems:"5" maxItems:"366" description:"the days off, and the weekend days worked instead"`
	Reason string        `json:"reason" minLength:"2" maxLength:"500" description:"why; kept in the audit"`
}

// PublishCalendar publishes a year, or a new version of it. It returns Refused if
// that would change a day gone by.
func (s *Service) PublishCalendar(ctx context.Context, req PublishCalendar) (Year, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Year, error) {
		y := Year{Year: req.Year, Version: 1, Source: req.Source, Days: req.Days}
		if err := y.Check(); err != nil {
			return Year{}, err
		}
		if err := said("/source", req.Source, "/reason", req.Reason); err != nil {
			return Year{}, err
		}
		years, err := lockYears(ctx, tx)
		if err != nil {
			return Year{}, err
		}
		for _, old := range years {
			if old.Year != y.Year {
				continue
			}
			if !y.sameBefore(old, s.today()) {
				return Year{}, fault.Refused.Errorf("新的 %d 年放假安排改动了今天（%s）以前的日子：已按原安排计算的期限不得溯及改变", y.Year, s.today())
			}
			y.Version = old.Version + 1
		}
		return y, s.publish(ctx, tx, y, req.Reason)
	})
}

// publish saves y and tells of it, while no other can be published.
func (s *Service) publish(ctx context.Context, tx pgx.Tx, y Year, reason string) error {
	if err := saveYear(ctx, tx, y); err != nil {
		return err
	}
	if err := record(ctx, tx, s.today(), entry{"publish", calendarKey(y.Year), nation, y.Version, reason}); err != nil {
		return err
	}
	return tellPublished(ctx, tx, y)
}

// GetCalendar asks for one year.
type GetCalendar struct {
	Year int `query:"year" required:"true" minimum:"2000" maximum:"2999"`
}

// GetCalendar returns a published year; NotFound if it is not published yet.
func (s *Service) GetCalendar(ctx context.Context, req GetCalendar) (Year, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Year, error) {
		years, err := listYears(ctx, tx)
		if err != nil {
			return Year{}, err
		}
		for _, y := range years {
			if y.Year == req.Year {
				return y, nil
			}
		}
		return Year{}, fault.NotFound.Errorf("%d 年的放假安排尚未公布，涉及该年的期限均为暂定", req.Year)
	})
}

// ReckonDue asks where a period ends.
type ReckonDue struct {
	From   day.Date `query:"from" required:"true" description:"the day of the event, which is not counted"`
	Amount int      `query:"amount" required:"true" minimum:"0" maximum:"3660"`
	Unit   day.Unit `query:"unit" required:"true"`
}

// ReckonDue returns the last day of a period and how it was found.
func (s *Service) ReckonDue(ctx context.Context, req ReckonDue) (Reckoning, error) {
	if req.From.Year() > lastYear {
		return Reckoning{}, wrong("/query/from", "不得晚于 %d 年", lastYear)
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Reckoning, error) {
		years, err := listYears(ctx, tx)
		if err != nil {
			return Reckoning{}, err
		}
		return reckon(years, req.From, req.Amount, req.Unit)
	})
}
