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
	groupWorth   = 16  // lessons that are worth a second transaction beside the first
	groupWait    = 20 * time.Millisecond
	groupGather  = 2 * time.Millisecond // for as many as were about last time
)

// groups gathers confirmations that come at the same time, so that they share one
// transaction, and one wait for the disk. Who comes alone is not kept waiting. Where
// several were about last time, they are given a moment to come together: whoever has
// just been answered often has more to say, and two groups that take turns cost nearly
// twice what one does. Who comes while a group is being written waits for the next one,
// and if that does not begin in groupWait, one more begins beside.
type groups struct {
	mu      sync.Mutex
	waiting []*confirming
	running int
	usual   int           // how many were about: waiting, or answered just now
	enough  chan struct{} // closed when as many wait again; nil while no group gathers
}

// do has run write c, in a group, and returns when that is durable, or ctx ends.
func (g *groups) do(ctx context.Context, c *confirming, run func([]*confirming)) error {
	g.add(c, run)
	late := time.NewTimer(groupWait - groupGather)
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

// add lets c wait, and begins a group if none is being written, or if there is work
// enough for one more.
func (g *groups) add(c *confirming, run func([]*confirming)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
	switch gathering := g.enough != nil; {
	case gathering && g.ready():
		close(g.enough)
		g.enough = nil
	case gathering: // what waits is its group
	case g.running == 0, g.running < groupsAtOnce && g.rows() >= groupWorth:
		g.begin(run)
	}
}

// begin writes groups until nobody waits. The caller holds mu.
func (g *groups) begin(run func([]*confirming)) {
	g.running++
	go func() {
		for group := g.take(); len(group) > 0; group = g.take() {
			run(group)
			g.mu.Lock()
			g.usual = len(group) + len(g.waiting)
			g.mu.Unlock()
		}
	}()
}

// take returns the next group; none ends the turn of who asked.
func (g *groups) take() (group []*confirming) {
	g.gather()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.waiting, g.running = nil, g.running-1
		return nil
	}
	g.usual = len(g.waiting)
	rows := 0
	for rows < groupRows && len(group) < len(g.waiting) {
		c := g.waiting[len(group)]
		c.taken = true
		group, rows = append(group, c), rows+len(c.lessons)
	}
	g.waiting = g.waiting[len(group):]
	return group
}

// gather waits a moment for as many as usual, if somebody waits already.
func (g *groups) gather() {
	g.mu.Lock()
	if len(g.waiting) == 0 || g.ready() || g.enough != nil {
		g.mu.Unlock()
		return
	}
	enough := make(chan struct{})
	g.enough = enough
	g.mu.Unlock()
	moment := time.NewTimer(groupGather)
	defer moment.Stop()
	select {
	case <-enough:
		return
	case <-moment.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.enough == enough {
		g.enough = nil
	}
}

// ready reports whether those who wait are as many as usual, or a whole group.
func (g *groups) ready() bool { return len(g.waiting) >= g.usual || g.rows() >= groupRows }

// rows is how many lessons wait.
func (g *groups) rows() (n int) {
	for _, c := range g.waiting {
		n += len(c.lessons)
	}
	return n
}
