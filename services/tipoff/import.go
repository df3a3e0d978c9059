package tipoff

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"xunguan/pkg/day"
)

// maxImport is the most bytes of a file that is imported.
const maxImport = 64 << 20

// importColumns is the columns of a file, of which user, reply and replied_at may
// be missing.
var importColumns = []string{"id", "subject", "sent_at", "text"}

// Message is one row of another channel's file.
type Message struct {
	Line        int
	ID, User    string
	Title, Text string
	SentOn      day.Date
	Reply       string
	RepliedOn   day.Date
}

// The longest texts of a message, in characters.
const (
	maxTitle = 200
	maxText  = 5000
	maxReply = 20000
)

var sourceID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// message reads rec as of today, or says what is wrong with it.
func (t *table) message(rec record, today day.Date) (Message, *Rejected) {
	no := func(field, format string, args ...any) (Message, *Rejected) {
		return Message{}, &Rejected{rec.line, field, fmt.Sprintf(format, args...)}
	}
	if len(rec.fields) != len(t.columns) {
		return no("row", "应有 %d 列，实有 %d 列", len(t.columns), len(rec.fields))
	}
	get := func(column string) string {
		if i := t.at(column); i >= 0 {
			return strings.TrimSpace(strings.ReplaceAll(rec.fields[i], "_x000D_", ""))
		}
		return ""
	}
	m := Message{Line: rec.line, ID: get("id"), User: get("user"), Title: get("subject"), Text: get("text"), Reply: get("reply")}
	switch {
	case m.ID == "":
		return no("id", "缺少编号")
	case !sourceID.MatchString(m.ID):
		return no("id", "编号只能由字母、数字、下划线和连字符组成，至多 64 位")
	case m.Text == "":
		return no("text", "没有内容")
	case utf8.RuneCountInString(m.User) > maxAccount:
		return no("user", "超过 %d 字", maxAccount)
	case utf8.RuneCountInString(m.Title) > maxTitle:
		return no("subject", "超过 %d 字", maxTitle)
	case utf8.RuneCountInString(m.Text) > maxText:
		return no("text", "超过 %d 字", maxText)
	case utf8.RuneCountInString(m.Reply) > maxReply:
		return no("reply", "超过 %d 字", maxReply)
	}
	var detail string
	if m.SentOn, detail = dateOf(get("sent_at"), today); detail != "" {
		return no("sent_at", "%s", detail)
	}
	if replied := get("replied_at"); replied != "" || m.Reply != "" {
		m.RepliedOn, detail = dateOf(replied, today)
		switch {
		case detail != "":
			return no("replied_at", "%s", detail)
		case m.Reply == "":
			return no("reply", "有答复时间而没有答复内容")
		case m.RepliedOn.Before(m.SentOn):
			return no("replied_at", "答复早于来信")
		}
	}
	return m, nil
}

const maxAccount = 64

// layouts is how channels write times, all in Shanghai unless they say otherwise.
var layouts = []string{
	"2006/1/2 15:04:05", "2006/1/2 15:04", "2006/1/2", "2006-1-2 15:04:05", "2006-1-2 15:04", time.DateOnly, "2006-1-2",
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04",
}

// earliest is before anything that a channel could still have.
var earliest = day.MustParse("2000-01-01")

// dateOf is the day of text, or what is wrong with it. The time of day is not kept.
func dateOf(text string, today day.Date) (on day.Date, detail string) {
	if text == "" {
		return on, "缺少时间"
	}
	for _, l := range layouts {
		at, err := time.ParseInLocation(l, text, day.Shanghai)
		if err != nil {
			continue
		}
		on = day.Of(at)
		if on.After(today) || on.Before(earliest) {
			return on, "时间不在合理范围内"
		}
		return on, ""
	}
	return on, "时间应为 2019/4/24 15:40:04 或 2019-04-24T15:40:04 的形式，且日期存在"
}

// tip is m as it came by channel to the intake office of jurisdiction.
func (m Message) tip(channel, jurisdiction string) *Tip {
	said := suggest(m.Title, m.Text)
	t := &Tip{
		ID: newID(m.SentOn), Jurisdiction: jurisdiction, Channel: channel, SourceID: m.ID,
		State: Received, Nature: Report, ReceivedOn: m.SentOn, Title: m.Title, Text: m.Text,
		Subject:   Subject{SubjectKind: Institution, InstitutionName: named(m.Title, m.Text)},
		Suggested: said.Category, Words: said.Words, HasIdentity: m.User != "",
	}
	t.SubjectKeys = t.keys()
	if m.Reply != "" {
		t.State, t.History, t.AnsweredOn = Closed, true, m.RepliedOn
	}
	if said.Category == Elsewhere {
		t.State, t.Reason = NotTraining, whereTo(m.Title, m.Text)
	}
	return t
}

// Imported is what became of a file.
type Imported struct {
	Received  int        `json:"received" description:"rows of the file"`
	Created   int        `json:"created"`
	Duplicate int        `json:"duplicate" description:"rows whose channel and id came before"`
	Rejected  []Rejected `json:"rejected" description:"rows that were not imported; at most 1000, where the import stops"`
}
