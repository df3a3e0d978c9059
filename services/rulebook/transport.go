package rulebook

import (
	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// What the rulebook lets callers do. All may read it.
var (
	EnactRules       = auth.Permit("rulebook:rule:enact")
	RepealRules      = auth.Permit("rulebook:rule:repeal")
	PublishCalendars = auth.Permit("rulebook:calendar:publish")
	RepublishAll     = auth.Permit("rulebook:all:republish")
)

// Grants says which role may do what.
var Grants = auth.Roles(map[string][]auth.Permission{
	"city": {EnactRules, RepealRules, PublishCalendars, RepublishAll},
})

// Routes publishes s on api.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "GET /v1/rules", "ListRules", auth.Public, s.ListRules)
	kit.Route(api, "GET /v1/rules/{key}/history", "ListVersions", auth.Public, s.ListVersions)
	kit.Route(api, "GET /v1/parameters", "ListParameters", auth.Public, s.ListParameters)
	kit.Route(api, "GET /v1/calendar", "GetCalendar", auth.Public, s.GetCalendar)
	kit.Route(api, "GET /v1/due", "ReckonDue", auth.Public, s.ReckonDue)
	kit.Route(api, "GET /v1/divisions", "ListDivisions", auth.Public, s.ListDivisions)
	kit.Route(api, "POST /v1/rules", "EnactRule", EnactRules, s.EnactRule)
	kit.Route(api, "POST /v1/rules/{key}/repeal", "RepealRule", RepealRules, s.RepealRule)
	kit.Route(api, "POST /v1/calendars", "PublishCalendar", PublishCalendars, s.PublishCalendar)
	kit.Route(api, "POST /v1/republish", "Republish", RepublishAll, s.Republish, kit.As(kit.Reports))
}
