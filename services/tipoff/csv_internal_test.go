package tipoff

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"xunguan/pkg/day"
)

const header = "id,user,subject,sent_at,text,reply,replied_at\n"

var someday = day.MustParse("2026-11-20")

// readAll reads file to its end.
func readAll(file []byte) (ms []Message, bad []Rejected, err error) {
	t, err := openTable(bytes.NewReader(file), importColumns...)
	if err != nil {
		return nil, nil, err
	}
	for {
		rec, r, err := t.next()
		if errors.Is(err, io.EOF) {
			return ms, bad, nil
		}
		if err != nil {
			return ms, bad, err
		}
		var m Message
		if r == nil {
			m, r = t.message(rec, someday)
		}
		if r != nil {
			bad = append(bad, *r)
		} else {
			ms = append(ms, m)
		}
	}
}

func gbk(t testing.TB, s string) string {
	t.Helper()
	b, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func good(id string) string {
	return id + ",U1,投诉培训机构,2019/4/24 15:40:04,某培训机构不退费,,\n"
}

// TestBroken is twenty rows that cannot be imported, among good ones; each is
// reported by its physical line, and the rest comes through.
func TestBroken(t *testing.T) {
	big := strings.Repeat("长", 350000) // over 1 MB
	rows := []struct{ text, field string }{
		{"b1,U1,主题,2019/2/30 10:00:00,内容文字,,\n", "sent_at"},
		{"b2,U1,主题,not a date,内容文字,,\n", "sent_at"},
		{"b3,U1,主题,,内容文字,,\n", "sent_at"},
		{"b4,U1,主题,2099/1/1 10:00:00,内容文字,,\n", "sent_at"},
		{"b5,U1,主题,1969/1/1 10:00:00,内容文字,,\n", "sent_at"},
		{"b6,U1,主题,2019/4/24 25:61:00,内容文字,,\n", "sent_at"},
		{",U1,主题,2019/4/24 15:40:04,内容文字,,\n", "id"},
		{"b 8;DROP,U1,主题,2019/4/24 15:40:04,内容文字,,\n", "id"},
		{"b9,U1,主题,2019/4/24 15:40:04,,,\n", "text"},
		{"b10,U1,主题,2019/4/24 15:40:04,内容文字,答复,\n", "replied_at"},
		{"b11,U1,主题,2019/4/24 15:40:04,内容文字,答复,2019/4/23 10:00:00\n", "replied_at"},
		{"b12,U1,主题,2019/4/24 15:40:04,内容文字,,2019/4/25 10:00:00\n", "reply"},
		{"b13,U1,主题\n", "row"},
		{"b14,U1,主题,2019/4/24 15:40:04,内容,文字,,,,\n", "row"},
		{"b15,U1,\"主题,2019/4/24 15:40:04,内容文字,,\n", "row"},
		{"b16,U1,主\"题,2019/4/24 15:40:04,内容文字,,\n", "row"},
		{"b17,U1,\"主题\"x,2019/4/24 15:40:04,内容文字,,\n", "row"},
		{"b18,U1,主题,2019/4/24 15:40:04," + big + ",,\n", "text"},
		{"b19,U1," + gbk(t, "投诉培训机构乱收费") + ",2019/4/24 15:40:04,内容文字,,\n", "subject"},
		{"b20,U1,主题,2019/4/24 15:40:04,内容\x00文字,,\n", "text"},
	}
	file, line := header, 1
	var want []Rejected
	for i, r := range rows {
		file += good("g" + string(rune('a'+i)))
		file += r.text
		line += 2
		want = append(want, Rejected{Line: line, Field: r.field})
	}
	file += "multi,U1,\"一行,\r\n\"\"两行\"\"\",2019-04-24T15:40:04,\"内容\n文字\",,\r\n" + strings.TrimSuffix(good("last"), "\n")
	ms, bad, err := readAll([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for i := range bad {
		if bad[i].Detail == "" {
			t.Errorf("line %d without a reason", bad[i].Line)
		}
		bad[i].Detail = ""
	}
	if d := cmp.Diff(want, bad); d != "" {
		t.Error(d)
	}
	if len(ms) != len(rows)+2 || ms[len(rows)].Title != "一行,\n\"两行\"" || ms[len(rows)].Text != "内容\n文字" {
		t.Errorf("%d good rows, want %d; %+v", len(ms), len(rows)+2, ms[len(ms)-2:])
	}
}

func TestEncodings(t *testing.T) {
	text := header + good("1") + good("2")
	for name, file := range map[string]string{
		"UTF-8": text, "with BOM": "\xef\xbb\xbf" + text, "GB18030": gbk(t, text), "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
		"GB18030 after much ASCII": gbk(t, header+strings.Repeat("x,,,,,,\n", 5000)+good("1")+good("2")),
	} {
		ms, _, err := readAll([]byte(file))
		if err != nil || len(ms) != 2 || ms[0].Title != "投诉培训机构" || ms[0].SentOn != day.MustParse("2019-04-24") {
			t.Errorf("%s: %+v, %v", name, ms, err)
		}
	}
	for name, file := range map[string]string{"empty": "", "no column": "id,text\n1,x\n", "quotes in the header": "\"id,text\n"} {
		if _, _, err := readAll([]byte(file)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestUnclosedQuote: a quote that nobody closes costs its own row alone, and
// reading to the end stays quick.
func TestUnclosedQuote(t *testing.T) {
	file := header + "x,U1,\"主题,2019/4/24 15:40:04,内容,,\n" + strings.Repeat(good("g"), 20000)
	start := time.Now()
	ms, bad, err := readAll([]byte(file))
	if err != nil || len(ms) != 20000 || len(bad) != 1 || bad[0].Line != 2 {
		t.Errorf("%d rows, rejected %v, %v", len(ms), bad, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestDecoderAgrees: what encoding/csv reads of the real file, we read.
func TestDecoderAgrees(t *testing.T) {
	name := "/work/shared/data/citizen-messages.csv"
	file, err := os.ReadFile(name)
	if err != nil {
		file = sample
	}
	theirs, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	tab, err := openTable(bytes.NewReader(file), importColumns...)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range theirs[1:] {
		rec, bad, err := tab.next()
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		if d := cmp.Diff(row, rec.fields); d != "" {
			t.Fatal(d)
		}
	}
	ms, bad, err := readAll(file)
	if err != nil || bad != nil || len(ms) != len(theirs)-1 {
		t.Errorf("%d of %d rows, %v, %v", len(ms), len(theirs)-1, bad, err)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte(header + good("1")))
	f.Add([]byte(header + "1,\"a\nb\",\"c\"\"d\",2019/4/24,x,,\n\"\"\"\n"))
	f.Add([]byte("\xef\xbb\xbf" + header + "\"\n\"\n\"x"))
	f.Add([]byte(gbk(f, header+good("1"))))
	f.Fuzz(func(t *testing.T, file []byte) {
		ms, bad, err := readAll(file)
		if err != nil {
			return
		}
		lines := bytes.Count(file, []byte("\n")) + 1
		if len(ms)+len(bad) > lines {
			t.Fatalf("%d rows and %d rejected of %d lines", len(ms), len(bad), lines)
		}
		for _, r := range bad {
			if r.Line < 2 || r.Line > lines || r.Field == "" || r.Detail == "" {
				t.Fatalf("%+v of %d lines", r, lines)
			}
		}
		for _, m := range ms {
			if m.ID == "" || m.Text == "" || m.SentOn.IsZero() || (m.Reply == "") != m.RepliedOn.IsZero() {
				t.Fatalf("%+v", m)
			}
		}
	})
}
