package event

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// poison is why an event cannot be applied, however often it is tried.
type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

// crash is a panic as an error.
type crash struct{ what, stack string }

func (c crash) Error() string { return "panic: " + c.what }

// crashed is the panic p. What it was raised with may be anything a row holds, so
// only its type is told.
func crashed(p any) error {
	if err, ok := p.(error); ok {
		return crash{Cause(err), stack()}
	}
	return crash{fmt.Sprintf("%T", p), stack()}
}

// stack is where the panic that is being recovered arose, without arguments.
func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") {
			lines = lines[i+2:]
			break
		}
	}
	var b strings.Builder
	for i := 0; i+1 < len(lines) && b.Len() < 4<<10; i += 2 {
		f := lines[i]
		if open := strings.LastIndexByte(f, '('); open > 0 {
			f = f[:open]
		}
		at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		fmt.Fprintf(&b, "%s\n\t%s\n", f, at)
	}
	return b.String()
}

// What an error may have quoted of a row or of an event: anything between quotes,
// and numbers as long as those of phones, cards and papers.
var quoted = regexp.MustCompile(`"[^"]*"|“[^”]*”|「[^」]*」|《[^》]*》|'[^']*'|` + "`[^`]*`" + `|[0-9]{6,}[0-9Xx]?`)

// Cause is err in words that hold no value of a row or an event, for people who
// run the suite and may not read its cases.
func Cause(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.TrimSpace(fmt.Sprintf("PostgreSQL %s %s %s %s", e.Code, e.TableName, e.ColumnName, e.ConstraintName))
	}
	text := []rune(quoted.ReplaceAllString(err.Error(), "…"))
	return string(text[:min(len(text), 500)])
}

// passing reports whether err is of the moment: Kafka, the database or a peer is
// away, or contended. The same event may succeed later.
func passing(err error) bool { return errors.Is(err, fault.Unavailable) || pg.Passing(err) }

// slow reports whether err says that time ran out, which may be the machine's
// fault or the event's.
func slow(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "57014" || errors.Is(err, context.DeadlineExceeded)
}
