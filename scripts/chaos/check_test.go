package main

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	socks "golang.org/x/net/proxy"
)

// whole is what is seen of a suite that kept every promise: three events of two
// keys, one of them twice on the wire.
func whole() *facts {
	events := []applied{{"a1", "escrow.events", "a"}, {"b1", "escrow.events", "b"}, {"a2", "escrow.events", "a"}}
	f := &facts{
		outbox: map[string][]published{}, parked: map[string]int{},
		places:  map[string]map[string]int64{"inspection": {"escrow.events a": 2, "escrow.events b": 1}},
		witness: slices.Clone(events), wire: append(slices.Clone(events), events[0]),
		copies: map[string]map[string]string{"c": {"k": "v"}}, origin: map[string]map[string]string{"c": {"k": "v"}},
		found: objects{"contract 1": {"state": "PAID", "paid": "100"}, "course x": {"contracts": "1"}},
	}
	for i, e := range events {
		f.outbox["escrow"] = append(f.outbox["escrow"], published{ID: int64(i + 1), Version: int64(e.Event[1] - '0'), Event: e.Event, Topic: e.Topic, Key: e.Key, Pub: true})
	}
	return f
}

// TestCheck breaks one thing after the other and expects to be told of that.
func TestCheck(t *testing.T) {
	t.Parallel()
	promised := func() objects {
		return objects{"contract 1": {"state": "PAID", "paid": "100"}, "course x": {"contracts": "1"}}
	}
	balance := []sample{{at: time.Now()}}
	for _, tt := range []struct {
		name   string
		breaks func(f *facts, j *journal, samples *[]sample)
		want   []string
	}{
		{"nothing", func(*facts, *journal, *[]sample) {}, nil},
		{"a write is gone", func(f *facts, _ *journal, _ *[]sample) { delete(f.found, "contract 1") }, []string{lostWrite, lostWrite}},
		{"a write is undone", func(f *facts, _ *journal, _ *[]sample) { f.found.set("contract 1", "paid", "0") }, []string{lostWrite}},
		{"a write took effect twice", func(f *facts, _ *journal, _ *[]sample) { f.found.set("course x", "contracts", "2") }, []string{twiceWrite}},
		{"a refused write took effect", func(f *facts, _ *journal, _ *[]sample) { f.found.set("course y", "contracts", "1") }, []string{twiceWrite}},
		{"a write was refused", func(_ *facts, j *journal, _ *[]sample) { j.fail("409") }, []string{badAnswer}},
		{"an entry is missing", func(_ *facts, _ *journal, s *[]sample) { *s = append(*s, sample{diff: 1}) }, []string{badLedger}},
		{"a balance is wrong", func(_ *facts, _ *journal, s *[]sample) { *s = append(*s, sample{wrong: 1}) }, []string{badLedger}},
		{"nobody looked at the money", func(_ *facts, _ *journal, s *[]sample) { *s = nil }, []string{badLedger}},
		{"an event is not sent", func(f *facts, _ *journal, _ *[]sample) { f.outbox["escrow"][2].Pub = false }, []string{lostEvent}},
		{"the relay skipped one", func(f *facts, _ *journal, _ *[]sample) { f.outbox["escrow"][1].Pub = false }, []string{skipped}},
		{"the broker lost one", func(f *facts, _ *journal, _ *[]sample) { f.wire = f.wire[1:3] }, []string{lostOnWire}},
		{"the witness missed one", func(f *facts, _ *journal, _ *[]sample) { f.witness = f.witness[:2] }, []string{lostEvent}},
		{"a service missed one", func(f *facts, _ *journal, _ *[]sample) { f.places["inspection"]["escrow.events a"] = 1 }, []string{lostEvent}},
		{"an effect came twice", func(f *facts, _ *journal, _ *[]sample) { f.witness = append(f.witness, f.witness[2]) }, []string{twiceEvent}},
		{"an effect came of nothing", func(f *facts, _ *journal, _ *[]sample) {
			f.witness = append(f.witness, applied{"c1", "escrow.events", "c"})
		}, []string{twiceEvent}},
		{"two of a key changed places", func(f *facts, _ *journal, _ *[]sample) { slices.Reverse(f.witness) }, []string{disorder}},
		{"two of a key changed places on the wire", func(f *facts, _ *journal, _ *[]sample) { slices.Reverse(f.wire[:3]) }, []string{disorder}},
		{"a key is parked", func(f *facts, _ *journal, _ *[]sample) { f.parked["inspection"] = 1 }, []string{parkedKey}},
		{"a copy is old", func(f *facts, _ *journal, _ *[]sample) { f.copies["c"]["k"] = "u" }, []string{badCopy}},
		{"a copy is missing", func(f *facts, _ *journal, _ *[]sample) { delete(f.copies["c"], "k") }, []string{badCopy}},
		{"a copy is of nothing", func(f *facts, _ *journal, _ *[]sample) { f.copies["c"]["l"] = "v" }, []string{badCopy}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, j, samples := whole(), &journal{promised: promised()}, slices.Clone(balance)
			tt.breaks(f, j, &samples)
			var got []string
			for _, v := range check(f, j, samples, map[string][]string{"inspection": {"escrow.events"}}) {
				got = append(got, v.what)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFlat(t *testing.T) {
	t.Parallel()
	before := map[string]usage{"escrow": {RSS: 40 << 10, Threads: 9, Files: 40, Goroutines: 60}}
	for what, after := range map[string]usage{
		"": {RSS: 90 << 10, Threads: 14, Files: 60, Goroutines: 90}, "内存": {RSS: 200 << 10}, "线程": {Threads: 60}, "连接": {Files: 300}, "协程": {Goroutines: 500},
	} {
		vs := flat(before, map[string]usage{"escrow": after})
		if (what == "") != (len(vs) == 0) || what != "" && !strings.Contains(vs[0].detail, what) {
			t.Errorf("%q: %v", what, vs)
		}
	}
}

// left is 0 exactly when every effect has come: it ends the wait for a drain.
func TestLeft(t *testing.T) {
	t.Parallel()
	consumers := map[string][]string{"inspection": {"escrow.events"}}
	f := whole()
	if all := left(f, consumers); len(all) != 0 {
		t.Errorf("%v to come, want none", all)
	}
	f.outbox["escrow"] = append(f.outbox["escrow"], published{ID: 4, Version: 3, Event: "a3", Topic: "escrow.events", Key: "a"})
	if all := left(f, consumers); len(all) != 3 {
		t.Errorf("%v to come, want 3: sent, witnessed, noted", all)
	}
}

// An answer that another try could change is not definite.
func TestDefinite(t *testing.T) {
	t.Parallel()
	for a, want := range map[struct {
		status int
		later  bool
	}]bool{{200, false}: true, {404, false}: true, {409, false}: true, {409, true}: false, {422, false}: true, {429, false}: false, {500, false}: false, {503, true}: false, {0, false}: false} {
		if got := (answer{status: a.status, later: a.later}).definite(); got != want {
			t.Errorf("%v: %t", a, got)
		}
	}
}

// Every weakness names a fault that can be made and what must break; two may share
// a defence, none its words.
func TestWeaknesses(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, w := range weaknesses {
		if w.fault == nil || len(w.breaks) == 0 || said[w.says] {
			t.Errorf("%+v", w)
		}
		said[w.says] = true
	}
	for _, defence := range []string{"acks", "async", "inbox", "sync", "cursor", "once", "commit"} {
		if !slices.ContainsFunc(weaknesses, func(w weakness) bool { return w.defence == defence }) {
			t.Errorf("%s is never taken away", defence)
		}
	}
}

// A cut holds what is under way and who dials, and nothing else; a torn link loses
// its connections.
func TestProxy(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	p, err := openProxy(map[int]string{echo.Addr().(*net.TCPAddr).Port: broker}) //nolint:forcetypeassert // of a TCP listener
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	dial := func(name string) net.Conn {
		d, err := socks.SOCKS5("tcp", p.addr(), &socks.Auth{User: name, Password: "-"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := d.Dial("tcp", echo.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	said := func(c net.Conn, within time.Duration) bool {
		_, _ = c.Write([]byte("ping\n"))
		_ = c.SetReadDeadline(time.Now().Add(within))
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && line == "ping\n"
	}
	escrow, portal, l := dial("escrow"), dial("portal"), link{"escrow", broker}
	if !said(escrow, 5*time.Second) {
		t.Fatal("nothing comes through")
	}
	p.sever(l)
	if said(escrow, 200*time.Millisecond) || !said(portal, 5*time.Second) {
		t.Error("the cut is not of escrow alone")
	}
	dialled := make(chan net.Conn, 1)
	go func() { dialled <- dial("escrow") }()
	select {
	case <-dialled:
		t.Error("dialled over a cut")
	case <-time.After(200 * time.Millisecond):
	}
	p.heal(l, false)
	_ = escrow.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(escrow).ReadString('\n'); line != "ping\n" {
		t.Errorf("what was under way did not arrive: %q, %v", line, err)
	}
	<-dialled
	p.sever(l)
	p.heal(l, true)
	if said(escrow, 5*time.Second) {
		t.Error("a torn connection lives")
	}
}
