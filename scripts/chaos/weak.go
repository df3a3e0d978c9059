package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// weakness is a defence, the fault that it is for, and what the checker must find
// without it.
type weakness struct {
	defence string
	says    string   // what is taken away
	server  []string // settings of PostgreSQL that go with it
	fault   func(ctx context.Context, f *faults) error
	breaks  []string
}

var weaknesses = []weakness{
	{
		"acks", "写入不等消息代理确认（RequireNone）｜杀消息代理", nil,
		func(ctx context.Context, f *faults) error { return f.several(ctx, 8, time.Second, broker) },
		[]string{lostOnWire},
	},
	{
		"async", "中继不看写入的结果（Async）｜切断服务与消息代理", nil,
		func(ctx context.Context, f *faults) error {
			for _, name := range []string{"escrow", "tipoff"} { // longer than a write may take
				if err := f.cut(ctx, link{name, broker}, 7*time.Second, true); err != nil {
					return err
				}
			}
			return nil
		},
		[]string{lostOnWire},
	},
	{
		"async", "中继不看写入的结果（Async）｜消息代理磁盘写满", nil,
		func(ctx context.Context, f *faults) error { return f.full(ctx, broker, 4*time.Second) },
		[]string{lostOnWire},
	},
	{
		"inbox", "消费者不去重（收件箱与版本）｜停住消息代理，杀消费者、数据库、消息代理", nil,
		func(ctx context.Context, f *faults) error {
			// It has what it was sent, and the relay, which got no answer, sends it again.
			if err := f.stop(ctx, broker, 7*time.Second); err != nil {
				return err
			}
			return f.several(ctx, 4, 800*time.Millisecond, witness, broker, postgres, witness)
		},
		[]string{twiceEvent},
	},
	{
		"sync", "synchronous_commit=off｜杀 PostgreSQL",
		[]string{"synchronous_commit = off", "wal_writer_delay = '10s'"},
		func(ctx context.Context, f *faults) error { return f.several(ctx, 3, 3*time.Second, postgres) },
		[]string{lostWrite},
	},
	{
		"cursor", "发件箱按游标读（id > last）｜并发写入，磁盘慢",
		[]string{"commit_delay = 20000", "commit_siblings = 1"},
		func(ctx context.Context, _ *faults) error { pause(ctx, 6*time.Second); return nil },
		[]string{skipped},
	},
	{
		"once", "不记住幂等键的答复｜停住 PostgreSQL，杀服务", nil,
		func(ctx context.Context, f *faults) error {
			if err := f.stop(ctx, postgres, 6*time.Second); err != nil {
				return err
			}
			return f.several(ctx, 4, 700*time.Millisecond, "escrow", "tipoff")
		},
		[]string{badAnswer, twiceWrite},
	},
	{
		"once", "不记住幂等键的答复｜切断服务与数据库", nil,
		func(ctx context.Context, f *faults) error {
			for range 3 { // a COMMIT under way is done, and its answer lost
				for _, name := range []string{"escrow", "tipoff"} {
					pause(ctx, 500*time.Millisecond)
					if err := f.cut(ctx, link{name, postgres}, time.Second, true); err != nil {
						return err
					}
				}
			}
			return nil
		},
		[]string{badAnswer, twiceWrite},
	},
	{
		"commit", "不看 COMMIT 的结果｜PostgreSQL 磁盘写满",
		[]string{"commit_delay = 100000", "commit_siblings = 1"}, // some are always under way
		func(ctx context.Context, f *faults) error {
			for range 3 {
				if err := f.brim(ctx, 500*time.Millisecond); err != nil {
					return err
				}
				for f.s.alive(ctx, postgres) != nil && ctx.Err() == nil {
					pause(ctx, 100*time.Millisecond)
				}
				pause(ctx, 2*time.Second) // until the writers are back
			}
			return nil
		},
		[]string{lostWrite, badAnswer},
	},
}

// several kills each of parts n times, apart from one another.
func (f *faults) several(ctx context.Context, n int, apart time.Duration, parts ...string) error {
	for range n {
		for _, part := range parts {
			pause(ctx, apart)
			for !f.kill(ctx, part) && ctx.Err() == nil {
				pause(ctx, 50*time.Millisecond)
			}
		}
	}
	return nil
}

