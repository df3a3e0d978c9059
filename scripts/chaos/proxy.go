package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// link is what can be cut: between a program of the suite and an engine.
type link struct{ program, engine string }

// proxy is the SOCKS5 server by way of which the suite dials its engines
// (pkg/dial). A cut link is silent, as a network is that drops packets: what is
// under way waits, and so does who dials. A healed one goes on where it was, or
// is torn, as by a firewall that has forgotten it.
type proxy struct {
	lis     net.Listener
	engines map[int]string // by port

	mu    sync.Mutex
	mend  *sync.Cond
	cut   map[link]bool
	conns map[link]map[net.Conn]bool
}

func openProxy(engines map[int]string) (*proxy, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return nil, err
	}
	p := &proxy{lis: lis, engines: engines, cut: map[link]bool{}, conns: map[link]map[net.Conn]bool{}}
	p.mend = sync.NewCond(&p.mu)
	go p.serve()
	return p, nil
}

func (p *proxy) addr() string { return p.lis.Addr().String() }

// close stops all of it.
func (p *proxy) close() {
	_ = p.lis.Close()
	p.mu.Lock()
	links := make([]link, 0, len(p.conns))
	for l := range p.conns {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		p.heal(l, true)
	}
}

// sever cuts l.
func (p *proxy) sever(l link) { p.mu.Lock(); p.cut[l] = true; p.mu.Unlock() }

// heal ends the cut of l. If torn, the connections that were there are gone.
func (p *proxy) heal(l link, torn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.cut, l)
	if torn {
		for c := range p.conns[l] {
			_ = c.Close()
		}
	}
	p.mend.Broadcast()
}

// open returns when l is not cut.
func (p *proxy) open(l link) {
	p.mu.Lock()
	for p.cut[l] {
		p.mend.Wait()
	}
	p.mu.Unlock()
}

func (p *proxy) serve() {
	for {
		c, err := p.lis.Accept()
		if err != nil {
			return
		}
		go p.pass(c)
	}
}

// pass serves one connection until both its ends are closed.
func (p *proxy) pass(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	program, to, err := greet(in, c)
	if err != nil {
		return
	}
	engine, known := p.engines[to.Port]
	if !known {
		return
	}
	l := link{program, engine}
	p.open(l)
	out, err := net.DialTCP("tcp", nil, to)
	if err != nil {
		_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // refused
		return
	}
	defer out.Close()
	if _, err := c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return
	}
	p.keep(l, c, out)
	defer p.drop(l, c, out)
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, out, in); _ = out.CloseWrite() })
	both.Go(func() { p.pump(l, c, out); _ = c.(*net.TCPConn).CloseWrite() }) //nolint:forcetypeassert // of a TCP listener
	both.Wait()
}

// pump copies while l is whole, and holds what it has while it is cut. A broken
// end breaks the other.
func (p *proxy) pump(l link, to net.Conn, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.open(l)
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil && !errors.Is(err, io.EOF) {
			_ = to.Close()
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) keep(l link, conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[l] == nil {
		p.conns[l] = map[net.Conn]bool{}
	}
	for _, c := range conns {
		p.conns[l][c] = true
	}
}

func (p *proxy) drop(l link, conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns[l], c)
	}
}

var errSOCKS = errors.New("not the SOCKS5 that pkg/dial speaks")

// greet is our side of RFC 1928 and 1929, as far as pkg/dial goes: a user, and
// CONNECT to an IPv4 address.
func greet(in *bufio.Reader, c io.Writer) (user string, to *net.TCPAddr, err error) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(in, b)
		}
		return b
	}
	say := func(b ...byte) {
		if err == nil {
			_, err = c.Write(b)
		}
	}
	read(int(read(2)[1])) // version, methods
	say(5, 2)
	user = string(read(int(read(2)[1])))
	read(int(read(1)[0])) // password
	say(1, 0)
	ask := read(10)
	if err == nil && (ask[1] != 1 || ask[3] != 1) {
		err = errSOCKS
	}
	return user, &net.TCPAddr{IP: net.IP(ask[4:8]), Port: int(binary.BigEndian.Uint16(ask[8:]))}, err
}
