package dial_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"xunguan/pkg/dial"
)

// TestContext dials the same echo twice: directly, and by way of a proxy that
// notes who dials what.
func TestContext(t *testing.T) {
	echo := listen(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	asked := make(chan string, 1)
	proxy := listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		skip := func(n int) []byte { b := make([]byte, n); _, _ = io.ReadFull(r, b); return b }
		_ = skip(int(skip(2)[1])) // methods
		_, _ = c.Write([]byte{5, 2})
		user := skip(int(skip(2)[1]))
		_ = skip(int(skip(1)[0])) // password
		_, _ = c.Write([]byte{1, 0})
		to := skip(10)[8:] // CONNECT, IPv4
		asked <- string(user)
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		_, port, _ := net.SplitHostPort(echo)
		if want, _ := net.LookupPort("tcp", port); int(to[0])<<8|int(to[1]) != want {
			t.Errorf("asked for port %v, want %d", to, want)
		}
		_, _ = io.Copy(c, r)
	})
	for _, by := range []string{"", proxy} {
		t.Setenv("XUNGUAN_DIAL_PROXY", by)
		c, err := dial.Context(t.Context(), "tcp", echo)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got := make([]byte, 4)
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
			t.Errorf("by %q: %q, %v", by, got, err)
		}
		if len(asked) != map[bool]int{true: 1}[by != ""] {
			t.Errorf("by %q: %d came to the proxy", by, len(asked))
		}
	}
	if who := <-asked; who != filepath.Base(os.Args[0]) {
		t.Errorf("the proxy was dialled by %q", who)
	}
}

// listen serves each connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	return lis.Addr().String()
}
