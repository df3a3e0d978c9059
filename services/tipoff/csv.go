package tipoff

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"xunguan/pkg/fault"
)

// Bounds of a file. A line is a physical one; a record may take several, between
// quotes.
const (
	peekSize    = 64 << 10
	maxLine     = 4 << 20
	maxRecord   = 2 << 20 // of lines, to find a closing quote in
	maxField    = 64 << 10
	maxRejected = 1000
)

// Rejected is a row that was not imported, and why.
type Rejected struct {
	Line   int    `json:"line" description:"physical line of the file, the first is 1"`
	Field  string `json:"field" description:"column, or row if it is none of one column"`
	Detail string `json:"detail"`
}

// A record is one row as text.
type record struct {
	line   int
	fields []string
}

// table reads a CSV file record by record, in UTF-8 or GB18030, and goes on after
// a broken one: with the next physical line.
type table struct {
	r       *bufio.Reader
	gbk     bool
	line    int // the last that was read
	waiting []physical
	columns []string
}

type physical struct {
	line int
	text []byte
	long bool // only its beginning is in text
}

// openTable reads the header of r. A file without the columns want is Invalid.
func openTable(r io.Reader, want ...string) (*table, error) {
	t := &table{r: bufio.NewReaderSize(r, peekSize)}
	head, err := t.r.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, _ = t.r.Discard(3)
	} else {
		t.gbk = looksGBK(head)
	}
	rec, bad, err := t.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fault.Invalid.Errorf("文件是空的")
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, fault.Invalid.Errorf("表头有误：%s", bad.Detail)
	}
	for _, c := range rec.fields {
		t.columns = append(t.columns, strings.ToLower(strings.TrimSpace(c)))
	}
	for _, c := range want {
		if t.at(c) < 0 {
			return nil, fault.Invalid.Errorf("表头缺少列 %s（应为 %s）", c, strings.Join(want, ","))
		}
	}
	return t, nil
}

// looksGBK reports whether most lines of head that are not plain ASCII are no
// UTF-8: one line in another encoding does not change that of the file.
func looksGBK(head []byte) bool {
	utf, other := 0, 0
	lines := bytes.Split(head, []byte("\n"))
	if len(lines) > 1 {
		lines = lines[:len(lines)-1] // the last may be cut within a character
	}
	for _, l := range lines {
		switch {
		case !utf8.Valid(l):
			other++
		case bytes.ContainsFunc(l, func(r rune) bool { return r >= utf8.RuneSelf }):
			utf++
		}
	}
	return other > utf
}

// at is where column is; -1 if nowhere.
func (t *table) at(column string) int {
	for i, c := range t.columns {
		if c == column {
			return i
		}
	}
	return -1
}

// take is the next physical line; io.EOF at the end.
func (t *table) take() (physical, error) {
	if len(t.waiting) > 0 {
		p := t.waiting[0]
		t.waiting = t.waiting[1:]
		return p, nil
	}
	p := physical{}
	for {
		part, err := t.r.ReadSlice('\n')
		if len(p.text)+len(part) <= maxLine {
			p.text = append(p.text, part...)
		} else {
			p.long = true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && (len(p.text) > 0 || p.long) {
			err = nil
		}
		if err != nil {
			return p, err
		}
		break
	}
	t.line++
	p.line = t.line
	p.text = bytes.TrimSuffix(bytes.TrimSuffix(p.text, []byte("\n")), []byte("\r"))
	return p, nil
}

// next is the next record, or why it is none; empty lines are passed over. The
// error is io.EOF at the end.
func (t *table) next() (record, *Rejected, error) {
	first, err := t.take()
	for err == nil && len(first.text) == 0 && !first.long {
		first, err = t.take()
	}
	if err != nil {
		return record{}, nil, err
	}
	var s splitter
	var more []physical
	size := 0
	for p := first; ; {
		size += len(p.text)
		if p.long || size > maxRecord && s.open || !s.feed(p.text) {
			t.waiting = append(more, t.waiting...)
			detail := "引号不配对"
			if p.long {
				detail = "一行过长"
			}
			return record{}, &Rejected{first.line, "row", detail}, nil
		}
		if !s.open {
			break
		}
		if p, err = t.take(); errors.Is(err, io.EOF) {
			t.waiting = more
			return record{}, &Rejected{first.line, "row", "引号没有结束"}, nil
		} else if err != nil {
			return record{}, nil, err
		}
		more = append(more, p)
	}
	return t.decode(first.line, s)
}

// decode is the record of what s has split.
func (t *table) decode(line int, s splitter) (record, *Rejected, error) {
	rec := record{line: line}
	for i, f := range s.fields {
		text, detail := t.text(f)
		if s.over == i+1 {
			detail = "字段过长"
		}
		if detail != "" {
			return rec, &Rejected{line, t.column(i), detail}, nil
		}
		rec.fields = append(rec.fields, text)
	}
	return rec, nil, nil
}

// column is the name of column i; row if it has none.
func (t *table) column(i int) string {
	if i < len(t.columns) && t.columns[i] != "" {
		return t.columns[i]
	}
	return "row"
}

// text is f in UTF-8, or what is wrong with it.
func (t *table) text(f []byte) (text, detail string) {
	if t.gbk {
		b, err := simplifiedchinese.GB18030.NewDecoder().Bytes(f)
		if err != nil {
			return "", "编码有误"
		}
		f = b
	}
	switch {
	case !utf8.Valid(f):
		return "", "编码与文件其余部分不同（应为 UTF-8）"
	case bytes.ContainsRune(f, utf8.RuneError):
		return "", "含有无法识别的字符"
	case bytes.ContainsFunc(f, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }):
		return "", "含有控制字符"
	}
	return string(f), ""
}

// splitter splits one record into fields, line by line, after RFC 4180.
type splitter struct {
	fields [][]byte
	cur    []byte
	open   bool // within quotes
	over   int  // 1 + the first field that is too long
}

func (s *splitter) add(b ...byte) {
	if len(s.cur)+len(b) > maxField {
		if s.over == 0 {
			s.over = len(s.fields) + 1
		}
		return
	}
	s.cur = append(s.cur, b...)
}

func (s *splitter) end() { s.fields, s.cur = append(s.fields, s.cur), nil }

// feed takes one line more; false if its quotes are wrong.
func (s *splitter) feed(line []byte) bool {
	if s.open {
		s.add('\n')
	}
	for {
		if !s.open {
			if len(line) > 0 && line[0] == '"' {
				s.open, line = true, line[1:]
				continue
			}
			field, rest, more := bytes.Cut(line, []byte(","))
			if bytes.IndexByte(field, '"') >= 0 {
				return false
			}
			s.add(field...)
			s.end()
			if !more {
				return true
			}
			line = rest
			continue
		}
		text, rest, closed := bytes.Cut(line, []byte(`"`))
		s.add(text...)
		switch {
		case !closed:
			return true // still open
		case len(rest) > 0 && rest[0] == '"':
			s.add('"')
			line = rest[1:]
		case len(rest) == 0:
			s.open = false
			s.end()
			return true
		case rest[0] == ',':
			s.open = false
			s.end()
			line = rest[1:]
		default:
			return false
		}
	}
}
