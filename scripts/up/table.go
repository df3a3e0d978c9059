package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// table prints what a newcomer needs to know, once, and READY.
func (s *suite) table(w io.Writer, took time.Duration) {
	var rows [][3]string
	head := func(a, b string) { rows = append(rows, [3]string{}, [3]string{a, b}) }
	row := func(a, b, c string) { rows = append(rows, [3]string{a, b, c}) }
	if s.has("portal", "portal") {
		head("地址", "")
		row("公众门户", s.url(publicPort), "查机构、看公示；家长登录")
		row("工作台与机构端", s.url(staffPort), "审批、执法、机构")
		row("接口文档", s.url(publicPort)+"/api/docs", "/api/openapi.json 可生成客户端")
		row("调用链", s.url(staffPort)+"/trial/traces", "最近的调用，跨消息代理")
		head("人物", "登录页上点名字即可；每个岗位另有一位同事，如 examiner2")
		for _, p := range personas {
			row(p[0], p[1], p[2])
		}
	}
	head("替身", "试用模式里，这些是模拟的")
	for _, p := range standIns {
		row(p[0], p[1], p[2])
	}
	if s.embedded {
		row("Kafka", "内置的消息代理", "同一协议；可换成 Apache Kafka")
	}
	if len(s.buckets()) > 0 {
		row("S3", "内置的照片存储", "同一协议，落盘；可换成任何 S3 服务")
	}
	row("数据目录", string(s.data), "run.json 列出各进程，log/ 是日志")
	wide := [2]int{}
	for _, r := range rows {
		if r[2] != "" {
			wide[0], wide[1] = max(wide[0], width(r[0])), max(wide[1], width(r[1]))
		}
	}
	for _, r := range rows {
		line := pad(r[0], wide[0]) + "  " + pad(r[1], wide[1]) + "  " + r[2]
		fmt.Fprintln(w, strings.TrimRight("  "+line, " "))
	}
	fmt.Fprintf(w, "\nREADY %.1f 秒 · Ctrl-C 停止\n", took.Seconds())
}

// personas are the portal's, in its words, and what each can show.
var personas = [][3]string{
	{"parent", "家长", "签约、付款、确认课消、退费"},
	{"principal", "机构负责人", "申办、合同、课消"},
	{"examiner", "姑苏区教育局审批员", "受理、核查、决定、预警"},
	{"culture", "姑苏区文化和旅游局审核员", "艺术类的行业意见"},
	{"market", "姑苏区市场监督管理局执法员", "登记、收费"},
	{"fire", "姑苏区消防救援大队检查员", "联合检查"},
	{"intake", "姑苏区举报受理员", "甄别、分派"},
	{"city", "苏州市教育局管理员", "规则、日历、全市情况"},
	{"neighbour", "吴中区教育局审批员", "看不到姑苏区的事"},
}

var standIns = [][3]string{
	{"银行", "每日报送流水、领取拨付指令", "不动真实资金；家长付款即到账"},
	{"全国监管平台", "数据上报", "只在本机"},
	{"短信", "通知与验证码", "不发送"},
	{"统一身份认证", "OIDC 试用提供方", "可换成任何 OIDC 提供方"},
}

// width is how many columns a terminal gives s: two to each Chinese character.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-width(s))) }
