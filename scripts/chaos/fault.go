package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// faults does to a suite what the world does, by a seeded die, and notes it.
type faults struct {
	s    *suite
	dice *rand.Rand // of the killer alone
	say  func(format string, args ...any)

	mu       sync.Mutex
	stopped  map[string]bool
	down     map[string]int // kills of a part that it has not recovered from
	kills    map[string]int
	recovery map[string][]time.Duration
	other    map[string]int // faults that are no kills, by kind
	lastAt   time.Time      // when the last fault was over
	waiting  sync.WaitGroup // recoveries under way
}

func newFaults(s *suite, seed uint64, say func(string, ...any)) *faults {
	return &faults{
		s: s, dice: rand.New(rand.NewPCG(seed, 1)), say: say, //nolint:gosec // a seed is to be repeated
		stopped: map[string]bool{}, down: map[string]int{}, kills: map[string]int{}, recovery: map[string][]time.Duration{}, other: map[string]int{},
	}
}

// kill ends a part with signal 9, all processes of it, and has its recovery timed.
// It reports whether there was somebody to kill: not what is stopped, or between
// two lives; nor a second broker of a cluster that bears the loss of one, and
// without two only waits.
func (f *faults) kill(ctx context.Context, part string) bool {
	f.mu.Lock()
	resting := f.stopped[part]
	if all := f.s.brokers(); len(all) > 1 && slices.Contains(all, part) {
		resting = resting || slices.ContainsFunc(all, func(b string) bool { return f.down[b] > 0 })
	}
	f.mu.Unlock()
	before := f.s.pids(part)
	if resting || f.s.signal(part, syscall.SIGKILL) != nil {
		return false
	}
	at := time.Now()
	f.over(func() { f.kills[part]++; f.down[part]++ })
	f.waiting.Go(func() {
		f.recovers(ctx, part, before[0], at)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.down[part]--
	})
	return true
}

// recovers notes how long it takes until the part lives again, under another
// process id.
func (f *faults) recovers(ctx context.Context, part string, was int, at time.Time) {
	for ctx.Err() == nil {
		if all, err := f.s.running(); err == nil && all[part].PID != was && f.s.alive(ctx, part) == nil {
			f.mu.Lock()
			f.recovery[part] = append(f.recovery[part], time.Since(at))
			f.mu.Unlock()
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// killing kills one of parts, again and again, apart on average, until ctx ends; a
// part that is named twice is killed twice as often.
func (f *faults) killing(ctx, life context.Context, apart time.Duration, parts []string) {
	for {
		pause(ctx, apart/2+time.Duration(f.dice.Int64N(int64(apart))))
		for ctx.Err() == nil && !f.kill(life, parts[f.dice.IntN(len(parts))]) {
			pause(ctx, 50*time.Millisecond)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// stop holds all processes of a part for d, as a virtual machine does that is moved.
func (f *faults) stop(ctx context.Context, part string, d time.Duration) error {
	f.mu.Lock()
	f.stopped[part] = true
	f.other["SIGSTOP"]++
	f.mu.Unlock()
	pids := f.s.pids(part)
	f.say("停住 %s %.0f 秒", part, d.Seconds())
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // a child may have ended
	}
	pause(ctx, d)
	for _, pid := range slices.Backward(pids) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	f.over(func() { delete(f.stopped, part) })
	return nil
}

// cut severs a link for d. If torn, its connections are gone afterwards.
func (f *faults) cut(ctx context.Context, l link, d time.Duration, torn bool) error {
	f.say("切断 %s—%s %.0f 秒", l.program, l.engine, d.Seconds())
	f.s.proxy.sever(l)
	pause(ctx, d)
	f.s.proxy.heal(l, torn)
	f.over(func() { f.other["cut"]++ })
	return nil
}

// full fills the disk of an engine for d.
func (f *faults) full(ctx context.Context, engine string, d time.Duration) error {
	disk := f.s.disks[engine]
	f.say("写满 %s 的磁盘 %.0f 秒（%s）", engine, d.Seconds(), disk)
	if err := disk.fill(noRoom); err != nil {
		return fmt.Errorf("fill the disk of %s: %w", engine, err)
	}
	pause(ctx, d)
	if err := disk.free(); err != nil {
		return fmt.Errorf("free the disk of %s: %w", engine, err)
	}
	f.over(func() { f.other["disk full"]++ })
	return nil
}

// over notes that a fault is.
func (f *faults) over(note func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	note()
	f.lastAt = time.Now()
}

// weather brings, one after the other until ctx ends, stops, cuts and full disks.
func (f *faults) weather(ctx context.Context, seed uint64, longest time.Duration) error {
	dice := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // as above
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(dice.Int64N(int64(b-a))) }
	pick := func(all []string) string { return all[dice.IntN(len(all))] }
	behind := []string{"rulebook", "licensing", "escrow", "inspection", "tipoff", "portal", witness}
	kinds := []func() error{
		func() error { return f.stop(ctx, pick(behind[1:]), between(8*time.Second, longest)) },
		func() error {
			return f.cut(ctx, link{pick(behind[1:]), postgres}, between(4*time.Second, 8*time.Second), dice.IntN(2) == 0)
		},
		func() error { return f.full(ctx, postgres, between(3*time.Second, 6*time.Second)) },
		func() error {
			return f.cut(ctx, link{pick(behind), broker}, between(4*time.Second, 8*time.Second), dice.IntN(2) == 0)
		},
		func() error { return f.full(ctx, pick(f.s.brokers()), between(3*time.Second, 6*time.Second)) },
		func() error { return f.stop(ctx, postgres, between(4*time.Second, 8*time.Second)) },
		func() error { return f.stop(ctx, pick(f.s.brokers()), between(4*time.Second, 8*time.Second)) },
	}
	for i := 0; ctx.Err() == nil; i++ {
		if err := kinds[i%len(kinds)](); err != nil {
			return err
		}
		pause(ctx, between(time.Second, 3*time.Second))
	}
	return nil
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
