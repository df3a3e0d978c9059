// Command prepare brings what the services stand on into the state that they
// need, before they start: their databases, topics, buckets and Consul tokens. Each may
// run again at any time, and mends only what is missing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/hashicorp/consul/api" //nolint:depguard // makes the tokens that pkg/consul is given

	"xunguan/pkg/attach"
	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// names is every service: of a database and the role that owns it, and of a
// service in Consul. Nobody looks portal up.
var names = []string{"rulebook", "licensing", "escrow", "inspection", "tipoff", "portal"}

type cli struct {
	Secrets string        `default:"/run/secrets" help:"Folder of what mint made."`
	Within  time.Duration `default:"2m" help:"How long to try."`

	Databases databases `cmd:"" help:"Gives each service a database and a role of its own."`
	Topics    topics    `cmd:"" help:"Makes the topics, or corrects their settings."`
	Buckets   buckets   `cmd:"" help:"Makes the buckets of attachments."`
	Consul    consul    `cmd:"" help:"Gives each service its own Consul token."`
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("prepare"), kong.Description("Prepares a deployment. It may run again."), kong.DefaultEnvars("prepare"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	k.BindTo(ctx, (*context.Context)(nil))
	k.FatalIfErrorf(k.Run(&c))
}

// until runs f again until it succeeds or ctx ends: what it needs may still be starting.
func until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		fmt.Fprintln(os.Stderr, "again:", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// databases needs the administrator's password where pgx looks for it: PGPASSFILE or PGPASSWORD.
type databases struct {
	AdminURL string   `name:"admin-url" default:"postgres://postgres@/postgres" help:"Administrator of the server; PGHOST and its like fill in what it leaves out."`
	Suite    string   `default:"xunguan" help:"Mark on the databases that are ours."`
	More     []string `help:"Databases besides, as of the login service."`
}

// Run implements the command.
func (d databases) Run(ctx context.Context, c *cli) error {
	var list []stack.Database
	for _, name := range append(d.More, names...) {
		line, err := os.ReadFile(filepath.Join(c.Secrets, name+".pgpass")) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		fields := strings.Split(strings.TrimSpace(string(line)), ":")
		list = append(list, stack.Database{Name: name, Password: fields[len(fields)-1], Keeper: name == "tipoff"})
	}
	return until(ctx, func() error { return stack.Provision(ctx, d.AdminURL, d.Suite, list...) })
}

type topics struct {
	KafkaBrokers []string `required:"" help:"Kafka brokers, separated by commas."`
	Copies       int      `default:"3" help:"Brokers that keep each event."`
}

// Run implements the command.
func (t topics) Run(ctx context.Context) error {
	return until(ctx, func() error { return event.Cluster{Brokers: t.KafkaBrokers, Copies: t.Copies}.Apply(ctx) })
}

type buckets struct {
	ObjectsURL     string   `name:"objects-url" required:"" help:"S3 service: http://host:port or https://host."`
	ObjectsRegion  string   `name:"objects-region" default:"us-east-1" help:"Region of the buckets."`
	ObjectsKeyFile string   `name:"objects-key-file" required:"" help:"File with access:secret."`
	Buckets        []string `required:"" help:"Names, separated by commas."`
}

// Run implements the command.
func (b buckets) Run(ctx context.Context) error {
	for _, name := range b.Buckets {
		o, err := attach.Open(attach.Config{ObjectsURL: b.ObjectsURL, ObjectsRegion: b.ObjectsRegion, ObjectsKeyFile: b.ObjectsKeyFile, ObjectsBucket: name})
		if err == nil {
			err = until(ctx, func() error { return o.Make(ctx) })
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}

type consul struct {
	Consul string `required:"" help:"Consul agent, host:port."`
}

// Run implements the command.
func (s consul) Run(ctx context.Context, c *cli) error {
	management, err := secret(c.Secrets, "management")
	if err != nil {
		return err
	}
	client, err := api.NewClient(&api.Config{Address: s.Consul, Token: management})
	if err != nil {
		return err
	}
	const read = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
	rules := map[string]string{"agent": `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`, "portal": read}
	for _, name := range names {
		if name != "portal" {
			rules[name] = fmt.Sprintf(`service %q { policy = "write" } `, name) + read
		}
	}
	for name, text := range rules {
		token, err := secret(c.Secrets, name)
		if err != nil {
			return err
		}
		if err := until(ctx, func() error { return grant(ctx, client, "xunguan-"+name, text, token) }); err != nil {
			return fmt.Errorf("token of %s: %w", name, err)
		}
	}
	return nil
}

func secret(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name+".consul")) //nolint:gosec // the operator names it
	if err == nil && len(strings.TrimSpace(string(text))) == 0 {
		err = &fs.PathError{Op: "read", Path: name + ".consul", Err: errors.New("empty")}
	}
	return strings.TrimSpace(string(text)), err
}

// grant lets who holds token do what rules say, by a policy called name.
func grant(ctx context.Context, client *api.Client, name, rules, token string) error {
	acl, read, write := client.ACL(), new(api.QueryOptions).WithContext(ctx), new(api.WriteOptions).WithContext(ctx)
	policies, _, err := acl.PolicyList(read)
	if err != nil {
		return err
	}
	want := api.ACLPolicy{Name: name, Rules: rules}
	if i := slices.IndexFunc(policies, func(p *api.ACLPolicyListEntry) bool { return p.Name == name }); i < 0 {
		_, _, err = acl.PolicyCreate(&want, write)
	} else {
		want.ID = policies[i].ID
		_, _, err = acl.PolicyUpdate(&want, write)
	}
	if err != nil {
		return err
	}
	mine := *read
	mine.Token = token
	if _, _, err := acl.TokenReadSelf(&mine); err == nil {
		return nil
	}
	_, _, err = acl.TokenCreate(&api.ACLToken{SecretID: token, Description: name, Policies: []*api.ACLLink{{Name: name}}}, write)
	return err
}
