package main

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"xunguan/pkg/attach"
)

// TestMain is also the service that the test kills.
func TestMain(m *testing.M) {
	if os.Getenv("OBJECTS_DATA") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, port, data string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "OBJECTS_PORT="+port, "OBJECTS_DATA="+data, "OBJECTS_BUCKETS=one,two")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestSurvives: what was acknowledged is there after a kill -9, in each bucket.
func TestSurvives(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := lis.Addr().String()
	port, data := strconv.Itoa(lis.Addr().(*net.TCPAddr).Port), t.TempDir()
	_ = lis.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a:b"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(at, &minio.Options{Creds: credentials.NewStaticV4("a", "b", ""), Region: "us-east-1", MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		cmd := start(t, port, data)
		for _, bucket := range []string{"one", "two"} {
			o, err := attach.Open(attach.Config{ObjectsURL: "http://" + at, ObjectsBucket: bucket, ObjectsRegion: "us-east-1", ObjectsKeyFile: key})
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); o.Reachable(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it does not answer")
				}
			}
			for old := range round {
				from, err := client.GetObject(t.Context(), bucket, strconv.Itoa(old), minio.GetObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(from); err != nil || !bytes.Equal(got, photo.Bytes()) {
					t.Errorf("round %d: object %d of %s: %d bytes, %v", round, old, bucket, len(got), err)
				}
			}
			if _, err := client.PutObject(t.Context(), bucket, strconv.Itoa(round), bytes.NewReader(photo.Bytes()), int64(photo.Len()), minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
}
