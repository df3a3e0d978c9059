package escrow

import (
	"time"

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
	RegisterBanks   = auth.Permit("escrow:bank:register")
	ReadBanks       = auth.Permit("escrow:bank:read")
	SendBankFiles   = auth.Permit("escrow:bankfile:send")
	TakeSettlements = auth.Permit("escrow:settlement:take")
	SeeBankOrders   = auth.Permit("escrow:bankorder:read")
	ReadReconciled  = auth.Permit("escrow:reconciliation:read")
	WatchMoney      = auth.Permit("escrow:alert:handle")
	ExplainDiffs    = auth.Permit("escrow:discrepancy:explain")
	RepublishAll    = auth.Permit("escrow:republish")
	ReadWarnings    = auth.Permit("escrow:warning:read")
	JudgeWarnings   = auth.Permit("escrow:warning:evaluate")
	RerunFeeRules   = auth.Permit("escrow:feerule:rerun")
	ReadInbox       = auth.Permit("escrow:inbox:read")
)

// Grants says which role may do what. Whose contract it is, is asked besides.
var Grants = auth.Roles(map[string][]auth.Permission{
	"principal": {ReportAccounts, ReadAccounts, OfferContracts, CancelContracts, ReadContracts, TeachLessons, AgreeRefunds, RetryPaybacks, ReadFlags, ReadHolds, ReadStatements, ReadInbox, ReadReconciled, ReadWarnings},
	"parent":    {SignContracts, PayContracts, CancelContracts, ReadContracts, ConfirmTaught, DisputeLessons, AskRefunds, RetryPaybacks, ReadFlags, ReadStatements, ReadInbox},
	"examiner":  {ReadAccounts, ReadContracts, SettleRefunds, RetryPaybacks, ReturnPaybacks, ReadFlags, ReadHolds, ReadStatements, BookDifferences, ReadInbox, ReadBanks, ReadReconciled, ExplainDiffs, ReadWarnings, JudgeWarnings, RerunFeeRules, WatchMoney},
	"city":      {ReadAccounts, ReadContracts, ReadFlags, ReadHolds, ReadStatements, RepublishAll, ReadInbox, RegisterBanks, ReadBanks, ReadReconciled, ReadWarnings, JudgeWarnings, RerunFeeRules},
	"bank":      {ReadBanks, SendBankFiles, TakeSettlements, SeeBankOrders},
})

// maxBankFile is how large a bank's file may be; a larger one comes in parts.
const maxBankFile = 64 << 20

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
	kit.Route(api, "POST /v1/accounts/{institution}/second", "AddAccount", ReportAccounts, s.AddAccount)
	kit.Route(api, "POST /v1/banks", "RegisterBank", RegisterBanks, s.RegisterBank)
	kit.Route(api, "GET /v1/banks", "ListBanks", ReadBanks, s.ListBanks)
	kit.Route(api, "GET /v1/bank-days", "ListBankDays", ReadBanks, s.ListBankDays)
	kit.Upload(api, "POST /v1/bank-files", "SendBankFile", SendBankFiles, maxBankFile, s.SendBankFile)
	kit.Route(api, "POST /v1/settlements", "TakeSettlement", TakeSettlements, s.TakeSettlement, kit.As(kit.Money), kit.Within(20*time.Second))
	kit.Route(api, "GET /v1/settlements/{id}", "FindSettlement", TakeSettlements, s.FindSettlement, kit.Within(20*time.Second))
	kit.Route(api, "GET /v1/bank-accounts", "ListBankAccounts", SeeBankOrders, s.ListBankAccounts)
	kit.Route(api, "GET /v1/bank-payments", "ListBankPayments", SeeBankOrders, s.ListBankPayments)
	kit.Route(api, "GET /v1/reconciliations", "ListReconciliations", ReadReconciled, s.ListReconciliations)
	kit.Route(api, "GET /v1/discrepancies", "ListDiscrepancies", ReadReconciled, s.ListDiscrepancies)
	kit.Route(api, "GET /v1/discrepancies/{id}", "FindDiscrepancy", ReadReconciled, s.FindDiscrepancy)
	kit.Route(api, "POST /v1/discrepancies/{id}/explain", "ExplainDiscrepancy", ExplainDiffs, s.ExplainDiscrepancy, kit.As(kit.Money))
	kit.Route(api, "POST /v1/discrepancies/{id}/confirm", "ConfirmDiscrepancy", ExplainDiffs, s.ConfirmDiscrepancy, kit.As(kit.Money))
	kit.Route(api, "POST /v1/discrepancies/{id}/reject", "RejectDiscrepancy", ExplainDiffs, s.RejectDiscrepancy, kit.As(kit.Money))
	kit.Route(api, "POST /v1/discrepancies/{id}/reverse", "CloseByReversal", ExplainDiffs, s.CloseByReversal, kit.As(kit.Money))
	kit.Route(api, "GET /v1/warnings", "ListWarnings", ReadWarnings, s.ListWarnings)
	kit.Route(api, "GET /v1/warnings/{institution}", "FindWarning", ReadWarnings, s.FindWarning)
	kit.Route(api, "GET /v1/warning-evaluation", "EvaluateWarnings", JudgeWarnings, s.EvaluateWarnings, kit.As(kit.Reports))
	kit.Route(api, "GET /v1/fee-rules/rerun", "RerunRules", RerunFeeRules, s.RerunRules, kit.As(kit.Reports), kit.Within(20*time.Second))
	kit.Route(api, "GET /v1/alerts", "ListAlerts", ReadReconciled, s.ListAlerts)
	kit.Route(api, "POST /v1/alerts/{id}/close", "CloseAlert", WatchMoney, s.CloseAlert, kit.As(kit.Money))
	kit.Route(api, "POST /v1/alerts/{id}/hold", "HoldByAlert", WatchMoney, s.HoldByAlert, kit.As(kit.Money))
	kit.Route(api, "POST /v1/holds/{id}/resume", "ResumePayouts", WatchMoney, s.ResumePayouts, kit.As(kit.Money))
	kit.Route(api, "POST /v1/floors", "SetFloor", WatchMoney, s.SetFloor, kit.As(kit.Money))
	kit.Route(api, "GET /v1/freezes", "ListFreezes", ReadReconciled, s.ListFreezes)
	kit.Route(api, "POST /v1/freezes", "RecordFreeze", WatchMoney, s.RecordFreeze, kit.As(kit.Money))
	kit.Route(api, "POST /v1/freezes/{id}/lift", "LiftFreeze", WatchMoney, s.LiftFreeze, kit.As(kit.Money))
	kit.Route(api, "POST /v1/republish", "Republish", RepublishAll, s.Republish, kit.As(kit.Reports))
	kit.Route(api, "GET /v1/inbox", "Inbox", ReadInbox, s.Inbox)
	kit.Route(api, "GET /v1/summary", "Summary", auth.Public, s.Summary, kit.As(kit.Reports))
}
