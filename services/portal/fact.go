package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
)

// fact is a piece of a service's answer as a page shows it: a text, or facts
// within it. The order is the service's.
type fact struct {
	Key   string
	Text  string // of a leaf
	Raw   string // the leaf as it came
	List  bool   // Facts have no keys
	Leaf  bool
	Facts []fact
}

// parseFacts reads one JSON value.
func parseFacts(raw []byte) (fact, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return parseFact(dec, "")
}

func parseFact(dec *json.Decoder, key string) (fact, error) {
	t, err := dec.Token()
	if err != nil {
		return fact{}, err
	}
	if open, ok := t.(json.Delim); ok {
		return parseNested(dec, key, open)
	}
	f := fact{Key: key, Leaf: true}
	switch t := t.(type) {
	case string:
		f.Raw = t
	case json.Number:
		f.Raw = t.String()
	case bool:
		f.Raw = strconv.FormatBool(t)
	}
	f.Text = readable(key, f.Raw)
	return f, nil
}

func parseNested(dec *json.Decoder, key string, open json.Delim) (fact, error) {
	f := fact{Key: key, List: open == '['}
	for dec.More() {
		name := ""
		if !f.List {
			t, err := dec.Token()
			if err != nil {
				return f, err
			}
			name, _ = t.(string)
		}
		child, err := parseFact(dec, name)
		if err != nil {
			return f, err
		}
		if f.List && child.Leaf { // a list of codes is worded like one
			child.Text = readable(key, child.Raw)
		}
		f.Facts = append(f.Facts, child)
	}
	_, err := dec.Token()
	return f, err
}

// At is what f has under key; the zero fact if nothing.
func (f fact) At(key string) fact {
	for _, c := range f.Facts {
		if c.Key == key {
			return c
		}
	}
	return fact{}
}

// list is the first list in f: {"applications":[…]} has one.
func (f fact) list() []fact {
	for _, c := range f.Facts {
		if c.List {
			return c.Facts
		}
	}
	return nil
}

// Get is the text of the leaf at key.
func (f fact) Get(key string) string { return f.At(key).Text }

// Less is f's facts less keys and whatever is empty.
func (f fact) Less(keys ...string) []fact {
	var rest []fact
next:
	for _, c := range f.Facts {
		for _, k := range keys {
			if c.Key == k {
				continue next
			}
		}
		if !c.empty() {
			rest = append(rest, c)
		}
	}
	return rest
}

func (f fact) empty() bool { return f.Raw == "" && len(f.Facts) == 0 }

// Shown is the facts of f that have something to show.
func (f fact) Shown() []fact { return f.Less() }

// Label is f's key in words.
func (f fact) Label() string {
	if l, ok := labels[f.Key]; ok {
		return l
	}
	return f.Key
}

// readable puts the leaf raw, that came under key, into words.
func readable(key, raw string) string {
	switch {
	case strings.HasSuffix(key, "_fen"):
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return yuan(n)
		}
	case key == "jurisdiction":
		if n := division.Name(raw); n != "" {
			return n + "（" + raw + "）"
		}
	case raw == "true":
		return "是"
	case raw == "false":
		return "否"
	}
	if d, err := day.Parse(raw); err == nil {
		return date(d)
	}
	if t, err := time.Parse(time.RFC3339, raw); err == nil {
		return moment(t)
	}
	return name(raw)
}

// yuan is money in words: 元, with two digits of 分 and a comma for thousands.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	whole := strconv.FormatInt(fen/100, 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	cents := strconv.FormatInt(fen%100+100, 10)[1:]
	return sign + whole + "." + cents + " 元"
}

// date is a day in words.
func date(d day.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.Start().Format("2006 年 1 月 2 日")
}

// moment is a time in words, in Shanghai.
func moment(t time.Time) string { return t.In(day.Shanghai).Format("2006 年 1 月 2 日 15:04") }

var errNoObject = errors.New("the answer is no object")

// labels is what people read instead of a field's name.
var labels = map[string]string{
	"id": "编号", "name": "名称", "jurisdiction": "所在区划", "address": "地址", "category": "类别", "item": "项目", "kind": "类型",
	"mode": "方式", "state": "状态", "status": "状态", "since": "起始", "until": "截止", "due": "到期日", "provisional": "暂定",
	"decide_by": "应作出决定日", "correct_by": "补正告知期限", "uscc": "统一社会信用代码", "sponsor_uscc": "举办者统一社会信用代码", "sponsor_name": "举办者",
	"licence_number": "许可证编号", "valid_from": "有效期自", "valid_until": "有效期至", "issued_by": "发证机关", "legal_form": "法人类型",
	"capacity": "同时容纳学员数", "area_m2": "面积（平方米）", "area": "面积", "pupils": "同时容纳学员数", "applicant": "申请人账号", "manager": "负责人账号", "facts": "事实", "timeline": "经过", "at": "时间", "on": "日期",
	"by": "经办", "actor": "经办", "reason": "理由", "note": "说明", "action": "事项", "label": "事项", "basis": "依据", "opinion": "意见", "opinions": "各部门意见",
	"site_checks": "现场核查", "officer": "核查人", "passed": "通过", "agency": "部门", "role": "角色", "list": "名单", "objection": "异议途径", "decided_by": "决定机关",
	"key": "规则", "rule_key": "规则", "rule": "规则", "rules": "规则", "version": "版本", "rule_version": "规则版本", "value": "数值", "rule_value": "规则数值", "unit": "单位", "rule_unit": "单位",
	"rule_jurisdiction": "规则适用区划", "rule_source": "出处", "source": "出处", "provenance": "出处核实程度", "inputs": "所依据的数据", "explanation": "说明", "clears": "如何消除", "clears_when": "如何消除", "contract": "合同", "contracts": "合同",
	"contract_id": "合同编号", "institution_id": "机构编号", "institution": "机构", "institution_name": "机构", "course": "课程", "lessons": "课时数", "gift_lessons": "赠送课时", "first_lesson": "首次上课", "last_lesson": "末次上课",
	"price_fen": "价款", "paid_fen": "已付", "released_fen": "已拨付", "refunded_fen": "已退", "held_fen": "监管中", "excess_fen": "超出金额", "fee_fen": "每课时金额", "amount_fen": "金额", "parent": "家长账号", "warnings": "付款前请知悉", "flags": "预警", "signed_at": "签约时间",
	"lesson": "课次", "number": "课次", "n": "课次", "scheduled": "上课日期", "confirm_by": "确认期限", "by_silence": "逾期自动确认", "created_at": "创建时间", "updated_at": "更新时间", "submitted_at": "提交时间", "accepted_at": "受理时间", "decided_at": "决定时间", "title": "标题",
	"payments": "付款", "refunds": "退费", "light": "灯", "days_left": "剩余天数", "proposed_by": "提出人", "published_at": "公布时间", "text": "内容", "message": "内容", "detail": "说明",
}
