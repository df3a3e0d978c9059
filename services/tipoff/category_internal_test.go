package tipoff

import (
	"encoding/csv"
	"os"
	"testing"
)

// bar is the agreement with the labels below which a change of the words is a
// step back: what was measured, less two messages.
const bar = 0.90

// TestSuggestAgrees measures the suggestions against labels that were given by
// hand, by reading: testdata/labels.csv, before the words were written. A school's
// own lessons on days off count as 占用节假日, a teacher's paid ones as 在职教师.
func TestSuggestAgrees(t *testing.T) {
	messages := map[string][]string{}
	for _, r := range csvRows(t, "testdata/labelled.csv")[1:] {
		messages[r[0]] = r
	}
	labels, agreed := csvRows(t, "testdata/labels.csv")[1:], 0
	for _, l := range labels {
		m, ok := messages[l[0]]
		if !ok {
			t.Fatalf("message %s is not in labelled.csv", l[0])
		}
		got := suggest(m[1], m[2])
		if string(got.Category) == l[1] {
			agreed++
		} else {
			t.Logf("%s %s: %s %v, labelled %s", l[0], m[1], got.Category, got.Words, l[1])
		}
		if got.Category != Other && got.Category != Elsewhere && len(got.Words) == 0 {
			t.Errorf("%s: %s without a word that led to it", l[0], got.Category)
		}
	}
	rate := float64(agreed) / float64(len(labels))
	t.Logf("agreement: %d of %d (%.1f %%)", agreed, len(labels), 100*rate)
	if len(labels) < 60 || rate < bar {
		t.Errorf("agreement %.3f of %d labels, want at least %.2f of 60", rate, len(labels), bar)
	}
}

func csvRows(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(name) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSuggest is one message for each category that the labelled ones lack, and
// the words that must be given for it.
func TestSuggest(t *testing.T) {
	for _, tt := range []struct {
		title, text string
		want        Category
		word        string
	}{
		{"", "某美术培训中心要求一次性交一年学费，共两万元", Prepaid, "一次性交一年"},
		{"投诉超期预收费", "彩虹舞蹈学校收了我们半年的钱，96课时", Prepaid, "超期预收费"},
		{"", "英语培训机构宣传包过，承诺三个月提分，都是虚假宣传", FalseAd, "虚假宣传"},
		{"", "小区里的数学培训班超前教学，三年级就讲六年级的内容", Ahead, "超前教学"},
		{"", "培训机构人去楼空，剩下的课时费联系不到人", Refund, "人去楼空"},
		{"", "培训学校安全出口锁着，没有灭火器", Fire, "安全出口"},
		{"", "培训班老师态度不好", Other, ""},
		{"", "路口红绿灯坏了", Elsewhere, ""},
		{"", "", Elsewhere, ""},
	} {
		got := suggest(tt.title, tt.text)
		found := tt.word == ""
		for _, w := range got.Words {
			found = found || w == tt.word
		}
		if got.Category != tt.want || !found {
			t.Errorf("%s%s: %+v, want %s by %s", tt.title, tt.text, got, tt.want, tt.word)
		}
	}
}
