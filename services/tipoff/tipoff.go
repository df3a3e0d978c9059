// Package tipoff will own tip-offs and complaints (投诉举报), their receipts,
// dispatch, clocks and answers, with the same files as its neighbours: it comes
// with the second half of the story. Its role, database, port and topic are
// reserved in scripts/up. What must always be true: nothing that could name a
// reporter leaves this service.
package tipoff
