package bankfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"xunguan/pkg/day"
)

// Reader reads one file, record by record. What is wrong with it is in Problems;
// only a file that was read to its end without any is to be believed.
type Reader struct {
	in       *bufio.Reader
	header   Header
	trailer  Trailer // as counted
	sum      hash.Hash
	line     int
	record   Record
	seen     map[[16]byte]int32 // digest of an id: its line
	problems []Problem
	over     bool // the trailer was read, or there is no use in reading on
	err      error
}

// NewReader reads the header of r.
func NewReader(r io.Reader) *Reader {
	f := &Reader{in: bufio.NewReaderSize(r, MaxLine+2), sum: sha256.New(), seen: map[[16]byte]int32{}}
	if mark, err := f.in.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = f.in.Discard(3)
		f.header.Charset = UTF8
	}
	if line, ok := f.next(); ok {
		f.open(line)
	}
	f.over = f.over || len(f.problems) > 0
	return f
}

// Header is the file's; it means nothing if there are Problems.
func (f *Reader) Header() Header { return f.header }

// Record is the one that Next has read.
func (f *Reader) Record() Record { return f.record }

// Line is the physical line that was read last.
func (f *Reader) Line() int { return f.line }

// Problems is what is wrong with what was read so far.
func (f *Reader) Problems() []Problem { return f.problems }

// Trailer is what was counted so far.
func (f *Reader) Trailer() Trailer { return f.trailer }

// Err is why the file could not be read on: its sender's or the way's fault, not
// the content's.
func (f *Reader) Err() error { return f.err }

// Next reads the next record that is right, passing over what is not; false at the
// end, or when there is no use in reading on.
func (f *Reader) Next() bool {
	for !f.over && f.err == nil {
		line, ok := f.next()
		if !ok {
			return false
		}
		if line[0] == 'T' {
			f.close(line)
			return false
		}
		f.digest(line)
		if r, ok := f.parse(line); ok {
			f.record = r
			return true
		}
		if len(f.problems) >= MaxProblems {
			f.stop("问题过多，其后不再检查")
		}
	}
	return false
}

// bad notes what is wrong with the line that was read last.
func (f *Reader) bad(name, format string, args ...any) {
	f.problems = append(f.problems, Problem{max(f.line, 1), name, fmt.Sprintf(format, args...)})
}

// stop notes a problem after which nothing can be made of the rest.
func (f *Reader) stop(format string, args ...any) {
	f.bad("", format, args...)
	f.over = true
}

// digest counts line in, as it would end after a Writer.
func (f *Reader) digest(line []byte) {
	_, _ = f.sum.Write(line) // a hash never fails
	_, _ = f.sum.Write([]byte{'\n'})
}

// next is the next physical line, without its end; false at the end of what can be
// read, which is a problem: the trailer was not seen yet.
func (f *Reader) next() ([]byte, bool) {
	line, err := f.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		f.line++
		f.stop("超过 %d 字节", MaxLine)
		return nil, false
	case errors.Is(err, io.EOF) && len(line) == 0:
		f.stop("文件到此为止，缺少尾记录：文件不完整")
		return nil, false
	case err != nil && !errors.Is(err, io.EOF):
		f.err = err
		return nil, false
	}
	f.line++
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) == 0 {
		f.stop("空行")
		return nil, false
	}
	return line, true
}

// open reads the header line.
func (f *Reader) open(line []byte) {
	layout := CSV
	marked, ok := bytes.CutPrefix(line, []byte("H,"+Version+","))
	if !ok {
		layout = Fixed
		marked, ok = bytes.CutPrefix(line, []byte("H"+Version))
	}
	if !ok {
		f.bad("", "文件头无法识别：应以 H,%s 或 H%s 开头，编码为 UTF-8 或 GBK", Version, Version)
		return
	}
	parts, wrong := layout.split(marked, headerWidths)
	if wrong != "" {
		f.bad("", "%s", wrong)
		return
	}
	h := Header{Layout: Layout(parts[0]), Charset: Charset(parts[1]), Content: Content(parts[2])}
	bank, ok := h.Charset.decode(parts[3])
	if !ok {
		f.bad("bank", "不是 %s 编码", h.Charset)
		return
	}
	h.Bank = bank
	h.Day, _ = day.Parse(string(parts[4])) // check looks at it
	h.Part, h.Parts = count(parts[5]), count(parts[6])
	name, wrong := h.check()
	switch {
	case wrong != "":
		f.bad(name, "%s", wrong)
	case h.Layout != layout:
		f.bad("layout", "文件头为 %s 格式，却写明 %s", layout, h.Layout)
	case f.header.Charset == UTF8 && h.Charset != UTF8:
		f.bad("charset", "文件以 UTF-8 的 BOM 开头，却写明 %s", h.Charset)
	default:
		f.header = h
		f.digest(line)
	}
}

// count is b as a whole number; -1 if it is none.
func count(b []byte) int {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 || len(b) > 9 {
		return -1
	}
	return n
}

