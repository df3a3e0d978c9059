package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"xunguan/scripts/stack"
)

// consulNode is the name of the one server.
const consulNode = "xunguan"

// consulAgent is a Consul server of one on the loopback address. It denies by
// default, and keeps its data, so that it comes back as it was.
type consulAgent struct {
	addr   string            // its HTTP API, host:port
	tokens map[string]string // by service: the file with its token

	binary, dir string
	management  string // the token that may do anything; it is nowhere but here
	process     *os.Process
	ended       chan struct{}
}

// startConsul starts an agent with its data in dir/consul, which it first
// empties, and makes a token for each of services: to write its own name and to
// read all of them.
func startConsul(ctx context.Context, dir string, services []string) (*consulAgent, error) {
	binary, err := consulBinary(ctx)
	if err != nil {
		return nil, err
	}
	a := &consulAgent{binary: binary, dir: filepath.Join(dir, "consul"), tokens: make(map[string]string)}
	if err := a.prepare(); err != nil {
		return nil, err
	}
	if err := a.start(ctx); err != nil {
		return nil, err
	}
	if err := a.bootstrap(ctx, services); err != nil {
		return nil, errors.Join(fmt.Errorf("consul: %w", err), a.stop())
	}
	return a, nil
}

// prepare makes the folder with the agent's configuration.
func (a *consulAgent) prepare() error {
	if err := os.RemoveAll(a.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(a.dir, "tokens"), 0o700); err != nil {
		return err
	}
	port, err := freePorts(3)
	if err != nil {
		return err
	}
	a.addr = stack.Port{Number: port}.Addr()
	config, err := json.Marshal(map[string]any{
		"server": true, "bootstrap_expect": 1, "node_name": consulNode, "data_dir": filepath.Join(a.dir, "data"),
		"bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
		"ports":       map[string]int{"http": port, "server": port + 1, "serf_lan": port + 2, "serf_wan": -1, "dns": -1, "grpc": -1, "https": -1},
		"acl":         map[string]any{"enabled": true, "default_policy": "deny", "enable_token_persistence": true},
		"performance": map[string]int{"raft_multiplier": 1}, "disable_update_check": true,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, "agent.json"), config, 0o600)
}

// freePorts is the first of n ports in a row that nobody has, below those that
// the kernel gives to connections: the agent must get them again after a restart.
func freePorts(n int) (int, error) {
	for range 100 {
		first := 20000 + rand.IntN(10000) //nolint:gosec // no secret
		free := true
		for port := first; free && port < first+n; port++ {
			free = portIsFree(stack.Port{Number: port}.Addr())
		}
		if free {
			return first, nil
		}
	}
	return 0, errors.New("没有空闲端口")
}

func portIsFree(addr string) bool {
	tcp, err := net.Listen("tcp", addr) //nolint:noctx // it does not wait
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", addr) //nolint:noctx // it does not wait
	if err != nil {
		return false
	}
	defer udp.Close()
	return true
}

// start starts the agent on the data that it has, and returns when it leads.
func (a *consulAgent) start(ctx context.Context) error {
	log, err := os.OpenFile(a.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(a.binary, "agent", "-config-file", filepath.Join(a.dir, "agent.json")) //nolint:gosec,noctx // ours; it outlives ctx
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Setpgid: true}
	stack.DieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // whose end would kill the agent
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	a.process, a.ended = cmd.Process, ended
	if err := a.lead(ctx); err != nil {
		return errors.Join(err, a.kill())
	}
	return nil
}

func (a *consulAgent) log() string { return filepath.Join(a.dir, "agent.log") }

// lead waits until the agent has elected itself, and knows its tokens again: it
// reads them from its log only then.
func (a *consulAgent) lead(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var leader string
		err := a.call(ctx, http.MethodGet, "/v1/status/leader", "", nil, &leader)
		if err == nil && leader != "" && a.management != "" {
			err = a.call(ctx, http.MethodGet, "/v1/acl/token/self", a.management, nil, nil)
		}
		if err == nil && leader != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("consul 没有就绪：%w；日志：%s", errors.Join(err, ctx.Err()), a.log())
		case <-a.ended:
			return fmt.Errorf("consul 启动后即退出；日志：%s", a.log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kill ends the agent as kill -9 does.
func (a *consulAgent) kill() error {
	err := a.process.Kill()
	<-a.ended
	return err
}

// stop ends the agent; it comes back with start.
func (a *consulAgent) stop() error {
	select {
	case <-a.ended:
		return nil
	default:
	}
	if err := a.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-a.ended:
		return nil
	case <-time.After(10 * time.Second):
		return errors.Join(errors.New("consul 没有停下，强制结束"), a.kill())
	}
}

// bootstrap makes the first token, with it one for the agent itself, and one for
// each service.
func (a *consulAgent) bootstrap(ctx context.Context, services []string) error {
	var first struct{ SecretID string }
	if err := a.retry(ctx, http.MethodPut, "/v1/acl/bootstrap", nil, &first); err != nil {
		return err
	}
	a.management = first.SecretID
	own, err := a.token(ctx, "agent", fmt.Sprintf(`node "%s" { policy = "write" } service_prefix "" { policy = "read" }`, consulNode))
	if err != nil {
		return err
	}
	if err := a.retry(ctx, http.MethodPut, "/v1/agent/token/agent", map[string]string{"Token": own}, nil); err != nil {
		return err
	}
	for _, name := range services {
		secret, err := a.token(ctx, name, policy(name, services))
		if err != nil {
			return err
		}
		a.tokens[name] = filepath.Join(a.dir, "tokens", name)
		if err := os.WriteFile(a.tokens[name], []byte(secret), 0o400); err != nil {
			return err
		}
	}
	return nil
}

// policy lets name announce itself, and find services and itself.
func policy(name string, services []string) string {
	rules := []string{`node_prefix "" { policy = "read" }`, fmt.Sprintf(`service "%s" { policy = "write" }`, name)}
	for _, other := range services {
		if other != name {
			rules = append(rules, fmt.Sprintf(`service "%s" { policy = "read" }`, other))
		}
	}
	return strings.Join(rules, "\n")
}

// token makes a token that rules allow what they say.
func (a *consulAgent) token(ctx context.Context, name, rules string) (string, error) {
	if err := a.retry(ctx, http.MethodPut, "/v1/acl/policy", map[string]string{"Name": name, "Rules": rules}, nil); err != nil {
		return "", err
	}
	var made struct{ SecretID string }
	err := a.retry(ctx, http.MethodPut, "/v1/acl/token", map[string]any{"Description": name, "Policies": []map[string]string{{"Name": name}}}, &made)
	return made.SecretID, err
}

// retry makes a call with the management token until the agent takes it: one
// that has just elected itself still sets up its ACL system.
func (a *consulAgent) retry(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := a.call(ctx, method, path, a.management, in, out)
		if status, ok := errors.AsType[statusError](err); !ok || status < http.StatusInternalServerError {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", path, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// statusError is an answer that is not 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("consul: %d", int(e)) }

// call sends in, unless it is nil, and fills out, unless it is nil.
func (a *consulAgent) call(ctx context.Context, method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.addr+path, body)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("X-Consul-Token", token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %w %s", path, statusError(resp.StatusCode), bytes.TrimSpace(data))
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(data, out)
}
