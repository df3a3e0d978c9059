package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"
)

// objects is things by name, each with what is known of it by attribute.
type objects map[string]map[string]string

// set notes what attribute of the object is.
func (o objects) set(object, attribute, value string) {
	if o[object] == nil {
		o[object] = map[string]string{}
	}
	o[object][attribute] = value
}

// write is one that was acknowledged: asked until it had a definite answer.
type write struct {
	At     time.Time       `json:"at"`
	Path   string          `json:"path"` // as the report counts it
	URL    string          `json:"url"`
	Key    string          `json:"key"`
	Tries  int             `json:"tries"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// journal is every acknowledged write, on a disk of our own, and what the writers
// have been promised by them. It lives outside the suite and outlives all of it.
type journal struct {
	mu       sync.Mutex
	file     *os.File
	acked    map[string]int // by path
	tries    int
	repeated int     // answered writes that were asked again, with the same answer
	promised objects // what must be found at the end
	wrong    []string
	codes    map[int]int // answers by status; 0 is none at all
}

func openJournal(path string) (*journal, error) {
	f, err := os.Create(path) //nolint:gosec // where we are told
	if err != nil {
		return nil, err
	}
	return &journal{file: f, acked: map[string]int{}, promised: objects{}, codes: map[int]int{}}, nil
}

// ack notes w and what it promises: pairs of attribute and value of object.
func (j *journal) ack(w write) error {
	line, err := json.Marshal(w)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked[w.Path]++
	j.tries += w.Tries
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// total is how many writes were acknowledged.
func (j *journal) total() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, of := range j.acked {
		n += of
	}
	return n
}

// promise notes pairs of attribute and value that object has from now on.
func (j *journal) promise(object string, pairs ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := 0; i+1 < len(pairs); i += 2 {
		j.promised.set(object, pairs[i], pairs[i+1])
	}
}

// fail notes something that must not be.
func (j *journal) fail(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// count notes an answer's status.
func (j *journal) count(status int) { j.mu.Lock(); defer j.mu.Unlock(); j.codes[status]++ }

// again notes that a repeated write had its first answer.
func (j *journal) again() { j.mu.Lock(); defer j.mu.Unlock(); j.repeated++ }

// promises returns a copy of what must be found.
func (j *journal) promises() objects {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := objects{}
	for name, o := range j.promised {
		all[name] = maps.Clone(o)
	}
	return all
}

// complaints returns what must not have been.
func (j *journal) complaints() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.wrong...)
}
