//go:build !weak

package once

// remember keeps an answer in the transaction of its effect; rememberAll keeps several.
const (
	remember    = `INSERT INTO once (caller, call, key, sum, answer) VALUES ($1, $2, $3, $4, $5)`
	rememberAll = `INSERT INTO once (caller, call, key, sum, answer)
		SELECT caller, call, key, sum, answer::json FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[]) AS c (caller, call, key, sum, answer)`
)
