// Package inspection will own random draws (双随机), joint visits, findings,
// rectification and penalty cases, with the same files as its neighbours: it
// comes with the second half of the story. Its role, database, port and topic
// are reserved in scripts/up.
package inspection