// brim fills PostgreSQL's disk and uses up the segments that its log has ready. The
// tables can still grow, so that writes go on until a COMMIT cannot be written, and the
// server panics.
func (f *faults) brim(ctx context.Context, d time.Duration) error {
	url, err := f.s.admin()
	if err != nil {
		return err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := f.s.disks[postgres].fill(noLog); err != nil {
		return err
	}
	for err == nil { // until it panics
		_, err = conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'chaos', ''), pg_switch_wal()`)
	}
	pause(ctx, d)
	return f.s.disks[postgres].free()
}

// undefended takes away each defence, and is good if the checker finds out.
func (h *harness) undefended(ctx context.Context) error {
	var blind error
	for _, w := range weaknesses {
		if h.Only != "" && h.Only != all && h.Only != w.defence {
			continue
		}
		began := time.Now()
		caught, err := h.without(ctx, w)
		if err != nil {
			return fmt.Errorf("%s：%w", w.says, err)
		}
		if len(caught) == 0 {
			blind = errors.Join(blind, fmt.Errorf("没有了防线“%s”，核对却没有发现", w.says))
			h.say("没有发现　%s", w.says)
			continue
		}
		h.say("发现 %3d 处（%.0f 秒）　%s：%s：%s", len(caught), time.Since(began).Seconds(), w.says, caught[0].what, caught[0].detail)
	}
	return blind
}

// rounds is how often a fault is tried before the checker counts as blind; warmWrites
// is how many writes are acknowledged before it comes, so that it meets writers at work.
const (
	rounds     = 3
	warmWrites = 40
)

// without runs a suite without the defence of w and returns what of w.breaks broke.
func (h *harness) without(ctx context.Context, w weakness) (caught []violation, err error) {
	s, err := h.copy(ctx, w.defence)
	if err != nil {
		return nil, err
	}
	defer h.discard(s, false)
	if err := s.set(ctx, w.server); err != nil {
		return nil, err
	}
	who, err := meet(ctx, s, false)
	if err != nil {
		return nil, err
	}
	j, err := openJournal(filepath.Join(h.root, "journal-"+w.defence+".jsonl"))
	if err != nil {
		return nil, err
	}
	for n := range rounds {
		vs, err := h.round(ctx, s, w, j, who, n)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			if slices.Contains(w.breaks, v.what) {
				caught = append(caught, v)
			}
		}
		if len(caught) > 0 {
			break
		}
	}
	return caught, nil
}

// round is one fault under writers, and what the checker then says.
func (h *harness) round(ctx context.Context, s *suite, w weakness, j *journal, who *people, n int) ([]violation, error) {
	stop, quit := context.WithCancel(ctx)
	defer quit()
	life, end := context.WithTimeout(ctx, 90*time.Second)
	defer end()
	f := newFaults(s, h.Seed+uint64(n), func(string, ...any) {}) //nolint:gosec // 0, 1 or 2
	var g errgroup.Group
	g.Go(func() error {
		return lanes(stop, life, j, who, h.Seed, fmt.Sprintf("%d-", n), "hold", "sweep", "bank", "wind")
	})
	g.Go(func() error {
		defer quit()
		for before := j.total(); j.total() < before+warmWrites && life.Err() == nil; {
			pause(life, 100*time.Millisecond)
		}
		return w.fault(life, f)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	seen, err := drain(ctx, s, 6*time.Second) // what is lost will never drain
	if err != nil && !errors.Is(err, errUndrained) {
		return nil, err
	}
	promised := j.promises()
	if err := errors.Join(s.wire(ctx, seen), s.read(ctx, seen, who, promised)); err != nil {
		return nil, err
	}
	vs := slices.Concat(promises(promised, seen.found), effects(seen), noted(seen, services))
	for _, c := range j.complaints() {
		vs = append(vs, violation{badAnswer, c})
	}
	return vs, nil
}

// set changes settings of PostgreSQL while it runs.
func (s *suite) set(ctx context.Context, settings []string) error {
	if len(settings) == 0 {
		return nil
	}
	url, err := s.admin()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, set := range settings {
		if _, err := conn.Exec(ctx, "ALTER SYSTEM SET "+set); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, `SELECT pg_reload_conf()`)
	return err
}
