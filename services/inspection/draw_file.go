package inspection

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"

	"xunguan/pkg/fault"
)

// frozenHash is of everything that is known before the nonce.
func (f *File) frozenHash() string {
	g := *f
	g.FrozenHash, g.Commit, g.Nonce, g.Seed, g.Seal, g.Drawn, g.Excluded = "", "", "", "", "", nil, nil
	return hash(g)
}

func (f *File) seal() string {
	g := *f
	g.Seal = ""
	return hash(g)
}

// hash is the SHA-256 of v's JSON, as Go's encoding/json writes it, in hex.
func hash(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // no type of a File fails to marshal
	}
	return hex.EncodeToString(sum(raw))
}

func sum(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// sealed is f as the public sees it before the nonce is revealed: hashes only,
// for who is inspected must not know.
func (f *File) sealed() File {
	g := *f
	g.Strata, g.Targets, g.Officers, g.Drawn, g.Excluded = []Stratum{}, []Candidate{}, []PoolOfficer{}, []Drawn{}, []Exclusion{}
	return g
}

// ReadFile decodes a published draw: nothing unknown in it, nothing after it.
func ReadFile(raw []byte) (File, error) {
	var f File
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, fault.Invalid.Errorf("不是抽取结果文件：%v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return f, fault.Invalid.Errorf("文件末尾有多余内容")
	}
	return f, nil
}

// Replay draws f again from what was frozen and the nonce, and lists all in which
// f differs from what must come of it; nothing is a true draw.
func Replay(f File) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	nonce, err := hex.DecodeString(f.Nonce)
	switch {
	case f.Algorithm != Algorithm:
		return []string{fmt.Sprintf("未知的算法 %q，本工具只认 %s", f.Algorithm, Algorithm)}
	case f.Nonce == "":
		return []string{"种子尚未公布"}
	case err != nil || len(nonce) != sha256.Size:
		return []string{"种子应为 32 字节的十六进制数"}
	}
	g, err := f.again(nonce)
	if err != nil {
		return []string{err.Error()}
	}
	was, is := reflect.ValueOf(f), reflect.ValueOf(g)
	for i := range was.NumField() {
		if hash(was.Field(i).Interface()) != hash(is.Field(i).Interface()) {
			say("%s 与重演结果不符", was.Type().Field(i).Tag.Get("json"))
		}
	}
	return wrong
}

// again makes f anew from its inputs.
func (f *File) again(nonce []byte) (File, error) {
	g := *f
	g.Targets, g.Officers, g.Agencies = slices.Clone(f.Targets), slices.Clone(f.Officers), slices.Clone(f.Agencies)
	g.Strata = nil
	names, total := []string{}, 0
	for _, s := range f.Strata {
		names = append(names, s.Name)
		if s.Sample < 0 || s.Sample > len(f.Targets) {
			return g, fault.Invalid.Errorf("%s 层的抽取数 %d 不可能", s.Name, s.Sample)
		}
		total += s.Sample
	}
	g.Commit = hex.EncodeToString(sum(nonce))
	if err := g.once(); err != nil {
		return g, err
	}
	if err := g.Freeze(names, total); err != nil {
		return g, err
	}
	return g, g.Reveal(nonce)
}

// once returns Invalid if a target or officer is in the pool twice.
func (f *File) once() error {
	seen := map[string]bool{}
	for _, t := range f.Targets {
		if seen["t"+t.ID] {
			return fault.Invalid.Errorf("对象 %s 在名录中重复", t.ID)
		}
		seen["t"+t.ID] = true
	}
	for _, o := range f.Officers {
		if seen["o"+o.ID] {
			return fault.Invalid.Errorf("人员 %s 在名录中重复", o.ID)
		}
		seen["o"+o.ID] = true
	}
	return nil
}