// parse is line as a record; false if there is something wrong with it.
func (f *Reader) parse(line []byte) (Record, bool) {
	r, was := Record{Kind: Kind(line[0])}, len(f.problems)
	fields := layouts[r.Kind]
	if fields == nil || !slices.Contains(kinds[f.header.Content], r.Kind) {
		f.bad("", "行首应为 %s 或 T", names(kinds[f.header.Content]))
		return r, false
	}
	widths := make([]int, len(fields))
	for i, c := range fields {
		widths[i] = c.width
	}
	rest := line[1:]
	if f.header.Layout == CSV {
		var ok bool
		if rest, ok = bytes.CutPrefix(rest, []byte(",")); !ok {
			f.bad("", "行首之后应为逗号")
			return r, false
		}
	}
	parts, wrong := f.header.Layout.split(rest, widths)
	if wrong != "" {
		f.bad("", "%s", wrong)
		return r, false
	}
	for i, c := range fields {
		text, ok := f.header.Charset.decode(parts[i])
		if !ok {
			f.bad(c.name, "不是 %s 编码", f.header.Charset)
		} else if wrong := c.set(&r, text); wrong != "" {
			f.bad(c.name, "%s", wrong)
		}
	}
	if len(f.problems) > was {
		return r, false
	}
	return r, f.accept(r)
}

// accept counts r, whose fields are right; false if the file cannot have it.
func (f *Reader) accept(r Record) bool {
	if day.Of(r.At).After(f.header.Day) && r.Kind == Movement {
		f.bad("at", "晚于文件所属日期 %s", f.header.Day)
		return false
	}
	id := r.ID
	if r.Kind == Balance {
		id = r.Account + " " + r.Agreement // one balance of each account
	}
	sum := sha256.Sum256([]byte(string(rune(r.Kind)) + id))
	key := [16]byte(sum[:16])
	if first, twice := f.seen[key]; twice {
		f.bad("id", "与第 %d 行重复", first)
		return false
	}
	if f.trailer.Records == MaxRecords {
		f.stop("超过 %d 条记录，请分片", MaxRecords)
		return false
	}
	f.seen[key] = int32(f.line) //nolint:gosec // at most MaxRecords and a few
	if !f.trailer.add(r) {
		f.stop("合计金额超出范围")
		return false
	}
	return true
}

// close reads the trailer line, and sees that nothing comes after it.
func (f *Reader) close(line []byte) {
	f.trailer.Digest = hex.EncodeToString(f.sum.Sum(nil))
	rest := line[1:]
	if f.header.Layout == CSV {
		rest = bytes.TrimPrefix(rest, []byte(","))
	}
	parts, wrong := f.header.Layout.split(rest, trailerWidths)
	if wrong != "" {
		f.bad("", "尾记录%s", wrong)
		return
	}
	in, wrongIn := total(parts[1])
	out, wrongOut := total(parts[2])
	says := Trailer{Records: count(parts[0]), In: in, Out: out, Digest: string(parts[3])}
	for _, c := range []struct {
		name  string
		wrong bool
		says  any
		is    any
	}{
		{"records", says.Records != f.trailer.Records, string(parts[0]), f.trailer.Records},
		{"in", wrongIn || says.In != f.trailer.In, string(parts[1]), f.trailer.In},
		{"out", wrongOut || says.Out != f.trailer.Out, string(parts[2]), f.trailer.Out},
		{"digest", says.Digest != f.trailer.Digest, says.Digest, f.trailer.Digest},
	} {
		if c.wrong {
			f.bad(c.name, "尾记录写 %q，实际为 %v", c.says, c.is)
		}
	}
	if _, err := f.in.Peek(1); err == nil {
		f.line++
		f.bad("", "尾记录之后还有内容")
	} else if !errors.Is(err, io.EOF) {
		f.err = err
	}
	f.over = true
}

// total is b as a sum of 分.
func total(b []byte) (n int64, wrong bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err != nil || n < 0 || len(b) > 18
}

// split cuts line into as many fields as there are widths.
func (l Layout) split(line []byte, widths []int) (parts [][]byte, wrong string) {
	if l == Fixed {
		return cutFixed(line, widths)
	}
	for len(parts) < len(widths) {
		var part []byte
		var more bool
		if part, line, more, wrong = cutQuoted(line); wrong != "" {
			return nil, wrong
		}
		parts = append(parts, part)
		if last := len(parts) == len(widths); more == last {
			return nil, fmt.Sprintf("应有 %d 个字段", len(widths))
		}
	}
	return parts, ""
}

func cutFixed(line []byte, widths []int) (parts [][]byte, wrong string) {
	want := 0
	for _, w := range widths {
		want += w
	}
	if len(line) != want {
		return nil, fmt.Sprintf("长度应为 %d 字节（行首之后），实际 %d", want, len(line))
	}
	for _, w := range widths {
		parts, line = append(parts, bytes.TrimRight(line[:w], " ")), line[w:]
	}
	return parts, ""
}

// cutQuoted takes the first field off line; more says that a comma followed it.
func cutQuoted(line []byte) (part, rest []byte, more bool, wrong string) {
	if len(line) == 0 || line[0] != '"' {
		part, rest, more = bytes.Cut(line, []byte(","))
		if bytes.IndexByte(part, '"') >= 0 {
			wrong = "引号不配对"
		}
		return part, rest, more, wrong
	}
	for line = line[1:]; ; {
		text, after, closed := bytes.Cut(line, []byte(`"`))
		if !closed {
			return nil, nil, false, "引号不配对"
		}
		part = append(part, text...)
		switch {
		case len(after) == 0:
			return part, nil, false, ""
		case after[0] == ',':
			return part, after[1:], true, ""
		case after[0] == '"':
			part, line = append(part, '"'), after[1:]
		default:
			return nil, nil, false, "引号不配对"
		}
	}
}

// names is what a line may begin with.
func names(all []Kind) string {
	words := make([]string, len(all))
	for i, k := range all {
		words[i] = string(rune(k))
	}
	return strings.Join(words, "、")
}
