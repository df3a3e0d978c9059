package rulebook

import (
	"context"

	"xunguan/pkg/division"
	"xunguan/pkg/fault"
)

// ListDivisions asks for the places right below one.
type ListDivisions struct {
	Under string `query:"under" pattern:"^[0-9]{6}$" description:"GB/T 2260; without it the nation" example:"320500"`
}

// Divisions is places, in the order of their codes.
type Divisions struct {
	Items []division.Division `json:"items"`
}

// ListDivisions lists the places below one, a level at a time; NotFound for no place.
func (*Service) ListDivisions(_ context.Context, req ListDivisions) (Divisions, error) {
	under := req.Under
	if under == "" {
		under = division.Nation
	}
	if _, ok := division.Find(under); !ok {
		return Divisions{}, fault.NotFound.Errorf("没有代码为 %s 的行政区划（GB/T 2260）", under)
	}
	return Divisions{Items: append([]division.Division{}, division.Under(under)...)}, nil
}
