package tipoff

import (
	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// What tipoff lets callers do. What the public may needs no grant.
var (
	ReadTips       = auth.Permit("tipoff:tip:read")
	TriageTips     = auth.Permit("tipoff:tip:triage")
	HandleTips     = auth.Permit("tipoff:tip:handle")
	CloseTips      = auth.Permit("tipoff:tip:close")
	Arbitrate      = auth.Permit("tipoff:tip:arbitrate")
	OpenIdentities = auth.Permit("tipoff:identity:open")
	ImportFiles    = auth.Permit("tipoff:file:import")
	RepublishTips  = auth.Permit("tipoff:event:republish")
)

// photoLimit is a photo and its wrapping, in bytes.
const photoLimit = attach.MaxBytes + 64<<10

// Grants says which role may do what.
var Grants = auth.Roles(grants())

func grants() map[string][]auth.Permission {
	all := map[string][]auth.Permission{
		intakeRole: {ReadTips, TriageTips, CloseTips, OpenIdentities, ImportFiles},
		cityRole:   {ReadTips, Arbitrate, RepublishTips},
	}
	for _, role := range ownerRoles {
		all[role] = []auth.Permission{ReadTips, HandleTips, CloseTips}
	}
	return all
}

// Routes publishes s on api. What reporters call is unseen: neither logged nor
// traced, and no token is looked at.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "POST /v1/tips", "SubmitTip", auth.Public, s.SubmitTip, kit.Unseen)
	kit.Route(api, "POST /v1/tips/track", "TrackTip", auth.Public, s.TrackTip, kit.Unseen)
	kit.Route(api, "POST /v1/tips/supplement", "SupplementTip", auth.Public, s.SupplementTip, kit.Unseen)
	kit.Route(api, "POST /v1/tips/rate", "RateTip", auth.Public, s.RateTip, kit.Unseen)
	kit.Route(api, "POST /v1/tips/unsolved", "UnsolvedTip", auth.Public, s.UnsolvedTip, kit.Unseen)
	kit.Upload(api, "POST /v1/photos", "AddPhoto", auth.Public, photoLimit, s.AddPhoto, kit.Unseen)
	kit.Download(api, "POST /v1/tips/track/photo", "TrackPhoto", auth.Public, s.TrackPhoto, kit.Unseen)
	kit.Route(api, "GET /v1/summary", "Summarise", auth.Public, s.Summarise)

	kit.Route(api, "GET /v1/tips", "ListTips", ReadTips, s.ListTips)
	kit.Route(api, "GET /v1/tips/{id}", "FindTip", ReadTips, s.FindTip)
	kit.Download(api, "GET /v1/tips/{id}/photos/{photo}", "ReadPhoto", ReadTips, s.ReadPhoto)
	kit.Route(api, "GET /v1/inbox", "Inbox", ReadTips, s.Inbox)

	kit.Route(api, "POST /v1/tips/{id}/tie", "TieTip", TriageTips, s.TieTip)
	kit.Route(api, "POST /v1/tips/{id}/reject", "RejectTip", TriageTips, s.RejectTip)
	kit.Route(api, "POST /v1/tips/{id}/reopen", "ReopenTip", TriageTips, s.ReopenTip)
	kit.Route(api, "POST /v1/tips/{id}/dispatch", "DispatchTip", TriageTips, s.DispatchTip)
	kit.Route(api, "POST /v1/tips/{id}/merge", "MergeTip", TriageTips, s.MergeTip)
	kit.Route(api, "GET /v1/duplicates", "ListDuplicates", TriageTips, s.ListDuplicates)
	kit.Route(api, "POST /v1/tips/{id}/assign", "AssignTip", Arbitrate, s.AssignTip)

	kit.Route(api, "POST /v1/tips/{id}/accept", "AcceptTip", HandleTips, s.AcceptTip)
	kit.Route(api, "POST /v1/tips/{id}/return", "ReturnTip", HandleTips, s.ReturnTip)
	kit.Route(api, "POST /v1/tips/{id}/ask", "AskReporter", HandleTips, s.AskReporter)
	kit.Route(api, "POST /v1/tips/{id}/resume", "ResumeTip", HandleTips, s.ResumeTip)
	kit.Route(api, "POST /v1/tips/{id}/extend", "ExtendTip", HandleTips, s.ExtendTip)
	kit.Route(api, "POST /v1/tips/{id}/answer", "AnswerTip", HandleTips, s.AnswerTip)
	kit.Route(api, "POST /v1/tips/{id}/close", "CloseTip", CloseTips, s.CloseTip)

	kit.Route(api, "POST /v1/tips/{id}/identity-requests", "RequestIdentity", OpenIdentities, s.RequestIdentity)
	kit.Route(api, "GET /v1/identity-requests/{id}", "FindIdentityRequest", OpenIdentities, s.FindIdentityRequest)
	kit.Route(api, "POST /v1/identity-requests/{id}/read", "ReadIdentity", OpenIdentities, s.ReadIdentity)
	kit.Route(api, "POST /v1/identity-requests/{id}/approve", "ApproveIdentity", OpenIdentities, s.ApproveIdentity)

	kit.Upload(api, "POST /v1/imports", "ImportTips", ImportFiles, maxImport, s.ImportTips)
	kit.Route(api, "POST /v1/republish", "Republish", RepublishTips, s.Republish, kit.As(kit.Reports))
}
