package licensing

import (
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// What licensing lets callers do. Which step of a case a role may take is in the
// flow tables; of which cases, in row-level security.
var (
	Apply              = auth.Permit("licensing:application:submit")
	ReadApplications   = auth.Permit("licensing:application:read")
	HandleApplications = auth.Permit("licensing:application:handle")
	GiveOpinions       = auth.Permit("licensing:application:opine")
	CheckSites         = auth.Permit("licensing:application:inspect")
	RegisterPersons    = auth.Permit("licensing:institution:register")
	ReadInstitutions   = auth.Permit("licensing:institution:read")
	HandleLists        = auth.Permit("licensing:list:handle")
	StateCases         = auth.Permit("licensing:list:state")
	SetAsideLists      = auth.Permit("licensing:list:set_aside")
	ReadLists          = auth.Permit("licensing:list:read")
	ReadInboxes        = auth.Permit("licensing:inbox:read")
	RepublishAll       = auth.Permit("licensing:events:republish")
)

var (
	reading   = []auth.Permission{ReadApplications, ReadInstitutions, ReadLists, ReadInboxes}
	opining   = slices.Concat(reading, []auth.Permission{GiveOpinions, CheckSites})
	examining = slices.Concat(reading, []auth.Permission{HandleApplications, CheckSites, HandleLists, SetAsideLists})
)

// Grants says which role may do what.
var Grants = auth.Roles(map[string][]auth.Permission{
	"principal": slices.Concat(reading, []auth.Permission{Apply, StateCases}),
	"examiner":  examining,
	"city":      slices.Concat(reading, []auth.Permission{RepublishAll, SetAsideLists}),
	"culture":   opining,
	"sport":     opining,
	"science":   opining,
	"market":    slices.Concat(reading, []auth.Permission{CheckSites, RegisterPersons}),
	"fire":      slices.Concat(reading, []auth.Permission{CheckSites}),
	"civil":     {ReadInstitutions, RegisterPersons},
	"police":    {ReadInstitutions},
})

// Routes publishes s on api.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "GET /v1/uscc/{code}", "VerifyUSCC", auth.Public, s.VerifyUSCC)
	kit.Route(api, "GET /v1/categories", "ListCategories", auth.Public, s.ListCategories)
	kit.Route(api, "GET /v1/summary", "Summarise", auth.Public, s.Summarise, kit.As(kit.Reports))
	kit.Route(api, "GET /v1/inbox", "ReadInbox", ReadInboxes, s.ReadInbox)
	kit.Route(api, "POST /v1/republish", "Republish", RepublishAll, s.Republish, kit.As(kit.Reports))

	kit.Route(api, "POST /v1/applications", "SubmitApplication", Apply, s.SubmitApplication)
	kit.Route(api, "GET /v1/applications", "ListApplications", ReadApplications, s.ListApplications)
	kit.Route(api, "GET /v1/applications/{id}", "GetApplication", ReadApplications, s.GetApplication)
	kit.Route(api, "POST /v1/applications/{id}/accept", "AcceptApplication", HandleApplications, s.AcceptApplication)
	kit.Route(api, "POST /v1/applications/{id}/return", "ReturnApplication", HandleApplications, s.ReturnApplication)
	kit.Route(api, "POST /v1/applications/{id}/refuse-acceptance", "RefuseAcceptance", HandleApplications, s.RefuseAcceptance)
	kit.Route(api, "POST /v1/applications/{id}/resubmit", "ResubmitApplication", Apply, s.ResubmitApplication)
	kit.Route(api, "POST /v1/applications/{id}/withdraw", "WithdrawApplication", Apply, s.WithdrawApplication)
	kit.Route(api, "POST /v1/applications/{id}/opinion", "GiveOpinion", GiveOpinions, s.GiveOpinion)
	kit.Route(api, "POST /v1/applications/{id}/site-check", "SignSiteCheck", CheckSites, s.SignSiteCheck)
	kit.Route(api, "POST /v1/applications/{id}/notice", "StartNotice", HandleApplications, s.StartNotice)
	kit.Route(api, "POST /v1/applications/{id}/decide", "DecideApplication", HandleApplications, s.DecideApplication)

	kit.Route(api, "GET /v1/institutions", "ListInstitutions", ReadInstitutions, s.ListInstitutions)
	kit.Route(api, "GET /v1/institutions/{id}", "GetInstitution", ReadInstitutions, s.GetInstitution)
	kit.Route(api, "POST /v1/institutions/{id}/registration", "RegisterLegalPerson", RegisterPersons, s.RegisterLegalPerson)

	kit.Route(api, "POST /v1/list-entries", "ProposeListEntry", HandleLists, s.ProposeListEntry)
	kit.Route(api, "GET /v1/list-entries", "ListListEntries", ReadLists, s.ListListEntries)
	kit.Route(api, "GET /v1/list-entries/{id}", "GetListEntry", ReadLists, s.GetListEntry)
	kit.Route(api, "POST /v1/list-entries/{id}/statement", "StateCase", StateCases, s.StateCase)
	kit.Route(api, "POST /v1/list-entries/{id}/decide", "DecideListEntry", HandleLists, s.DecideListEntry)
	kit.Route(api, "POST /v1/list-entries/{id}/publish", "PublishListEntry", HandleLists, s.PublishListEntry)
	kit.Route(api, "POST /v1/list-entries/{id}/remove", "RemoveListEntry", HandleLists, s.RemoveListEntry)
	kit.Route(api, "POST /v1/list-entries/{id}/set-aside", "SetAsideListEntry", SetAsideLists, s.SetAsideListEntry)
}
