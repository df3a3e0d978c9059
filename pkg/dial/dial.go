// Package dial opens the connections to the engines: the broker and the
// database. Nothing else may dial them, so that who tests the suite can stand
// between: with XUNGUAN_DIAL_PROXY=host:port each connection goes by way of that
// SOCKS5 proxy, to which the program gives its name as the user. A proxy of
// one's own before the engines would not do: a broker tells its clients where
// to connect to next. Without the variable, as always in service, it dials.
package dial

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/net/proxy"
)

var direct = new(net.Dialer)

// Context connects to addr before ctx ends.
func Context(ctx context.Context, network, addr string) (net.Conn, error) {
	by := os.Getenv("XUNGUAN_DIAL_PROXY")
	if by == "" {
		return direct.DialContext(ctx, network, addr)
	}
	d, err := proxy.SOCKS5("tcp", by, &proxy.Auth{User: filepath.Base(os.Args[0]), Password: "-"}, direct)
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, network, addr) //nolint:forcetypeassert // x/net's own is one
}
