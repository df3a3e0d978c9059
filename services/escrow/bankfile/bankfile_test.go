package bankfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"xunguan/pkg/day"
)

var monday = Header{Layout: CSV, Charset: UTF8, Content: Movements, Bank: "苏州银行", Day: day.MustParse("2026-03-02"), Part: 1, Parts: 1}

func moved(id string, amount int64, direction string) Record {
	return Record{
		Kind: Movement, ID: id, Agreement: "苏监管协〔2026〕001号", Account: Custody, Direction: direction, Amount: amount,
		At: time.Date(2026, 3, 2, 10, 11, 12, 0, day.Shanghai), Purpose: "tuition", Reference: "REF-" + id,
	}
}

// write is a file of records.
func write(t interface{ Fatal(...any) }, h Header, records ...Record) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	for _, r := range records {
		if err == nil {
			err = w.Write(r)
		}
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read is what a file says, and what is wrong with it.
func read(in io.Reader) (*Reader, []Record) {
	var records []Record
	f := NewReader(in)
	for f.Next() {
		records = append(records, f.Record())
	}
	return f, records
}

// sealed is lines of a CSV file with a right trailer.
func sealed(records int, in, out string, lines ...string) string {
	body := strings.Join(lines, "\n") + "\n"
	sum := sha256.Sum256([]byte(body))
	return body + fmt.Sprintf("T,%d,%s,%s,%s\n", records, in, out, hex.EncodeToString(sum[:]))
}

const (
	head = "H,XG1,csv,UTF-8,movements,苏州银行,2026-03-02,1,1"
	good = "M,T1,协-1,custody,in,480000,2026-03-02T09:00:00,tuition,REF-1"
)

// TestHostile is files as they come from strangers: each is refused, with the line
// and what is wrong with it.
func TestHostile(t *testing.T) {
	t.Parallel()
	right := sealed(1, "480000", "0", head, good)
	line := func(change ...string) string { return strings.NewReplacer(change...).Replace(good) }
	one := func(l string) string { return sealed(1, "480000", "0", head, l) }
	gbk, _ := GBK.encode(strings.Replace(head, "UTF-8", "GBK", 1))
	for _, tt := range []struct{ name, file, want string }{
		{"right", right, ""},
		{"right, with a BOM", "\xef\xbb\xbf" + right, ""},
		{"right, with CRLF", strings.ReplaceAll(right, "\n", "\r\n"), ""},
		{"right, without the last newline", strings.TrimSuffix(right, "\n"), ""},
		{"empty", "", "第 1 行：文件到此为止"},
		{"a BOM alone", "\xef\xbb\xbf", "第 1 行：文件到此为止"},
		{"UTF-16", "\xff\xfeH\x00,\x00X\x00", "第 1 行：文件头无法识别"},
		{"another format", "流水号,金额\n1,2\n", "第 1 行：文件头无法识别"},
		{"another version", strings.Replace(right, "XG1", "XG2", 1), "第 1 行：文件头无法识别"},
		{"an unknown charset", strings.Replace(right, "UTF-8", "BIG5", 1), "第 1 行 charset：应为 UTF-8、GBK"},
		{"an unknown layout", strings.Replace(right, ",csv,", ",xml,", 1), "第 1 行 layout"},
		{"fixed, it says", strings.Replace(right, ",csv,", ",fixed,", 1), "第 1 行 layout：文件头为 csv 格式"},
		{"an unknown content", strings.Replace(right, "movements", "everything", 1), "第 1 行 content"},
		{"orders, it says", strings.Replace(right, "movements", "orders", 1), "第 2 行：行首应为 P"},
		{"a GBK header that says UTF-8", string(slices.Concat([]byte("H,XG1,csv,UTF-8,movements,"), gbk[24:28], []byte(",2026-03-02,1,1\n"))), "第 1 行 bank：不是 UTF-8 编码"},
		{"a UTF-8 header that says GBK", strings.Replace(right, "UTF-8", "GBK", 1), "第 1 行 bank：不是 GBK 编码"},
		{"a BOM before GBK", "\xef\xbb\xbf" + strings.Replace(right, "UTF-8", "GBK", 1), "第 1 行"},
		{"no bank", strings.Replace(right, "苏州银行", "", 1), "第 1 行 bank：必填"},
		{"a day that is none", strings.Replace(right, "2026-03-02,1", "2026-02-30,1", 1), "第 1 行 day"},
		{"part 2 of 1", strings.Replace(right, ",1,1\n", ",2,1\n", 1), "第 1 行 part"},
		{"part 0", strings.Replace(right, ",1,1\n", ",0,1\n", 1), "第 1 行 part"},
		{"a field too few in the header", strings.Replace(right, ",1,1\n", ",1\n", 1), "第 1 行：应有 7 个字段"},

		{"negative", one(line("480000", "-480000")), "第 2 行 amount：金额不能为负数"},
		{"negative in brackets", one(line("480000", "(480000)")), "第 2 行 amount：金额不能为负数"},
		{"zero", one(line("480000", "0")), "第 2 行 amount：金额应大于 0"},
		{"a fraction", one(line("480000", "4800.00")), "第 2 行 amount：金额以分为单位"},
		{"thousands", one(line("480000", `"480,000"`)), "第 2 行 amount：金额以分为单位"},
		{"full-width digits", one(line("480000", "４８００００")), "第 2 行 amount：金额以分为单位"},
		{"an exponent", one(line("480000", "48e4")), "第 2 行 amount：金额以分为单位"},
		{"a plus", one(line("480000", "+480000")), "第 2 行 amount：金额以分为单位"},
		{"overflow", one(line("480000", "9223372036854775808")), "第 2 行 amount：金额超出范围"},
		{"overflow, by far", one(line("480000", strings.Repeat("9", 300))), "第 2 行 amount：金额超出范围"},
		{"more than there is", one(line("480000", "1000000000000001")), "第 2 行 amount：金额超出范围"},
		{"no amount", one(line("480000", "")), "第 2 行 amount：必填"},
		{"no id", one(line("T1", "")), "第 2 行 id：必填"},
		{"an id with a space", one(line("T1", "T 1")), "第 2 行 id：应为不含空格"},
		{"an id with a NUL", one(line("T1", "T\x001")), "第 2 行 id"},
		{"an id too long", one(line("T1", strings.Repeat("T", 65))), "第 2 行 id：超过 64"},
		{"no agreement", one(line("协-1", "")), "第 2 行 agreement：必填"},
		{"a tab in a text", one(line("协-1", "协\t1")), "第 2 行 agreement：含有控制字符"},
		{"white space around", one(line("协-1", " 协-1")), "第 2 行 agreement：首尾有空白"},
		{"broken UTF-8", one(line("协-1", "\xe5\x8d")), "第 2 行 agreement：不是 UTF-8 编码"},
		{"GBK among UTF-8", one(line("协-1", "\xbc\xe0-1")), "第 2 行 agreement：不是 UTF-8 编码"},
		{"another account", one(line("custody", "savings")), "第 2 行 account：应为 custody、deposit"},
		{"another direction", one(line(",in,", ",IN,")), "第 2 行 direction"},
		{"another purpose", one(line("tuition", "bonus")), "第 2 行 purpose"},
		{"a time that is none", one(line("T09:00:00", "T24:00:00")), "第 2 行 at：时间应为"},
		{"a day that is none, in a record", one(line("2026-03-02T", "2026-02-30T")), "第 2 行 at：时间应为"},
		{"tomorrow", one(line("2026-03-02T", "2026-03-03T")), "第 2 行 at：晚于文件所属日期 2026-03-02"},
		{"a quote", one(line("REF-1", `REF"1`)), "第 2 行：引号不配对"},
		{"an open quote", one(line("REF-1", `"REF-1`)), "第 2 行：引号不配对"},
		{"a field too many", one(good + ",x"), "第 2 行：应有 8 个字段"},
		{"a field too few", one(line(",REF-1", "")), "第 2 行：应有 8 个字段"},
		{"an unknown record", one("X" + good[1:]), "第 2 行：行首应为 M、B 或 T"},
		{"an empty line", sealed(1, "480000", "0", head, "", good), "第 2 行：空行"},
		{"a long line", sealed(1, "480000", "0", head, good+strings.Repeat("x", 2000)), "第 2 行：超过 1024 字节"},

		{"an id twice", sealed(2, "960000", "0", head, good, good), "第 3 行 id：与第 2 行重复"},
		{"an id twice, far apart", sealed(3, "1440000", "0", head, good, line("T1", "T2"), line("T1", "T1", "in", "out")), "第 4 行 id：与第 2 行重复"},
		{"a balance twice", sealed(2, "0", "0", head, "B,协-1,custody,1", "B,协-1,custody,2"), "第 3 行 id：与第 2 行重复"},
		{"a sum that overflows", overflowing(), "合计金额超出范围"},

		{"no trailer", strings.Join([]string{head, good, ""}, "\n"), "第 2 行：文件到此为止，缺少尾记录"},
		{"cut within a line", right[:len(head)+20], "第 2 行"},
		{"a record less than it says", sealed(2, "480000", "0", head, good), `第 3 行 records：尾记录写 "2"，实际为 1`},
		{"a negative count", sealed(-1, "480000", "0", head, good), "第 3 行 records"},
		{"another sum in", sealed(1, "480001", "0", head, good), `第 3 行 in：尾记录写 "480001"，实际为 480000`},
		{"another sum out", sealed(1, "480000", "1", head, good), "第 3 行 out"},
		{"a sum that is none", sealed(1, "x", "0", head, good), "第 3 行 in"},
		{"a sum beyond all numbers", sealed(1, strings.Repeat("9", 40), "0", head, good), "第 3 行 in"},
		{"another digest", strings.Replace(right, "\nT,", "\nT,", 1)[:len(right)-3] + "00\n", "第 3 行 digest"},
		{"an amount changed on the way", strings.Replace(right, "480000,2026", "480001,2026", 1), "第 3 行 in"},
		{"a reference changed on the way", strings.Replace(right, "REF-1", "REF-2", 1), "第 3 行 digest"},
		{"lines in another order", reordered(), "digest"},
		{"something after the trailer", right + good + "\n", "第 4 行：尾记录之后还有内容"},
		{"two files in one", right + right, "第 4 行：尾记录之后还有内容"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, records := read(strings.NewReader(tt.file))
			var all []string
			for _, p := range f.Problems() {
				all = append(all, p.String())
			}
			got := strings.Join(all, "\n")
			if f.Err() != nil || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%v %q, want %q", f.Err(), got, tt.want)
			}
			if tt.want == "" && len(records) != 1 {
				t.Errorf("%d records", len(records))
			}
		})
	}
}

