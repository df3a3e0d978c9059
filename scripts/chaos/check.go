package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// violation is a promise that was broken.
type violation struct{ what, detail string }

// What can be broken. A run without a defence must break one that the defence is for.
const (
	lostWrite  = "丢失或改变了已确认的写入"
	twiceWrite = "一次写入产生了几个结果"
	badAnswer  = "写入被拒绝、没有答复或两次答复不同"
	badLedger  = "账不平"
	lostEvent  = "事件没有生效"
	lostOnWire = "标记为已发出的事件不在消息代理上"
	skipped    = "中继越过了事件"
	twiceEvent = "事件生效不止一次"
	disorder   = "同一键的事件次序颠倒"
	parkedKey  = "事件停放"
	badCopy    = "副本与主人不符"
	notFlat    = "内存、线程或连接不平"
)

// promises compares what was acknowledged with what the suite says at the end.
// A thing that was marked must be there once.
func promises(promised, found objects) (vs []violation) {
	for object, want := range promised {
		for attribute, value := range want {
			if got := found[object][attribute]; got != value {
				what := lostWrite
				if got > "1" && value == "1" && (attribute == "contracts" || attribute == "tips" || attribute == "freezes") {
					what = twiceWrite
				}
				vs = append(vs, violation{what, fmt.Sprintf("%s：%s 应为 %q，实为 %q", object, attribute, value, got)})
			}
		}
	}
	for object := range found {
		if promised[object] == nil {
			vs = append(vs, violation{twiceWrite, object + "：没有确认过，却存在"})
		}
	}
	return sorted(vs)
}

// effects checks that each published event took effect once, in the order of its
// key, at the witness; that no event took effect that nobody published; and that
// the broker holds each, in order but for repetitions.
func effects(f *facts) (vs []violation) {
	place := map[string]int64{} // of an event in its outbox
	for owner, rows := range f.outbox {
		for _, p := range rows {
			place[p.Event] = p.ID
		}
		vs = append(vs, sent(owner, rows, f.wire)...)
	}
	count := map[string]int{}
	for _, a := range f.witness {
		count[a.Event]++
	}
	for _, event := range slices.Sorted(maps.Keys(place)) {
		switch n := count[event]; {
		case n == 0:
			vs = append(vs, violation{lostEvent, event + " 在见证者处没有生效"})
		case n > 1:
			vs = append(vs, violation{twiceEvent, fmt.Sprintf("%s 在见证者处生效 %d 次", event, n)})
		}
	}
	for event := range count {
		if _, known := place[event]; !known {
			vs = append(vs, violation{twiceEvent, event + " 生效了，却不在任何发件箱"})
		}
	}
	vs = append(vs, ordered("见证者", f.witness, place)...)
	return append(vs, ordered("消息代理", distinct(f.wire), place)...)
}

// sent checks that what an owner wrote was published, and is with the broker.
func sent(owner string, rows []published, wire []applied) (vs []violation) {
	there := map[string]bool{}
	for _, a := range wire {
		there[a.Event] = true
	}
	last := int64(0)
	for _, p := range rows {
		if p.Pub {
			last = max(last, p.ID)
		}
	}
	for _, p := range rows {
		detail := fmt.Sprintf("%s 的 %d 号（%s）", owner, p.ID, p.Key)
		switch {
		case p.Pub && !there[p.Event]:
			vs = append(vs, violation{lostOnWire, detail})
		case !p.Pub && p.ID < last:
			vs = append(vs, violation{skipped, detail})
		case !p.Pub:
			vs = append(vs, violation{lostEvent, detail + "没有发出"})
		}
	}
	return vs
}

// ordered checks that within each key the events come by their place.
func ordered(where string, events []applied, place map[string]int64) (vs []violation) {
	type key struct{ topic, key string }
	last := map[key]int64{}
	for _, a := range events {
		k := key{a.Topic, a.Key}
		if at := place[a.Event]; at < last[k] {
			vs = append(vs, violation{disorder, fmt.Sprintf("%s：%s %s 的 %d 号在 %d 号之后", where, a.Topic, a.Key, at, last[k])})
		} else {
			last[k] = at
		}
	}
	return vs
}

