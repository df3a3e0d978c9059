package clock

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg/pgtest"
)

func TestMove(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}})
	c := new(Clock)
	if d := time.Until(c.Now()).Abs(); d > time.Second {
		t.Fatalf("a clock that was never moved is off by %v", d)
	}
	to := time.Now().Add(40 * 24 * time.Hour)
	for _, tt := range []struct {
		name string
		to   time.Time
		err  error
	}{
		{"forward", to, nil},
		{"again", to, nil},
		{"back", to.Add(-time.Hour), fault.Conflict},
		{"to the machine's time", time.Now(), fault.Conflict},
	} {
		if err := c.Move(t.Context(), db, tt.to); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if off := c.Now().Sub(to).Abs(); off > 5*time.Second {
			t.Errorf("%s: off by %v", tt.name, off)
		}
	}
	restarted := new(Clock)
	if err := restarted.Load(t.Context(), db); err != nil || restarted.Now().Sub(to).Abs() > 5*time.Second {
		t.Errorf("after a restart: %v, %v; want %v", restarted.Now(), err, to)
	}
}
