// Package attachtest is an S3 service for tests: gofakes3 in memory, with a
// bucket of its own.
package attachtest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"xunguan/pkg/attach"
)

// Service is an S3 service that fails when a test wants it to.
type Service struct {
	backend *s3mem.Backend
	fails   atomic.Bool
}

const bucket = "test"

// New is an S3 service, and its one bucket.
func New(t testing.TB) (*Service, *attach.Objects) {
	t.Helper()
	s := &Service{backend: s3mem.New()}
	h := gofakes3.New(s.backend, gofakes3.WithoutVersioning()).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.fails.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("test:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := attach.Open(attach.Config{ObjectsURL: srv.URL, ObjectsBucket: bucket, ObjectsRegion: "us-east-1", ObjectsKeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, o
}

// Fail makes every call fail from now on, or no more.
func (s *Service) Fail(fails bool) { s.fails.Store(fails) }

// Put replaces an object behind its service's back.
func (s *Service) Put(t testing.TB, key string, body []byte) {
	t.Helper()
	if _, err := s.backend.PutObject(bucket, key, map[string]string{}, bytes.NewReader(body), int64(len(body)), nil); err != nil {
		t.Fatal(err)
	}
}

// Keys is the objects that are there.
func (s *Service) Keys(t testing.TB) (keys []string) {
	t.Helper()
	found, err := s.backend.ListBucket(bucket, nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}
