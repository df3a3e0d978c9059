package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

const (
	room     = 1 << 30          // what must be free on the disk
	readyCap = 10 * time.Minute // from the first service to READY
	answer   = 60 * time.Second // until PostgreSQL or the broker listens
	leftover = 5 * time.Second  // until what a killed suite left behind is gone
)

// UpCmd builds and runs the suite.
type UpCmd struct{}

// Run implements the command. It returns when asked to stop, or with why the
// suite cannot go on.
func (UpCmd) Run(cli *CLI) error {
	began := time.Now()
	ctx, cancel := untilStopped(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	s, release, err := prepare(ctx, cli)
	if err != nil {
		return err
	}
	defer release()
	if err := s.build(ctx); err != nil {
		return ended(err)
	}
	sup := stack.NewSupervisor(s.data, say)
	ctx, fail := context.WithCancelCause(ctx)
	go func() {
		select {
		case err := <-sup.Failed():
			fail(err)
		case <-ctx.Done():
		}
	}()
	if err = s.start(ctx, cli.Database, sup); err == nil {
		s.table(os.Stdout, time.Since(began))
		<-ctx.Done()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	fmt.Println()
	say("正在按相反的顺序停止…")
	sup.Stop()
	say("已全部停止。再次启动：make up（数据都在）；清除数据：make reset")
	return ended(err)
}

// ended is err, but for the wish to stop, which is none.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// prepare checks what can be checked before anything is started, and makes what
// is made once.
func prepare(ctx context.Context, cli *CLI) (s *suite, release func(), err error) {
	s = &suite{
		data: stack.Dir(cli.Data), root: ".", offset: cli.PortOffset, databases: make(map[string]string),
		kafka: event.Cluster{Brokers: cli.Kafka, Copies: cli.Copies}, consul: cli.Consul, tokens: cli.Tokens,
	}
	if s.embedded = len(cli.Kafka) == 0; s.embedded {
		s.kafka = event.Cluster{Brokers: []string{s.port(brokerPort, "").Addr()}, Copies: 1}
	}
	if s.offset < 0 || objectsPort+s.offset > 65535 {
		return nil, nil, fmt.Errorf("XUNGUAN_PORT_OFFSET=%d 超出范围：可用 0 到 %d", s.offset, 65535-objectsPort)
	}
	if release, err = s.data.Lock(); err != nil {
		return nil, nil, err
	}
	err = errors.Join(s.data.Room(room), s.free(cli.Database == ""))
	if err == nil && cli.Database != "" {
		err = stack.Reach(ctx, cli.Database)
	}
	if err == nil {
		err = s.keys()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}

// free checks the ports. What a killed suite left behind is given time to go.
func (s *suite) free(ownServer bool) error {
	var grace time.Duration
	if _, err := os.Stat(s.data.At("run.json")); err == nil {
		grace = leftover
	}
	return stack.Free(grace, s.ports(ownServer)...)
}

// keys reads the secrets, or makes them on the first start.
func (s *suite) keys() error {
	if _, err := os.Stat(s.data.At("secrets.json")); errors.Is(err, fs.ErrNotExist) && s.data.Major() != 0 {
		return fmt.Errorf("%s 不见了，没有它打不开已有的数据：请放回，或用 make reset 清除数据", s.data.At("secrets.json"))
	}
	var err error
	if s.secrets, err = s.data.Secrets(databases()...); err != nil {
		return err
	}
	if err := os.MkdirAll(s.data.At("keys"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(s.data.At("keys", "oidc.secret"), []byte(s.secrets.OIDC), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.data.At("keys", "objects.key"), []byte("trial:trial"), 0o600); err != nil { // the stand-in asks for none
		return err
	}
	file := s.data.At("keys", "portal.pem")
	if err := auth.WriteKey(file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	key, err := auth.ReadKey(file)
	if err != nil {
		return fmt.Errorf("门户的签名密钥读不出来（删除它会重新生成）：%w", err)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	s.kid, s.key = auth.KeyID(public), base64.StdEncoding.EncodeToString(public)
	return nil
}

// start starts everything and returns when all of it is ready. What it started
// runs on when it fails.
func (s *suite) start(ctx context.Context, admin string, sup *stack.Supervisor) error {
	if err := s.postgres(ctx, admin, sup); err != nil {
		return err
	}
	if err := s.foundation(ctx, sup); err != nil {
		return err
	}
	var group []stack.Process
	for _, v := range s.present() {
		group = append(group, s.service(v))
	}
	if len(group) > 0 {
		say("启动 %d 个服务", len(group))
		if err := sup.Start(group...); err != nil {
			return err
		}
	}
	if s.has("portal", "portal") {
		say("启动门户")
		group = []stack.Process{s.portal()}
		if s.has("escrow", "bank") {
			group = append(group, s.bank())
		}
		if err := sup.Start(group...); err != nil {
			return err
		}
	}
	return s.ready(ctx)
}

// postgres starts a server of our own unless admin names another, and gives each
// service its database.
func (s *suite) postgres(ctx context.Context, admin string, sup *stack.Supervisor) error {
	names := databases()
	if admin != "" {
		say("使用 DATABASE_URL 给出的 PostgreSQL")
		names = external(names)
	} else {
		var err error
		if admin, err = s.server(ctx, sup); err != nil {
			return err
		}
	}
	var list []stack.Database
	for i, service := range databases() {
		d := stack.Database{Name: names[i], Password: s.secrets.Database[service], Keeper: keeps(service)}
		url, err := d.URL(admin)
		if err != nil {
			return err
		}
		s.databases[service] = url
		list = append(list, d)
	}
	return stack.Provision(ctx, admin, s.secrets.Suite, list...)
}

// server starts our own PostgreSQL and returns its administrator's URL.
func (s *suite) server(ctx context.Context, sup *stack.Supervisor) (string, error) {
	dir, err := stack.Place(s.data)
	if err != nil {
		return "", err
	}
	server, err := stack.FindServer(ctx, s.data, s.data.Major(), say)
	if err != nil {
		return "", err
	}
	c := stack.Cluster{
		Server: server, Data: dir.At(stack.ClusterFolder), Port: postgresPort + s.offset, Password: s.secrets.Postgres, Connections: 300,
	}
	say("启动 PostgreSQL %d（%s）", server.Major, server.Bin)
	if err := c.Init(ctx); err != nil {
		return "", err
	}
	if err := sup.Start(c.Process()); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	return c.URL(), stack.WaitFor(ctx, c.URL())
}

// foundation starts what services connect to at once: the broker, the store of
// photos and the login provider.
func (s *suite) foundation(ctx context.Context, sup *stack.Supervisor) error {
	var group []stack.Process
	if s.embedded {
		group = append(group, s.broker())
	}
	if len(s.buckets()) > 0 {
		group = append(group, s.objects())
	}
	if s.has("portal", "provider") {
		group = append(group, s.provider())
	}
	say("启动消息代理、照片存储与试用登录")
	if err := sup.Start(group...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	if s.has("portal", "provider") {
		if err := s.port(providerPort, "").Listens(ctx); err != nil {
			return err
		}
	}
	return s.topics(ctx)
}

// topics makes the topics that the broker lacks, as soon as it answers: a service
// refuses a broker that has them not.
func (s *suite) topics(ctx context.Context) error {
	for {
		err := s.kafka.Apply(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, event.ErrTopics) {
			return fmt.Errorf("消息代理的主题与要求不符，又不能就地改正：%w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("消息代理 %s 没有应答：%w", strings.Join(s.kafka.Brokers, ","), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