// overflowing is a file whose sum is beyond what its trailer can hold.
func overflowing() string {
	lines := []string{head}
	for i := range 1001 {
		lines = append(lines, strings.NewReplacer("T1", fmt.Sprint("T", i), "480000", "1000000000000000").Replace(good))
	}
	return sealed(1001, "0", "0", lines...)
}

// reordered is a file whose first two records changed places after it was sealed.
func reordered() string {
	lines := strings.SplitAfter(sealed(2, "960000", "0", head, good, strings.Replace(good, "T1", "T2", 1)), "\n")
	lines[1], lines[2] = lines[2], lines[1]
	return strings.Join(lines, "")
}

// TestProblems is that every bad line is named, to a bound.
func TestProblems(t *testing.T) {
	t.Parallel()
	lines := []string{head}
	for i := range 300 {
		lines = append(lines, strings.NewReplacer("T1", fmt.Sprint("T", i), "480000", "-1").Replace(good))
	}
	f, _ := read(strings.NewReader(sealed(300, "0", "0", lines...)))
	p := f.Problems()
	if len(p) != MaxProblems+1 || p[0].Line != 2 || p[99].Line != 101 || p[100].Detail != "问题过多，其后不再检查" {
		t.Errorf("%d problems, the first %v, the last %v", len(p), p[0], p[len(p)-1])
	}
}

