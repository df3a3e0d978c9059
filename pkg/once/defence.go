//go:build !weak

package once

// remember keeps an answer in the transaction of its effect.
const remember = `INSERT INTO once (caller, call, key, sum, answer) VALUES ($1, $2, $3, $4, $5)`
