package tipoff

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"xunguan/pkg/day"
)

// TestCodeProperties: a code survives whatever a person's hand does to it, and no
// single wrong character passes for right.
func TestCodeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b [codeBytes]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), codeBytes, codeBytes).Draw(t, "bits"))
		c := encode(b)
		if len(c) != codeLength+1 || strings.ContainsAny(string(c[:codeLength]), "ILOU") {
			t.Fatalf("%q", string(c))
		}
		typed := rapid.SampledFrom([]func(string) string{
			strings.ToLower, func(s string) string { return s },
			func(s string) string { return strings.ReplaceAll(s, "-", " ") },
			func(s string) string { return strings.ReplaceAll(s, "0", "o") },
			func(s string) string { return strings.ReplaceAll(s, "1", "l") },
			func(s string) string { return strings.ReplaceAll(s, "1", "I") },
			func(s string) string { return "  " + s + "\n" },
			func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
		}).Draw(t, "hand")(c.Shown())
		if got, err := parseCode(typed); err != nil || got != c {
			t.Fatalf("%q read as %q, %v; want %q", typed, string(got), err, string(c))
		}
		at := rapid.IntRange(0, codeLength-1).Draw(t, "at")
		wrong := rapid.SampledFrom([]byte(crockford)).Draw(t, "sign")
		other := []byte(c)
		if other[at] == wrong {
			return
		}
		other[at] = wrong
		if _, err := parseCode(string(other)); err == nil {
			t.Fatalf("%q passes for %q", other, string(c))
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add("ABCDE-FGHJK-MNPQR-STVWX-YZ012")
	f.Add("")
	f.Add("ＡＢＣ１２３—*~$=U")
	f.Fuzz(func(t *testing.T, typed string) {
		c, err := parseCode(typed)
		if err != nil {
			return
		}
		again, err := parseCode(c.Shown())
		if err != nil || again != c {
			t.Fatalf("%q is %q is %q, %v", typed, string(c), string(again), err)
		}
	})
}

func TestCodeHidesItself(t *testing.T) {
	c, i, p := encode([codeBytes]byte{1}), Identity{Name: "张三"}, Pepper("secret-pepper")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "code", c, "identity", i, "pepper", p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "code", c, "identity", i, "pepper", p)
	said := fmt.Sprintf("%v %s %+v %v %#v %v", c, c, i, i, i, p) + log.String()
	for _, secret := range []string{string(c), "张三", "secret-pepper"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q in %s", secret, said)
		}
	}
}

func TestPepper(t *testing.T) {
	p := Pepper(strings.Repeat("k", 32))
	c := p.code("salt", "key")
	for name, other := range map[string][]byte{
		"other number": p.hash("TS-2", c), "other code": p.hash("TS-1", p.code("salt", "yek")), "other pepper": Pepper("x").hash("TS-1", c),
	} {
		if bytes.Equal(other, p.hash("TS-1", c)) {
			t.Errorf("%s has the same hash", name)
		}
	}
	if p.code("salt", "key") != c || p.code("tlas", "key") == c {
		t.Error("a code follows from salt and key")
	}
	if bytes.Equal(p.mac("a", "bc"), p.mac("ab", "c")) {
		t.Error("parts run into one another")
	}
}

func TestNewID(t *testing.T) {
	on := day.MustParse("2026-11-22")
	id, err := uuid.Parse(newID(on))
	if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		t.Fatalf("%v, %v", id, err)
	}
	sec, nsec := id.Time().UnixTime()
	if at := time.Unix(sec, nsec); !at.Equal(on.Start()) {
		t.Errorf("the id says %v", at)
	}
	if a, b := newID(on), newID(on); a == b {
		t.Error("the same id twice")
	}
}

func TestNewNumber(t *testing.T) {
	on := day.MustParse("2026-11-22")
	n, err := newNumber(on, 0)
	if err != nil || len(n) != len("TS-2026-1122-0837") || !strings.HasPrefix(n, "TS-2026-1122-") || parseNumber(" ts-2026-1122-"+n[13:]+" ") != n {
		t.Errorf("%q, %v", n, err)
	}
	if n, err := newNumber(on, 1); err != nil || len(n) != len("TS-2026-1122-08370837") {
		t.Errorf("%q, %v", n, err)
	}
}

func TestBetrays(t *testing.T) {
	for text, what := range map[string]string{
		"打我电话13812345678":                    "手机号码",
		"电话 138-1234-5678，谢谢":                "手机号码",
		"１３８１２３４５６７８":                        "手机号码",
		"身份证32050319900307123X":              "身份证号码",
		"身份证号 320503199003071234。":           "身份证号码",
		"收了12000元，合同号2026030100012345678901": "",
		"热线12345，座机0512-65123456":            "",
	} {
		if got := betrays(text); got != what {
			t.Errorf("%s betrays %q, want %q", text, got, what)
		}
	}
}
