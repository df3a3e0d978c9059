package bankfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Writer writes one file.
type Writer struct {
	header  Header
	w       *bufio.Writer
	sum     hash.Hash
	trailer Trailer
}

// NewWriter writes h to w. It returns an error if h makes no sense.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if name, wrong := h.check(); wrong != "" {
		return nil, fmt.Errorf("header: %s: %s", name, wrong)
	}
	f := &Writer{header: h, w: bufio.NewWriter(w), sum: sha256.New()}
	values := []string{string(h.Layout), string(h.Charset), string(h.Content), h.Bank, h.Day.String(), strconv.Itoa(h.Part), strconv.Itoa(h.Parts)}
	mark := "H" + Version
	if h.Layout == CSV {
		mark = "H," + Version
	}
	return f, f.line(mark, values, headerWidths, nil)
}

// Write writes one record, which must be one that a Reader would take.
func (f *Writer) Write(r Record) error {
	fields, ok := layouts[r.Kind]
	if !ok || !slices.Contains(kinds[f.header.Content], r.Kind) {
		return fmt.Errorf("no %q in a file of %s", r.Kind, f.header.Content)
	}
	var values []string
	var widths []int
	var numbers []bool
	for _, c := range fields {
		s := c.text(&r)
		if wrong := c.set(&Record{Kind: r.Kind}, s); wrong != "" {
			return fmt.Errorf("%s: %s", c.name, wrong)
		}
		values, widths, numbers = append(values, s), append(widths, c.width), append(numbers, c.number)
	}
	if f.trailer.Records == MaxRecords || !f.trailer.add(r) {
		return fmt.Errorf("more than %d records, or than can be summed up", MaxRecords)
	}
	return f.line(string(rune(r.Kind)), values, widths, numbers)
}

// Close writes the trailer, and all that was kept back.
func (f *Writer) Close() (Trailer, error) {
	t := &f.trailer
	t.Digest = hex.EncodeToString(f.sum.Sum(nil))
	values := []string{strconv.Itoa(t.Records), strconv.FormatInt(t.In, 10), strconv.FormatInt(t.Out, 10), t.Digest}
	if err := f.line("T", values, trailerWidths, []bool{true, true, true, false}); err != nil {
		return *t, err
	}
	return *t, f.w.Flush()
}

// line writes one line; numbers says which values are, none if that is nil.
func (f *Writer) line(mark string, values []string, widths []int, numbers []bool) error {
	out := []byte(mark)
	for i, v := range values {
		b, err := f.header.Charset.encode(v)
		if err != nil {
			return fmt.Errorf("%q cannot be written in %s", v, f.header.Charset)
		}
		switch {
		case f.header.Layout == CSV:
			out = append(append(out, ','), quoted(b)...)
		case len(b) > widths[i]:
			return fmt.Errorf("%q is longer than %d bytes", v, widths[i])
		case numbers != nil && numbers[i]:
			out = append(append(out, strings.Repeat("0", widths[i]-len(b))...), b...)
		default:
			out = append(append(out, b...), strings.Repeat(" ", widths[i]-len(b))...)
		}
	}
	out = append(out, '\n')
	_, _ = f.sum.Write(out) // a hash never fails
	_, err := f.w.Write(out)
	return err
}

// quoted is b as one field of CSV.
func quoted(b []byte) []byte {
	if !bytes.ContainsAny(b, `,"`) {
		return b
	}
	return []byte(`"` + strings.ReplaceAll(string(b), `"`, `""`) + `"`)
}