// distinct is events without repetitions: the first of each.
func distinct(events []applied) (first []applied) {
	seen := map[string]bool{}
	for _, a := range events {
		if !seen[a.Event] {
			first = append(first, a)
		}
		seen[a.Event] = true
	}
	return first
}

// reached reports whether p had its turn at a consumer: as one of a key is missing, its
// place stays before it.
func (f *facts) reached(consumer string, p published) bool {
	return f.places[consumer][p.Topic+" "+p.Key] >= p.Version
}

// noted checks that every consumer has got to each event of its topics, and that
// none is parked.
func noted(f *facts, consumers map[string][]string) (vs []violation) {
	for consumer, subscribed := range consumers {
		if n := f.parked[consumer]; n > 0 {
			vs = append(vs, violation{parkedKey, fmt.Sprintf("%s 停放了 %d 个事件", consumer, n)})
		}
		for _, rows := range f.outbox {
			for _, p := range rows {
				if slices.Contains(subscribed, p.Topic) && !f.reached(consumer, p) {
					vs = append(vs, violation{lostEvent, fmt.Sprintf("%s 没有收到 %s %s 的 %d 号", consumer, p.Topic, p.Key, p.ID)})
				}
			}
		}
	}
	return sorted(vs)
}

// same compares each consumer's copy with what the owner has.
func same(copies, origin map[string]map[string]string) (vs []violation) {
	for what, owner := range origin {
		for key, want := range owner {
			if got, ok := copies[what][key]; !ok || got != want {
				vs = append(vs, violation{badCopy, fmt.Sprintf("%s %s：主人 %q，副本 %q", what, key, want, got)})
			}
		}
		for key := range copies[what] {
			if _, ok := owner[key]; !ok {
				vs = append(vs, violation{badCopy, fmt.Sprintf("%s %s：主人没有", what, key)})
			}
		}
	}
	return sorted(vs)
}

// balanced checks every sample of the money.
func balanced(samples []sample) (vs []violation) {
	if len(samples) == 0 {
		return []violation{{badLedger, "一次也没有看到账"}}
	}
	for _, v := range samples {
		if v.wrong != 0 || v.diff != 0 {
			vs = append(vs, violation{badLedger, fmt.Sprintf("%s：%d 处余额与分录不符，分录合计 %d 分", v.at.Format(time.TimeOnly), v.wrong, v.diff)})
		}
	}
	return vs
}

// flat checks that a part at rest takes about what it took before: a leak grows
// with every fault and every write, a warm cache does not.
func flat(before, after map[string]usage) (vs []violation) {
	for part, b := range before {
		a := after[part]
		grew := func(what string, was, is, slack int) {
			if is > 2*was+slack {
				vs = append(vs, violation{notFlat, fmt.Sprintf("%s 的%s由 %d 到 %d", part, what, was, is)})
			}
		}
		grew("内存 KiB", b.RSS, a.RSS, 64<<10)
		grew("线程", b.Threads, a.Threads, 12)
		grew("打开的文件与连接", b.Files, a.Files, 24)
		grew("协程", b.Goroutines, a.Goroutines, 40)
	}
	return sorted(vs)
}

// left is the effects of events that are still to come. It is what draining drains.
func left(f *facts, consumers map[string][]string) (all []string) {
	seen := map[string]bool{}
	for _, a := range f.witness {
		seen[a.Event] = true
	}
	for owner, rows := range f.outbox {
		for _, p := range rows {
			which := fmt.Sprintf("%s 的 %d 号（%s %s）", owner, p.ID, p.Topic, p.Key)
			if !p.Pub {
				all = append(all, which+"没有发出")
			}
			if !seen[p.Event] {
				all = append(all, which+"没有到 "+witness)
			}
			for consumer, subscribed := range consumers {
				if slices.Contains(subscribed, p.Topic) && !f.reached(consumer, p) {
					all = append(all, which+"没有到 "+consumer)
				}
			}
		}
	}
	return all
}

func sorted(vs []violation) []violation {
	slices.SortFunc(vs, func(a, b violation) int {
		return cmp.Or(strings.Compare(a.what, b.what), strings.Compare(a.detail, b.detail))
	})
	return vs
}