// endless is a file that has no end: a header, and the same line again and again.
type endless struct {
	n    int64
	line func(i int64) string
	rest string
}

func (e *endless) Read(b []byte) (int, error) {
	for len(e.rest) < len(b) {
		e.rest += e.line(e.n)
		e.n++
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestGigabytes reads what never ends, and sees that reading does, and that memory
// stays bounded.
func TestGigabytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		line func(i int64) string
		want string
	}{
		{"one line", func(i int64) string {
			if i == 0 {
				return head + "\nM,"
			}
			return strings.Repeat("9", 4096)
		}, "超过 1024 字节"},
		{"records", func(i int64) string {
			if i == 0 {
				return head + "\n"
			}
			return fmt.Sprint("M,T", i, ",协-1,custody,in,1,2026-03-02T09:00:00,tuition,REF-1\n")
		}, "超过 500000 条记录"},
		{"empty lines", func(int64) string { return "\n" }, "空行"},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f := NewReader(&endless{line: tt.line})
		for f.Next() {
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		p := f.Problems()
		if len(p) != 1 || !strings.Contains(p[0].Detail, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, p, tt.want)
		}
		if after.HeapAlloc > before.HeapAlloc+64<<20 {
			t.Errorf("%s: %d MiB in use, %d before", tt.name, after.HeapAlloc>>20, before.HeapAlloc>>20)
		}
		runtime.KeepAlive(f)
	}
}

