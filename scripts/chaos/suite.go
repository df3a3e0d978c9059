package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"xunguan/pkg/event"
	"xunguan/scripts/kafka"
	"xunguan/scripts/stack"
)

// The suite's ports, before the offset; scripts/up says the same.
const (
	publicPort   = 8080
	staffPort    = 8081
	brokerPort   = 8120
	postgresPort = 8130
	kafkaPort    = 8150 // and the five after it
)

// The engines, as run.json and the faults call them; of Apache Kafka it calls each
// broker by its own name, and all of them broker.
const (
	broker   = "broker"
	postgres = "postgresql"
	witness  = "witness"
)

// services are the programs whose kills count, with the topics that each consumes.
var services = map[string][]string{
	"rulebook":   nil,
	"licensing":  {"rulebook.events", "inspection.events"},
	"escrow":     {"rulebook.events", "licensing.events", "tipoff.events"},
	"inspection": {"rulebook.events", "licensing.events", "escrow.events", "tipoff.events"},
	"tipoff":     {"rulebook.events", "licensing.events", "inspection.events"},
	"portal":     {"licensing.events", "escrow.events"},
	"provider":   nil,
}

// owners are the services with events of their own.
var owners = []string{"rulebook", "licensing", "escrow", "inspection", "tipoff"}

// topics are all of the suite's: the witness takes what no service does, too.
func topics() (all []string) {
	for _, t := range event.Topics() {
		all = append(all, t.Name)
	}
	return all
}

// suite is make up as our child, on data of its own, with its engines behind our
// proxy; and the witness beside it.
type suite struct {
	dir       string // its data
	offset    int
	kafka     *kafka.Brokers // nil: make up's own broker
	proxy     *proxy
	collector *collector
	disks     map[string]disk // of each engine
	up        *exec.Cmd
	ended     chan struct{} // closed when up has
	said      *last
	beside    *stack.Supervisor
}

// start runs the programs in bin on dir, without the defence weak if that is not
// "", and returns when all of it is ready. Where engine says so it runs Apache
// Kafka, too.
func start(ctx context.Context, bin, dir string, offset int, weak string, engine *kafka.Brokers, disks map[string]disk) (s *suite, err error) {
	s = &suite{dir: dir, offset: offset, disks: disks, ended: make(chan struct{}), said: new(last)}
	s.beside = stack.NewSupervisor(stack.Dir(filepath.Join(dir, witness)), func(string, ...any) {})
	ports := map[int]string{brokerPort + offset: broker, postgresPort + offset: postgres}
	if engine != nil {
		own := *engine
		own.Dir, own.Port = stack.Dir(filepath.Join(dir, kafkaFolder)), kafkaPort+offset
		for _, p := range own.Ports() {
			ports[p.Number] = broker
		}
		s.kafka = &own
	}
	if s.proxy, err = openProxy(ports); err != nil {
		return nil, err
	}
	begun := s
	defer func() {
		if err != nil {
			begun.stop(false)
		}
	}()
	if s.collector, err = openCollector(); err != nil {
		return nil, err
	}
	if err := os.Symlink(bin, filepath.Join(dir, "bin")); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := s.launchKafka(ctx); err != nil {
		return nil, err
	}
	if err := s.launch(weak, filepath.Join(bin, "up")); err != nil {
		return nil, err
	}
	return s, s.observe(ctx, filepath.Join(bin, witness), weak)
}

// env is what the suite and the witness see.
func (s *suite) env(weak string) []string {
	env := append(os.Environ(), "XUNGUAN_DATA="+s.dir, fmt.Sprintf("XUNGUAN_PORT_OFFSET=%d", s.offset), "DATABASE_URL=",
		"PORTAL_RATE=0", "XUNGUAN_DIAL_PROXY="+s.proxy.addr(), "OTEL_EXPORTER_OTLP_ENDPOINT="+s.collector.url(), "OTEL_METRIC_EXPORT_INTERVAL=2000", "XUNGUAN_WEAK="+weak)
	if weak != "" {
		env = append(env, "GOFLAGS=-tags=weak")
	}
	if s.kafka != nil {
		env = append(env, "XUNGUAN_KAFKA_BROKERS="+strings.Join(s.seeds(), ","), fmt.Sprintf("XUNGUAN_KAFKA_COPIES=%d", s.kafka.Count))
	}
	return env
}

