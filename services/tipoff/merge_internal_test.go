package tipoff

import (
	"slices"
	"testing"
)

func TestNamed(t *testing.T) {
	for _, tt := range []struct{ title, text, want string }{
		{"投诉B7县两所武术培训机构非法招生", "", "B7县两所武术培训机构"},
		{"举报B7县新民文武学校超范围经营", "", "B7县新民文武学校"},
		{"再次反映姑苏区小画家美术培训中心退费难", "", "姑苏区小画家美术培训中心"},
		{"举报A7县天华路天童美语无证办学", "", "A7县天华路天童美语"},
		{"", "我在彩虹舞蹈中心交了钱", "我在彩虹舞蹈中心交了钱"[:len("我在彩虹舞蹈中心")]},
		{"希望阻止乱收费", "家庭收入不够我一个人在学校的开支", ""},
		{"路灯坏了", "请修", ""},
	} {
		if got := named(tt.title, tt.text); got != tt.want {
			t.Errorf("%s%s names %q, want %q", tt.title, tt.text, got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	same := func(a, b Subject) bool {
		return slices.ContainsFunc(a.keys(), func(k string) bool { return slices.Contains(b.keys(), k) })
	}
	for _, tt := range []struct {
		name string
		a, b Subject
		want bool
	}{
		{"signs and width", Subject{InstitutionName: "小画家（美术）培训中心"}, Subject{InstitutionName: "小画家 美术 培训中心"}, true},
		{"one id, another name", Subject{Institution: "id-00001", InstitutionName: "旧名培训中心"}, Subject{Institution: "id-00001", InstitutionName: "新名培训中心"}, true},
		{"an address", Subject{PlaceAddress: "人民路１２号-3"}, Subject{PlaceAddress: "人民路12号3"}, true},
		{"a signboard counts without an address", Subject{PlaceSignboard: "名师一对一"}, Subject{PlaceSignboard: "名师一对一"}, true},
		{"one signboard at two addresses", Subject{PlaceSignboard: "名师一对一", PlaceAddress: "人民路12号"}, Subject{PlaceSignboard: "名师一对一", PlaceAddress: "解放路9号"}, false},
		{"too short to tell", Subject{InstitutionName: "学校"}, Subject{InstitutionName: "学校"}, false},
		{"nothing", Subject{}, Subject{}, false},
	} {
		if got := same(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