// broken fails after some bytes.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestErr(t *testing.T) {
	t.Parallel()
	f, _ := read(broken{strings.NewReader(head + "\n" + good + "\n")})
	if f.Err() == nil || len(f.Problems()) != 0 {
		t.Errorf("%v, problems %v: want the reader's own error", f.Err(), f.Problems())
	}
}

// drawn is a file as it may be, of any layout, charset and content.
func drawn(t *rapid.T) (Header, []Record) {
	h := Header{
		Layout: rapid.SampledFrom([]Layout{CSV, Fixed}).Draw(t, "layout"), Charset: rapid.SampledFrom([]Charset{UTF8, GBK}).Draw(t, "charset"),
		Content: rapid.SampledFrom([]Content{Movements, Orders}).Draw(t, "content"),
		Bank:    rapid.StringMatching(`[银行苏州农商〔〕a-z",]{1,30}`).Draw(t, "bank"), Day: day.MustParse("2026-03-02").AddDays(rapid.IntRange(0, 3000).Draw(t, "day")),
		Parts: rapid.IntRange(1, 9999).Draw(t, "parts"),
	}
	h.Part = rapid.IntRange(1, h.Parts).Draw(t, "part")
	code := rapid.StringMatching(`[!-~]{0,64}`)
	text := rapid.StringMatching(`[监管协议苏号一〔〕龘A-Z0-9",-]{1,28}`)
	var records []Record
	for i := range rapid.IntRange(0, 20).Draw(t, "records") {
		r := Record{Kind: rapid.SampledFrom(kinds[h.Content]).Draw(t, "kind"), Agreement: text.Draw(t, "agreement"), Amount: rapid.Int64Range(1, MaxAmount).Draw(t, "amount")}
		switch r.Kind {
		case Movement:
			r.ID, r.Account = fmt.Sprint(i, "-", code.Filter(func(s string) bool { return len(s) < 50 }).Draw(t, "id")), rapid.SampledFrom([]string{Custody, Deposit}).Draw(t, "account")
			r.Direction, r.Purpose = rapid.SampledFrom([]string{In, Out}).Draw(t, "direction"), rapid.SampledFrom(Purposes).Draw(t, "purpose")
			r.At, r.Reference = h.Day.Start().Add(time.Duration(rapid.IntRange(0, 86399).Draw(t, "at"))*time.Second), code.Draw(t, "reference")
		case Balance:
			r.Account, r.Agreement = rapid.SampledFrom([]string{Custody, Deposit}).Draw(t, "account"), fmt.Sprint(r.Agreement, i)
		case Order:
			r.ID, r.Purpose = fmt.Sprint("P", i), rapid.SampledFrom(Purposes).Draw(t, "purpose")
			r.Reference, r.Original = code.Draw(t, "reference"), code.Draw(t, "original")
		case Transfer:
			r.ID, r.Reference, r.Original = fmt.Sprint("P", i), code.Draw(t, "reference"), code.Draw(t, "original")
			r.PayeeBank, r.Payee = text.Draw(t, "payee bank"), text.Draw(t, "payee")
		}
		records = append(records, r)
	}
	return h, records
}

