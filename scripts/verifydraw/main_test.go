package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xunguan/pkg/day"
	"xunguan/services/inspection"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	nonce := sha256.Sum256([]byte("a nonce"))
	commit := sha256.Sum256(nonce[:])
	f := inspection.File{
		ID: "d", TaskID: "t", Round: 1, Date: day.MustParse("2026-11-20"), VisitOn: day.MustParse("2026-11-23"), MinOfficers: 2, By: inspection.ByNone,
		Agencies: []inspection.Agency{inspection.Education, inspection.Market}, Commit: hex.EncodeToString(commit[:]),
		Targets:  []inspection.Candidate{{ID: "a", Stratum: "all"}, {ID: "b", Stratum: "all"}, {ID: "c", Stratum: "all"}},
		Officers: []inspection.PoolOfficer{{ID: "x", Agency: inspection.Education, ValidUntil: day.MustParse("2027-01-01")}, {ID: "y", Agency: inspection.Market, ValidUntil: day.MustParse("2027-01-01")}},
	}
	if err := f.Freeze(nil, 2); err != nil {
		t.Fatal(err)
	}
	if err := f.Reveal(nonce[:]); err != nil {
		t.Fatal(err)
	}
	good, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, commit, frozen string
		raw                  []byte
		says                 string
	}{
		{"true", "", "", good, ""},
		{"true, as committed to", f.Commit, f.FrozenHash, good, ""},
		{"another commitment", strings.Repeat("0", 64), "", good, "承诺"},
		{"another pool", "", strings.Repeat("0", 64), good, "冻结"},
		{"another officer", "", "", bytes.Replace(good, []byte(`"x"`), []byte(`"z"`), 1), "不符"},
		{"something behind it", "", "", append(bytes.Clone(good), '1'), "多余"},
		{"no JSON", "", "", []byte("draw"), "不是抽取结果文件"},
	} {
		file := filepath.Join(t.TempDir(), "draw.json")
		if err := os.WriteFile(file, tt.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		wrong, _ := verify(file, tt.commit, tt.frozen)
		if said := strings.Join(wrong, "；"); (tt.says == "") != (said == "") || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, said, tt.says)
		}
	}
	if wrong, _ := verify("no such file", "", ""); len(wrong) == 0 {
		t.Error("a file that is not there was verified")
	}
}
