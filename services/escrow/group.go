package escrow

import (
	"context"
	"sync"
	"time"
)

const (
	groupsAtOnce = 2   // transactions of groups, while none is late: one works while the other commits
	groupsAtMost = 3   // and if one is; the service has a connection more
	groupRows    = 200 // lessons in one, about
	groupWait    = 20 * time.Millisecond
)

// groups gathers confirmations that come at the same time, so that they share one
// transaction, and one wait for the disk. Who comes alone is not kept waiting; who
// comes while a group is being written waits for the next one, and if that does not
// begin in groupWait, one more begins beside.
type groups struct {
	mu      sync.Mutex
	waiting []*confirming
	running int
}

// do has run write c, in a group, and returns when that is durable, or ctx ends.
func (g *groups) do(ctx context.Context, c *confirming, run func([]*confirming)) error {
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	if g.running < groupsAtOnce {
		g.begin(run)
	}
	g.mu.Unlock()
	late := time.NewTimer(groupWait)
	defer late.Stop()
	for {
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done(): // what became of it says the same key
			return ctx.Err()
		case <-late.C:
			g.mu.Lock()
			if !c.taken && g.running < groupsAtMost {
				g.begin(run)
			}
			g.mu.Unlock()
		}
	}
}

// begin writes groups until nobody waits. The caller holds mu.
func (g *groups) begin(run func([]*confirming)) {
	g.running++
	go func() {
		for group := g.take(); len(group) > 0; group = g.take() {
			run(group)
		}
	}()
}

// take returns the next group; none ends the turn of who asked.
func (g *groups) take() (group []*confirming) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rows := 0
	for rows < groupRows && len(group) < len(g.waiting) {
		c := g.waiting[len(group)]
		c.taken = true
		group, rows = append(group, c), rows+len(c.lessons)
	}
	g.waiting = g.waiting[len(group):]
	if len(group) == 0 {
		g.waiting, g.running = nil, g.running-1
	}
	return group
}