// TestIdentity is that what a Writer wrote a Reader reads as it was, whatever the
// layout, the charset and the ends of lines.
func TestIdentity(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, records := drawn(t)
		file := write(t, h, records...)
		if rapid.Bool().Draw(t, "crlf") {
			file = bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))
		}
		f, got := read(bytes.NewReader(file))
		if f.Err() != nil || len(f.Problems()) > 0 {
			t.Fatal(f.Err(), f.Problems())
		}
		if diff := cmp.Diff(h, f.Header(), cmp.Comparer(func(a, b day.Date) bool { return a == b })); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(records, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestOneBit is that a file in which any one bit changed on its way is refused, or
// says the same: the case of a digit of the digest, or of nothing.
func TestOneBit(t *testing.T) {
	t.Parallel()
	for _, layout := range []Layout{CSV, Fixed} {
		for _, charset := range []Charset{UTF8, GBK} {
			h := monday
			h.Layout, h.Charset = layout, charset
			file := write(t, h, moved("T1", 480000, In), moved("T2", 12000, Out), Record{Kind: Balance, Agreement: "协", Account: Custody, Amount: 468000})
			for i := range file {
				for bit := range 8 {
					changed := bytes.Clone(file)
					changed[i] ^= 1 << bit
					f, _ := read(bytes.NewReader(changed))
					if len(f.Problems()) == 0 {
						t.Errorf("%s %s: bit %d of byte %d (%q) changed unseen", layout, charset, bit, i, file[i])
					}
				}
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	gbk := monday
	gbk.Charset = GBK
	fixed := monday
	fixed.Layout = Fixed
	orders := monday
	orders.Content = Orders
	change := func(f func(*Record)) Record { r := moved("T1", 1, In); f(&r); return r }
	for _, tt := range []struct {
		name string
		h    Header
		r    Record
	}{
		{"a negative amount", monday, moved("T1", -1, In)},
		{"nothing", monday, moved("T1", 0, In)},
		{"too much", monday, moved("T1", MaxAmount+1, In)},
		{"an order among movements", monday, Record{Kind: Order, ID: "P", Agreement: "x", Purpose: "release", Amount: 1}},
		{"a transfer among movements", monday, Record{Kind: Transfer, ID: "P", Agreement: "x", Amount: 1, PayeeBank: "b", Payee: "y"}},
		{"a transfer to nobody", orders, Record{Kind: Transfer, ID: "P", Agreement: "x", Amount: 1, PayeeBank: "b"}},
		{"a transfer to no bank", orders, Record{Kind: Transfer, ID: "P", Agreement: "x", Amount: 1, Payee: "y"}},
		{"no kind", monday, Record{}},
		{"no id", monday, moved("", 1, In)},
		{"what GBK has not", gbk, change(func(r *Record) { r.Agreement = "协😀" })},
		{"a text too long", fixed, change(func(r *Record) { r.Agreement = strings.Repeat("协", 61) })},
		{"a newline", monday, change(func(r *Record) { r.Agreement = "协\n议" })},
		{"no purpose", monday, change(func(r *Record) { r.Purpose = "" })},
		{"before all days", monday, change(func(r *Record) { r.At = time.Time{} })},
	} {
		w, err := NewWriter(io.Discard, tt.h)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(tt.r); err == nil {
			t.Errorf("%s was written", tt.name)
		}
	}
	if _, err := NewWriter(io.Discard, Header{}); err == nil {
		t.Error("a header of nothing was written")
	}
}

// FuzzRead is that no bytes crash a Reader, that it ends, and that a file which it
// takes is one that a Writer would write.
func FuzzRead(f *testing.F) {
	for _, layout := range []Layout{CSV, Fixed} {
		for _, charset := range []Charset{UTF8, GBK} {
			h := monday
			h.Layout, h.Charset = layout, charset
			f.Add(write(f, h, moved("T1", 480000, In), Record{Kind: Balance, Agreement: "协", Account: Deposit, Amount: 0}))
			h.Content = Orders
			f.Add(write(f, h, Record{Kind: Order, ID: "P1", Agreement: "协", Purpose: "refund", Amount: 5, Reference: "r", Original: "REF"},
				Record{Kind: Transfer, ID: "P2", Agreement: "协", Amount: 5, Reference: "r", Original: "TAKEOVER-1", PayeeBank: "银行", Payee: "协二"}))
		}
	}
	for _, s := range []string{
		"", "\xef\xbb\xbf", "\xff\xfe", "H", "H,XG1", "HXG1", head, head + "\n", head + "\nT,0,0,0,\n", head + "\n" + good, overflowing()[:2000], reordered(),
		head + "\nM,\"\n", strings.Repeat("H,XG1,", 400), "HXG1" + strings.Repeat(" ", 217), "HXG1" + strings.Repeat("\xff", 217),
		sealed(1, "480000", "0", head, good) + "x", strings.Replace(sealed(1, "480000", "0", head, good), "UTF-8", "GBK", 1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, records := read(bytes.NewReader(file))
		if len(r.Problems()) > MaxProblems+3 { // those of one line, and that there are too many
			t.Fatalf("%d problems", len(r.Problems()))
		}
		for _, p := range r.Problems() {
			if p.Line < 1 || p.Detail == "" {
				t.Fatalf("a problem without a place or words: %+v", p)
			}
		}
		if len(r.Problems()) > 0 || r.Err() != nil {
			return
		}
		again, same := read(bytes.NewReader(write(t, r.Header(), records...)))
		if len(again.Problems()) > 0 || again.Header() != r.Header() || !cmp.Equal(records, same) {
			t.Fatalf("read as %+v, written again as %+v: %v", records, same, again.Problems())
		}
	})
}

// FuzzLine is one record of any text, in every layout and charset: what is written
// is read as it was.
func FuzzLine(f *testing.F) {
	f.Add("T1", "苏监管协〔2026〕001号", "REF-1", int64(480000), uint8(0))
	f.Add("T,1", `协"，",1`, "", int64(1), uint8(1))
	f.Add("~", "龘", "!", int64(MaxAmount), uint8(2))
	f.Add("-1", "(1)", "'--", int64(-1), uint8(3))
	f.Fuzz(func(t *testing.T, id, agreement, reference string, amount int64, form uint8) {
		h := monday
		h.Layout, h.Charset = []Layout{CSV, Fixed}[form&1], []Charset{UTF8, GBK}[form>>1&1]
		r := moved(id, amount, In)
		r.Agreement, r.Reference = agreement, reference
		var b bytes.Buffer
		w, err := NewWriter(&b, h)
		if err != nil {
			t.Fatal(err)
		}
		if w.Write(r) != nil {
			return // what a Reader would refuse, a Writer does
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, records := read(&b)
		if len(got.Problems()) > 0 || !cmp.Equal([]Record{r}, records) {
			t.Fatalf("wrote %+v, read %+v: %v", r, records, got.Problems())
		}
	})
}
