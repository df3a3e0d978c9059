package escrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

// silenceCases is by when a parent answers for a lesson that was taught on a day.
var silenceCases = []struct {
	name, source, place, cycle, taught string
	want                               string // the last day, and whether it is provisional
}{
	{"fifteen working days", "domain §1.2 全国平台", "320508", byLesson, "2026-03-02", "2026-03-23 false"},
	{"taught on a Friday", "domain §1.2 全国平台", "320508", byLesson, "2026-03-06", "2026-03-27 false"},
	{"taught on a Saturday", "domain §1.2 全国平台", "320508", byLesson, "2026-03-07", "2026-03-27 false"},
	{"over the holiday of May", "domain §0 2026 年日历（国办发明电〔2025〕7号）", "320508", byLesson, "2026-04-29", "2026-05-22 false"},
	{"over the spring festival", "domain §0 2026 年日历", "320508", byLesson, "2026-02-12", "2026-03-11 false"},
	{"over the national day", "domain §0 2026 年日历", "320508", byLesson, "2026-09-24", "2026-10-22 false"},
	{"into a year without a calendar", "domain §0：未公布年度须标注为暂定", "320508", byLesson, "2026-12-30", "2027-01-20 true"},
	{"seven working days in Zhejiang", "domain §1.3 浙江", "330106", byLesson, "2026-03-02", "2026-03-11 false"},
	{"there, over the holiday of May", "domain §1.3 浙江、§0", "330106", byLesson, "2026-04-29", "2026-05-12 false"},
	{"there, over the spring festival", "domain §1.3 浙江、§0", "330106", byLesson, "2026-02-12", "2026-02-28 false"},
	{"there, over the national day", "domain §1.3 浙江、§0", "330106", byLesson, "2026-09-24", "2026-10-12 false"},
	{"never in Xiamen", "domain §1.3 厦门：未经双方确认不得使用", "350203", byLesson, "2026-03-02", "never"},
	{"nor with a week confirmed at a time", "domain §1.3 厦门", "350203", weekly, "2026-03-02", "never"},
	{"from the end of the week", "domain §1.2 周期消课", "320508", weekly, "2026-03-04", "2026-03-27 false"},
	{"a Sunday is the end of its week", "domain §1.2 周期消课", "320508", weekly, "2026-03-08", "2026-03-27 false"},
	{"from the end of the month", "domain §1.2 周期消课、§0", "320508", monthly, "2026-03-04", "2026-04-22 false"},
	{"the last of February", "domain §1.2 周期消课", "330106", monthly, "2026-02-25", "2026-03-10 false"},
}

// TestSilence plays them by way of the API.
func TestSilence(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-02-02")
	api := newAPI(h.Service).Handler()
	for _, place := range []string{"320508", "330106", "350203"} {
		h.learned(&licensingv1.Institution{Id: place, Name: "美术培训中心", Kind: nonSubject, Jurisdiction: place})
		h.account("principal", place)
	}
	for i, tt := range silenceCases {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.at(tt.taught)
			c := h.paid(h.terms(func(t *Terms) { t.Institution, t.Cycle, t.Pupil = tt.place, tt.cycle, fmt.Sprint("学员", i) }))
			code, body := ask(t, api, http.MethodPost, "/v1/contracts/"+c.ID+"/lessons/1/taught", "principal", h.key().IdempotencyKey, "")
			var l struct {
				ConfirmBy   string `json:"confirm_by"`
				Provisional bool
			}
			if err := json.Unmarshal([]byte(body), &l); err != nil || code != http.StatusOK {
				t.Fatalf("%d %s", code, body)
			}
			got := fmt.Sprint(l.ConfirmBy, " ", l.Provisional)
			if l.ConfirmBy == "" {
				got = "never"
			}
			if got != tt.want {
				t.Errorf("%s: %s, want %s", tt.source, got, tt.want)
			}
		})
	}
}

func TestConfirmCycle(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(func(t *Terms) { t.Cycle = weekly }))
	for n, on := range []string{"2026-03-03", "2026-03-05", "2026-03-09"} {
		h.at(on)
		h.taught(c.ID, n+1)
	}
	req := ConfirmCycle{h.key(), c.ID, d("2026-03-08")}
	for range 2 { // the second is the first's answer
		all := must(h.ConfirmCycle(h.as("parent"), req))(t)
		if len(all.Items) != 2 || all.Items[1].Lesson.State != confirmed || h.contract("parent", c.ID).ReleasedFen != 20000 {
			t.Errorf("the week is confirmed: %s", asJSON(t, all))
		}
	}
	if _, err := h.ConfirmCycle(h.as("parent"), ConfirmCycle{h.key(), c.ID, d("2026-03-08")}); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same week again: %v", err)
	}
	h.sound()
}

// TestMakeUp moves a lesson, to a day on which the schedule has become too long, and back.
func TestMakeUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms())
	move := func(on string) (LessonView, error) {
		return h.MakeUpLesson(h.as("principal"), MakeUpLesson{h.key(), LessonOf{c.ID, 48}, d(on), "教师病假"})
	}
	if l := must(move("2026-06-02"))(t); l.OnDate != d("2026-06-02") || l.State != scheduled {
		t.Errorf("moved: %+v", l)
	}
	if v := h.contract("parent", c.ID); v.OpenFlags != 0 || v.LastLesson != d("2026-06-02") {
		t.Errorf("three months: %d flags, last %s", v.OpenFlags, v.LastLesson)
	}
	must(move("2026-06-03"))(t)
	if v := h.contract("parent", c.ID); v.OpenFlags != 1 || v.Flags[0].Rule.Key != maxMonths {
		t.Errorf("three months and a day: %+v", v.Flags)
	}
	must(move("2026-05-20"))(t)
	if v := h.contract("parent", c.ID); v.OpenFlags != 0 || v.Flags[0].ClearedBy == "" {
		t.Errorf("moved back: %+v", v.Flags)
	}
	if _, err := move("2026-03-01"); !errors.Is(err, fault.Invalid) {
		t.Errorf("into the past: %v", err)
	}
	h.taught(c.ID, 48)
	if _, err := move("2026-05-21"); !errors.Is(err, fault.Conflict) {
		t.Errorf("after it was taught: %v", err)
	}
}

func TestChangeTeacher(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(func(t *Terms) { t.Teacher, t.ListPriceFen, t.Prior = "王老师", 600000, fromThis }))
	h.taught(c.ID, 1)
	h.confirmed(c.ID, 1)
	v := must(h.ChangeTeacher(h.as("principal"), ChangeTeacher{h.key(), c.ID, "李老师", "离职"}))(t)
	if v.Agreement.Teacher != "李老师" || v.Timeline[len(v.Timeline)-1].Summary != "教师由王老师更换为李老师：离职" {
		t.Errorf("%+v %+v", v.Agreement, v.Timeline)
	}
	quoted := func(fault, ground string) Fen {
		return must(h.QuoteRefund(h.as("parent"), QuoteRefund{Contract: c.ID, Fault: fault, Ground: ground}))(t).AmountFen
	}
	if mine, theirs := quoted("", ""), quoted(operatorFault, "teacher_changed"); mine != 467500 || theirs != 470000 {
		t.Errorf("a refund is %d, and %d because of the teacher", mine, theirs)
	}
}
