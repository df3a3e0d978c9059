package inspection

import (
	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// What inspection lets callers do. Which step of a case a role may take is in the
// flow tables; which cases a caller sees is in the store, and in row-level security.
var (
	ReadTasks    = auth.Permit("inspection:task:read")
	WorkTasks    = auth.Permit("inspection:task:work")
	ReadVisits   = auth.Permit("inspection:visit:read")
	WorkVisits   = auth.Permit("inspection:visit:work")
	EndVisits    = auth.Permit("inspection:visit:end")
	Submit       = auth.Permit("inspection:rectification:submit")
	AddPhotos    = auth.Permit("inspection:photo:add")
	AskBlacklist = auth.Permit("inspection:blacklist:ask")
	KeepOfficers = auth.Permit("inspection:officer:keep")
	Resume       = auth.Permit("inspection:followup:resume")
	ReadInbox    = auth.Permit("inspection:inbox:read")
	Republishing = auth.Permit("inspection:republish")
)

var officer = []auth.Permission{ReadTasks, WorkTasks, ReadVisits, WorkVisits, EndVisits, AddPhotos, KeepOfficers, ReadInbox}

// Grants says which role may do what.
var Grants = auth.Roles(map[string][]auth.Permission{
	examinerRole:  append([]auth.Permission{AskBlacklist, Resume}, officer...),
	cultureRole:   officer,
	marketRole:    officer,
	fireRole:      officer,
	cityRole:      {ReadTasks, ReadVisits, ReadInbox, Resume, Republishing},
	principalRole: {ReadVisits, EndVisits, Submit, AddPhotos, ReadInbox},
})

// photoLimit is a photo and its wrapping, in bytes.
const photoLimit = attach.MaxBytes + 64<<10

// Routes publishes s on api.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "POST /v1/tasks", "PlanTask", WorkTasks, s.PlanTask, kit.CanWait)
	kit.Route(api, "GET /v1/tasks", "ListTasks", ReadTasks, s.ListTasks)
	kit.Route(api, "GET /v1/plans", "ListPlans", WorkTasks, s.ListPlans)
	kit.Route(api, "GET /v1/tasks/{id}", "GetTask", ReadTasks, s.GetTask)
	kit.Route(api, "POST /v1/tasks/{id}/cancel", "CancelTask", WorkTasks, s.CancelTask)
	kit.Route(api, "POST /v1/tasks/{id}/draw", "DrawTask", WorkTasks, s.DrawTask)
	kit.Route(api, "POST /v1/tasks/{id}/reveal", "RevealTask", WorkTasks, s.RevealTask)
	kit.Route(api, "POST /v1/tasks/{id}/redraw", "RedrawTask", WorkTasks, s.RedrawTask)
	kit.Route(api, "POST /v1/tasks/{id}/visits", "OpenVisit", WorkVisits, s.OpenVisit)
	kit.Route(api, "POST /v1/tasks/{id}/blacklist", "WantBlacklist", AskBlacklist, s.WantBlacklist)
	kit.Route(api, "POST /v1/tasks/{id}/close-place", "ClosePlace", WorkTasks, s.ClosePlace)
	kit.Route(api, "POST /v1/tasks/{id}/recheck", "RecheckPlace", WorkTasks, s.RecheckPlace)
	kit.Route(api, "POST /v1/tasks/{id}/publish", "PublishTask", WorkTasks, s.PublishTask)
	kit.Route(api, "GET /v1/draws/{id}", "GetDraw", auth.Public, s.GetDraw)
	kit.Route(api, "GET /v1/results", "ListResults", auth.Public, s.ListResults)
	kit.Route(api, "GET /v1/items", "ListItems", auth.Public, s.ListItems)
	kit.Route(api, "GET /v1/visits", "ListVisits", ReadVisits, s.ListVisits)
	kit.Route(api, "GET /v1/visits/{id}", "GetVisit", ReadVisits, s.GetVisit)
	kit.Route(api, "POST /v1/visits/{id}/parts/{agency}/findings", "RecordFinding", WorkVisits, s.RecordFinding)
	kit.Route(api, "POST /v1/visits/{id}/parts/{agency}/sign", "SignPart", WorkVisits, s.SignPart)
	kit.Route(api, "POST /v1/visits/{id}/institution-signature", "SignVisit", EndVisits, s.SignVisit)
	kit.Route(api, "POST /v1/visits/{id}/refusal", "RefuseVisit", WorkVisits, s.RefuseVisit)
	kit.Route(api, "POST /v1/visits/{id}/rectification", "OrderRectification", WorkVisits, s.OrderRectification)
	kit.Route(api, "GET /v1/rectifications", "ListRectifications", ReadVisits, s.ListRectifications)
	kit.Route(api, "GET /v1/rectifications/{id}", "GetRectification", ReadVisits, s.GetRectification)
	kit.Route(api, "POST /v1/rectifications/{id}/submit", "SubmitRectification", Submit, s.SubmitRectification)
	kit.Route(api, "POST /v1/rectifications/{id}/verify", "VerifyRectification", WorkVisits, s.VerifyRectification)
	kit.Upload(api, "POST /v1/photos/{id}", "AddPhoto", AddPhotos, photoLimit, s.AddPhoto)
	kit.Download(api, "GET /v1/visits/{id}/photos/{photo}", "ReadVisitPhoto", ReadVisits, s.ReadVisitPhoto)
	kit.Download(api, "GET /v1/rectifications/{id}/photos/{photo}", "ReadRectificationPhoto", ReadVisits, s.ReadRectificationPhoto)
	kit.Route(api, "GET /v1/sweeps", "ListSweeps", ReadTasks, s.ListSweeps)
	kit.Route(api, "GET /v1/officers", "ListOfficers", ReadTasks, s.ListOfficers)
	kit.Route(api, "POST /v1/officers/{id}", "ChangeOfficer", KeepOfficers, s.ChangeOfficer, kit.CanWait)
	kit.Route(api, "GET /v1/follow-ups", "ListFollowUps", ReadTasks, s.ListFollowUps)
	kit.Route(api, "GET /v1/follow-ups/{id}", "GetFollowUp", ReadTasks, s.GetFollowUp)
	kit.Route(api, "POST /v1/follow-ups/{id}/resume", "ResumeFollowUp", Resume, s.ResumeFollowUp)
	kit.Route(api, "GET /v1/inbox", "GetInbox", ReadInbox, s.GetInbox)
	kit.Route(api, "GET /v1/summary", "GetSummary", auth.Public, s.GetSummary, kit.As(kit.Reports))
	kit.Route(api, "POST /v1/republish", "Republish", Republishing, s.Republish, kit.As(kit.Reports))
}