// launchKafka starts Apache Kafka, if this suite is to run on it, and returns when
// it has our topics.
func (s *suite) launchKafka(ctx context.Context) error {
	if s.kafka == nil {
		return nil
	}
	if err := s.kafka.Format(ctx); err != nil {
		return err
	}
	if err := s.beside.Start(s.kafka.Processes()...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := s.kafka.Cluster().Apply(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// launch starts up and returns when it says READY.
func (s *suite) launch(weak, path string) error {
	s.up = exec.Command(path) //nolint:noctx // stop ends it
	s.up.Env = s.env(weak)
	s.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for us, who then stop it
	out, err := s.up.StdoutPipe()
	if err != nil {
		return err
	}
	s.up.Stderr = s.up.Stdout
	if err := s.up.Start(); err != nil {
		return err
	}
	ready := make(chan struct{})
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(io.TeeReader(out, s.said)); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "READY") {
				close(ready)
			}
		}
		_ = s.up.Wait() // whatever it says, it is over
	}()
	select {
	case <-ready:
		return nil
	case <-s.ended:
		return fmt.Errorf("make up ended:\n%s", s.said)
	case <-time.After(5 * time.Minute):
		return fmt.Errorf("make up is not ready after 5 minutes:\n%s", s.said)
	}
}

// observe starts the witness on a database of its own.
func (s *suite) observe(ctx context.Context, path, weak string) error {
	admin, err := s.admin()
	if err != nil {
		return err
	}
	d := stack.Database{Name: witness, Password: "witness"}
	if err := stack.Provision(ctx, admin, "chaos", d); err != nil {
		return err
	}
	own, err := d.URL(admin)
	if err != nil {
		return err
	}
	return s.beside.Start(stack.Process{Name: witness, Path: path, Database: own, Env: append(s.env(weak),
		"WITNESS_DATABASE_URL="+own, "WITNESS_KAFKA_BROKERS="+strings.Join(s.seeds(), ","), "WITNESS_TOPICS="+strings.Join(topics(), ","))})
}

// brokers are the parts that are the broker: make up's own, or each of Kafka's.
func (s *suite) brokers() (parts []string) {
	if s.kafka == nil {
		return []string{broker}
	}
	for _, p := range s.kafka.Processes() {
		parts = append(parts, p.Name)
	}
	return parts
}

// seeds are where brokers listen, in the order of their names.
func (s *suite) seeds() []string {
	if s.kafka == nil {
		return []string{stack.Port{Number: brokerPort + s.offset}.Addr()}
	}
	return s.kafka.Cluster().Brokers
}

func (s *suite) door(port int) string {
	return "http://" + stack.Port{Number: port + s.offset}.Addr()
}

// running lists the processes, by name.
func (s *suite) running() (map[string]stack.Running, error) {
	all := map[string]stack.Running{}
	for _, dir := range []string{s.dir, filepath.Join(s.dir, witness)} {
		b, err := os.ReadFile(filepath.Join(dir, "run.json")) //nolint:gosec // our own folder
		if err != nil {
			return nil, err
		}
		var list []stack.Running
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, err
		}
		for _, r := range list {
			all[r.Name] = r
		}
	}
	return all, nil
}

// admin is the superuser's URL; none of our own connections go by the proxy.
func (s *suite) admin() (string, error) {
	var list []stack.Running
	b, err := os.ReadFile(filepath.Join(s.dir, "run.json"))
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	for _, r := range list {
		if r.Name == postgres {
			return r.Database, err
		}
	}
	return "", errors.Join(err, errors.New("no postgresql in run.json"))
}

// database is the superuser's URL of the database name.
func (s *suite) database(name string) (string, error) {
	admin, err := s.admin()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(admin)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// stop ends all of it: in order, or at once.
func (s *suite) stop(inOrder bool) {
	if s.kafka == nil {
		s.beside.Stop()
	} else {
		defer s.beside.Stop() // Kafka goes last
	}
	if s.up != nil && s.up.Process != nil {
		sig := syscall.SIGKILL // its children die with it
		if inOrder {
			sig = syscall.SIGTERM
		}
		_ = s.up.Process.Signal(sig)
		<-s.ended
	}
	s.proxy.close()
	if s.collector != nil {
		s.collector.close()
	}
}

// last keeps the end of what is written to it.
type last struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *last) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.text = l.text[max(0, len(l.text)-4096):]
	return len(b), nil
}

// String is what was kept.
func (l *last) String() string { l.mu.Lock(); defer l.mu.Unlock(); return string(l.text) }
