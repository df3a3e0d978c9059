package main

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
)

// cost is the processor time, in seconds, that each part of what is measured has
// used. Unlike the time that passes it says little of who else is on the machine.
type cost map[string]float64

// parts is what a cost is split into, in the order in which it is shown.
var parts = [][2]string{{"escrow", "escrow"}, {"database", "PostgreSQL"}, {"events", "其余(代理、消费者)"}, {"bench", "压测自身"}}

// spent is the cost so far. PostgreSQL's part in what consumers do is theirs.
func (s *suite) spent() (cost, error) {
	list, err := s.running()
	c := cost{"bench": processor(os.Getpid())}
	for _, p := range list {
		switch p.Name {
		case "escrow":
			c["escrow"] += processor(p.PID)
		case "postgresql":
			c["database"] += processor(p.PID)
			for _, pid := range children(p.PID) {
				c[serves(pid)] += processor(pid)
			}
		default:
			c["events"] += processor(p.PID)
		}
	}
	return c, err
}

func children(pid int) (pids []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for f := range strings.FieldsSeq(string(list)) {
		if child, err := strconv.Atoi(f); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// serves is the part that a process of PostgreSQL belongs to. One with a connection
// calls itself "postgres: role database host(port)", and has a role for each service.
func serves(pid int) string {
	title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.Fields(strings.ReplaceAll(string(title), "\x00", " "))
	if len(words) > 3 && strings.Contains(words[3], "(") && words[2] != "escrow" {
		return "events"
	}
	return "database"
}

// processor is the seconds of processor time of pid so far, and of its children that have ended.
func processor(pid int) (sum float64) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// After the name, which may hold anything, in brackets: the 12th to 15th field are
	// its own time and its children's, in user and in kernel mode, in hundredths.
	if f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(f) > 14 {
		for _, ticks := range f[11:15] {
			n, _ := strconv.ParseFloat(ticks, 64)
			sum += n / 100
		}
	}
	return sum
}

// since is what was used since earlier.
func (c cost) since(earlier cost) cost {
	d := maps.Clone(c)
	for part, s := range earlier {
		d[part] -= s
	}
	return d
}

// each adds to r what every one of n lessons cost of c.
func (c cost) each(r *report, key string, n float64) {
	var all float64
	for _, p := range parts {
		r.add(key+".cpu."+p[0], "    CPU "+p[1], "µs/课时", c[p[0]]*1e6/n)
		all += c[p[0]] * 1e6 / n
	}
	r.add(key+".cpu", "    CPU 合计", "µs/课时", all)
}
