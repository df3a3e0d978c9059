package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// storm is the run that must hold: every fault, all defences.
func (h *harness) storm(ctx context.Context) error {
	s, err := h.copy(ctx, "")
	if err != nil {
		return err
	}
	defer h.discard(s, true)
	who, err := meet(ctx, s, false)
	if err != nil {
		return err
	}
	j, err := openJournal(filepath.Join(h.root, "journal.jsonl"))
	if err != nil {
		return err
	}
	if err := h.warm(ctx, s, j, who); err != nil {
		return err
	}
	before, err := s.resting()
	if err != nil {
		return err
	}
	h.say("就绪；%.0f 秒的故障开始", h.For.Seconds())
	f := newFaults(s, h.Seed, h.say)
	samples, err := h.trouble(ctx, s, f, j, who)
	if err != nil {
		return errors.Join(err, fmt.Errorf("make up 的最后几行：\n%s", s.said))
	}
	return h.judge(ctx, s, f, j, who, before, samples)
}

// warm has the writers write undisturbed for a moment, so that what a process
// takes is compared with one that has worked.
func (h *harness) warm(ctx context.Context, s *suite, j *journal, who *people) error {
	stop, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	if err := lanes(stop, ctx, j, who, h.Seed+100, "warm-", "hold", "bank", "wind"); err != nil { // black-listings and parts of a file are few
		return err
	}
	_, err := drain(ctx, s, h.Drain)
	pause(ctx, 3*time.Second) // until the collector has heard of it
	return err
}

// trouble lets writers write while faults are made, and returns when both have
// ended: the writers with the case that they had begun.
func (h *harness) trouble(ctx context.Context, s *suite, f *faults, j *journal, who *people) ([]sample, error) {
	stop, quit := context.WithTimeout(ctx, h.For)
	defer quit()
	life, end := context.WithTimeout(ctx, h.For+2*h.Drain)
	defer end()
	watch, unwatch := context.WithCancel(ctx)
	var samples []sample
	seen := make(chan struct{})
	go func() { samples = s.sampling(watch); close(seen) }()

	parts := slices.Concat(slices.Sorted(maps.Keys(services)), s.brokers(), s.brokers(), []string{postgres, witness})
	calm, hush := context.WithTimeout(ctx, h.For-h.For/6)
	defer hush()
	var g errgroup.Group
	g.Go(func() error { return lanes(stop, life, j, who, h.Seed, "") })
	g.Go(func() error { return f.weather(stop, h.Seed, h.Longest) })
	g.Go(func() error {
		// Towards the end only the engines die: a service that leaks by it is left
		// alone long enough to be seen.
		apart := h.For / time.Duration(h.Kills+h.Kills/2)
		f.killing(calm, life, apart, parts)
		f.killing(stop, life, apart, append(s.brokers(), postgres))
		return nil
	})
	g.Go(func() error {
		select {
		case <-s.ended:
			if life.Err() == nil {
				end()
				quit()
				return errors.New("make up has ended")
			}
		case <-stop.Done():
		}
		return nil
	})
	err := g.Wait()
	f.waiting.Wait()
	unwatch()
	<-seen
	return samples, err
}

// resting is what every part takes while nothing is asked of it.
func (s *suite) resting() (map[string]usage, error) {
	all := map[string]usage{}
	for name := range services {
		u, err := s.usage(name)
		if err != nil {
			return nil, fmt.Errorf("usage of %s: %w", name, err)
		}
		all[name] = u
	}
	return all, nil
}

// judge waits for the drain, compares everything with everything and reports.
func (h *harness) judge(ctx context.Context, s *suite, f *faults, j *journal, who *people, before map[string]usage, samples []sample) error {
	_, err := drain(ctx, s, h.Drain)
	drained := time.Since(f.lastAt) - rest
	if err != nil && !errors.Is(err, errUndrained) {
		return err
	}
	var vs []violation
	seen, late := s.look(ctx, who, j.promises(), h.Drain)
	switch {
	case seen == nil:
		return late
	case err != nil || late != nil:
		vs = append(vs, violation{lostEvent, errors.Join(err, late).Error()})
	}
	pause(ctx, 3*time.Second) // until the collector has heard of the rest
	after, err := s.resting()
	if err != nil {
		return err
	}
	vs = append(vs, check(seen, j, samples, services)...)
	vs = append(vs, flat(before, after)...)
	h.report(f, j, seen, samples, drained, before, after)
	kills := 0
	for part, n := range f.kills {
		if part != witness {
			kills += n
		}
	}
	if kills < h.Kills {
		return fmt.Errorf("只杀了 %d 次，至少要 %d 次", kills, h.Kills)
	}
	return verdict(vs)
}

// check is all that must be true of a suite at rest.
func check(f *facts, j *journal, samples []sample, consumers map[string][]string) []violation {
	var vs []violation
	for _, w := range j.complaints() {
		vs = append(vs, violation{badAnswer, w})
	}
	return slices.Concat(vs, promises(j.promises(), f.found), balanced(samples), effects(f), noted(f, consumers), same(f.copies, f.origin))
}

// verdict is nil if nothing was broken. It shows some of each kind.
func verdict(vs []violation) error {
	if len(vs) == 0 {
		return nil
	}
	var b strings.Builder
	shown := map[string]int{}
	for _, v := range vs {
		if shown[v.what]++; shown[v.what] <= 8 {
			fmt.Fprintf(&b, "\n  %s：%s", v.what, v.detail)
		}
	}
	return fmt.Errorf("%d 处不符%s", len(vs), b.String())
}
