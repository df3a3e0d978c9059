package escrow

import (
	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

// What escrow lets callers do.
var (
	ReportAccounts  = auth.Permit("escrow:account:report")
	ReadAccounts    = auth.Permit("escrow:account:read")
	OfferContracts  = auth.Permit("escrow:contract:offer")
	SignContracts   = auth.Permit("escrow:contract:sign")
	PayContracts    = auth.Permit("escrow:contract:pay")
	CancelContracts = auth.Permit("escrow:contract:cancel")
	ReadContracts   = auth.Permit("escrow:contract:read")
	TeachLessons    = auth.Permit("escrow:lesson:teach")
	ConfirmTaught   = auth.Permit("escrow:lesson:confirm")
	DisputeLessons  = auth.Permit("escrow:lesson:dispute")
	AskRefunds      = auth.Permit("escrow:refund:ask")
	AgreeRefunds    = auth.Permit("escrow:refund:agree")
	SettleRefunds   = auth.Permit("escrow:refund:settle")
	RetryPaybacks   = auth.Permit("escrow:payback:retry")
	ReturnPaybacks  = auth.Permit("escrow:payback:return")
	ReadFlags       = auth.Permit("escrow:flag:read")
	ReadHolds       = auth.Permit("escrow:hold:read")
	ReadStatements  = auth.Permit("escrow:statement:read")
	BookDifferences = auth.Permit("escrow:difference:book")
	RepublishAll    = auth.Permit("escrow:republish")
	ReadInbox       = auth.Permit("escrow:inbox:read")
)

// Grants says which role may do what. Whose contract it is, is asked besides.
var Grants = auth.Roles(map[string][]auth.Permission{
	"principal": {ReportAccounts, ReadAccounts, OfferContracts, CancelContracts, ReadContracts, TeachLessons, AgreeRefunds, RetryPaybacks, ReadFlags, ReadHolds, ReadStatements, ReadInbox},
	"parent":    {SignContracts, PayContracts, CancelContracts, ReadContracts, ConfirmTaught, DisputeLessons, AskRefunds, RetryPaybacks, ReadFlags, ReadStatements, ReadInbox},
	"examiner":  {ReadAccounts, ReadContracts, SettleRefunds, RetryPaybacks, ReturnPaybacks, ReadFlags, ReadHolds, ReadStatements, BookDifferences, ReadInbox},
	"city":      {ReadAccounts, ReadContracts, ReadFlags, ReadHolds, ReadStatements, RepublishAll, ReadInbox},
})

// Routes publishes s on api.
func (s *Service) Routes(api *kit.API) {
	kit.Route(api, "POST /v1/accounts", "ReportAccount", ReportAccounts, s.ReportAccount)
	kit.Route(api, "GET /v1/accounts/{institution}", "FindAccount", ReadAccounts, s.FindAccount)
	kit.Route(api, "POST /v1/contracts", "OfferContract", OfferContracts, s.OfferContract)
	kit.Route(api, "GET /v1/contracts", "ListContracts", ReadContracts, s.ListContracts)
	kit.Route(api, "GET /v1/contracts/{id}", "FindContract", ReadContracts, s.FindContract)
	kit.Route(api, "POST /v1/contracts/{id}/sign", "SignContract", SignContracts, s.SignContract, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/pay", "PayContract", PayContracts, s.PayContract, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/cancel", "CancelContract", CancelContracts, s.CancelContract, kit.As(kit.Money))
	kit.Route(api, "GET /v1/contracts/{id}/lessons", "ListLessons", ReadContracts, s.ListLessons)
	kit.Route(api, "POST /v1/contracts/{id}/lessons/{n}/taught", "TeachLesson", TeachLessons, s.TeachLesson, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/lessons/{n}/confirm", "ConfirmLesson", ConfirmTaught, s.ConfirmLesson, kit.As(kit.Money))
	kit.Route(api, "POST /v1/lessons/confirm", "ConfirmLessons", ConfirmTaught, s.ConfirmLessons, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/lessons/{n}/dispute", "DisputeLesson", DisputeLessons, s.DisputeLesson, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/lessons/{n}/withdraw", "WithdrawLesson", TeachLessons, s.WithdrawLesson, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/lessons/{n}/make-up", "MakeUpLesson", TeachLessons, s.MakeUpLesson, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/confirm", "ConfirmCycle", ConfirmTaught, s.ConfirmCycle, kit.As(kit.Money))
	kit.Route(api, "POST /v1/contracts/{id}/teacher", "ChangeTeacher", TeachLessons, s.ChangeTeacher)
	kit.Route(api, "POST /v1/contracts/{id}/refunds", "RequestRefund", AskRefunds, s.RequestRefund, kit.As(kit.Money))
	kit.Route(api, "GET /v1/contracts/{id}/refund-quote", "QuoteRefund", ReadContracts, s.QuoteRefund)
	kit.Route(api, "GET /v1/refunds/{id}", "FindRefund", ReadContracts, s.FindRefund)
	kit.Route(api, "POST /v1/refunds/{id}/agree", "AgreeRefund", AgreeRefunds, s.AgreeRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/refunds/{id}/reject", "RejectRefund", AgreeRefunds, s.RejectRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/refunds/{id}/withdraw", "WithdrawRefund", AskRefunds, s.WithdrawRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/refunds/{id}/mediate", "MediateRefund", AskRefunds, s.MediateRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/refunds/{id}/settle", "SettleRefund", SettleRefunds, s.SettleRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/refunds/{id}/fail", "FailRefund", SettleRefunds, s.FailRefund, kit.As(kit.Money))
	kit.Route(api, "POST /v1/paybacks/{id}/return", "ReturnPayback", ReturnPaybacks, s.ReturnPayback, kit.As(kit.Money))
	kit.Route(api, "POST /v1/paybacks/{id}/retry", "RetryPayback", RetryPaybacks, s.RetryPayback, kit.As(kit.Money))
	kit.Route(api, "POST /v1/paybacks/{id}/received", "ReceivePayback", AskRefunds, s.ReceivePayback, kit.As(kit.Money))
	kit.Route(api, "GET /v1/flags", "ListFlags", ReadFlags, s.ListFlags)
	kit.Route(api, "GET /v1/flags/{id}", "FindFlag", ReadFlags, s.FindFlag)
	kit.Route(api, "GET /v1/holds", "ListHolds", ReadHolds, s.ListHolds)
	kit.Route(api, "GET /v1/statements/{institution}/{account}", "FindStatement", ReadStatements, s.FindStatement)
	kit.Route(api, "POST /v1/differences", "RecordDifference", BookDifferences, s.RecordDifference, kit.As(kit.Money))
	kit.Route(api, "POST /v1/differences/{id}/reverse", "ReverseDifference", BookDifferences, s.ReverseDifference, kit.As(kit.Money))
	kit.Route(api, "POST /v1/republish", "Republish", RepublishAll, s.Republish, kit.As(kit.Reports))
	kit.Route(api, "GET /v1/inbox", "Inbox", ReadInbox, s.Inbox)
	kit.Route(api, "GET /v1/summary", "Summary", auth.Public, s.Summary, kit.As(kit.Reports))
}
