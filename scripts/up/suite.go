package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// The ports that are no service's, before XUNGUAN_PORT_OFFSET.
const (
	publicPort   = 8080
	staffPort    = 8081
	providerPort = 8110
	brokerPort   = 8120
	postgresPort = 8130
	objectsPort  = 8140
)

// clientID is the portal's name at the login provider.
const clientID = "xunguan"

// service is a service that stands behind the portal. One line here is all that
// a new one needs; one whose cmd folder does not exist is left out.
type service struct {
	name string
	port int
	what string
	own  map[string]string // variables that it alone has; {data} is the data folder
	// photos: it keeps attachments, in a bucket of its own.
	photos bool
	// keeper: its database has a second role, see stack.Database.
	keeper bool
}

var services = []service{
	{name: "rulebook", port: 8101, what: "规则与日历"},
	{name: "licensing", port: 8102, what: "许可"},
	{name: "escrow", port: 8103, what: "资金"},
	{name: "inspection", port: 8104, what: "检查", photos: true},
	{name: "tipoff", port: 8105, what: "举报", own: map[string]string{"TIPOFF_KEYS": "{data}/keys/tipoff"}, keeper: true, photos: true},
}

// databases are those of all services, and the portal's.
func databases() []string {
	var names []string
	for _, s := range services {
		names = append(names, s.name)
	}
	return append(names, "portal")
}

// keeps reports whether the database of the service name has a second role.
func keeps(name string) bool {
	return slices.ContainsFunc(services, func(v service) bool { return v.name == name && v.keeper })
}

// external are the names of databases on a server that is not ours alone.
func external(names []string) []string {
	var list []string
	for _, name := range names {
		list = append(list, "xunguan_"+name)
	}
	return list
}

// suite is one run: its data, ports and secrets, and which programs the tree has.
type suite struct {
	data      stack.Dir
	root      string // the checkout
	offset    int
	secrets   stack.Secrets
	kid, key  string            // the portal's public key, and its id
	databases map[string]string // URL by name
	kafka     event.Cluster
	embedded  bool // kafka is our own broker
	consul    string
	tokens    map[string]string // files by service, for consul
}

func (s *suite) port(n int, what string) stack.Port {
	return stack.Port{Number: n + s.offset, For: what}
}

func (s *suite) url(port int) string { return "http://" + s.port(port, "").Addr() }

// has reports whether the tree has the program services/<service>/cmd/<name>.
func (s *suite) has(service, name string) bool {
	found, _ := filepath.Glob(filepath.Join(s.root, "services", service, "cmd", name, "*.go"))
	return len(found) > 0
}

// present are the services that the tree has.
func (s *suite) present() []service {
	var list []service
	for _, v := range services {
		if s.has(v.name, v.name) {
			list = append(list, v)
		}
	}
	return list
}

// programs are the packages to build.
func (s *suite) programs() []string {
	var list []string
	if s.embedded {
		list = append(list, "./scripts/broker")
	}
	if len(s.buckets()) > 0 {
		list = append(list, "./scripts/objects")
	}
	for _, v := range s.present() {
		list = append(list, "./services/"+v.name+"/cmd/"+v.name)
	}
	for _, name := range []string{"provider", "portal"} {
		if s.has("portal", name) {
			list = append(list, "./services/portal/cmd/"+name)
		}
	}
	if s.has("escrow", "bank") {
		list = append(list, "./services/escrow/cmd/bank")
	}
	return list
}

// ports are those that the suite is about to listen on.
func (s *suite) ports(ownServer bool) []stack.Port {
	var list []stack.Port
	if s.embedded {
		list = append(list, s.port(brokerPort, "消息代理"))
	}
	if ownServer {
		list = append(list, s.port(postgresPort, "PostgreSQL"))
	}
	if len(s.buckets()) > 0 {
		list = append(list, s.port(objectsPort, "照片存储"))
	}
	for _, v := range s.present() {
		list = append(list, s.port(v.port, v.what+"服务 "+v.name))
	}
	if s.has("portal", "provider") {
		list = append(list, s.port(providerPort, "试用登录"))
	}
	if s.has("portal", "portal") {
		list = append(list, s.port(publicPort, "公众门户"), s.port(staffPort, "工作台"))
	}
	return list
}

// peers is where each service is, in the form of --peers.
func (s *suite) peers() string {
	var list []string
	for _, v := range s.present() {
		list = append(list, v.name+"="+s.port(v.port, "").Addr())
	}
	return strings.Join(list, ";")
}

func (s *suite) broker() stack.Process {
	return stack.Process{
		Name: "broker", Path: s.data.At("bin", "broker"), Env: s.env(nil),
		Args: []string{"--port", fmt.Sprint(brokerPort + s.offset), "--data", s.data.At("broker")},
	}
}

// buckets are those of the services that keep attachments.
func (s *suite) buckets() []string {
	var list []string
	for _, v := range s.present() {
		if v.photos {
			list = append(list, bucket(v.name))
		}
	}
	return list
}

func bucket(service string) string { return "xunguan-" + service }

func (s *suite) objects() stack.Process {
	return stack.Process{
		Name: "objects", Path: s.data.At("bin", "objects"), Env: s.env(nil),
		Args: []string{"--port", fmt.Sprint(objectsPort + s.offset), "--data", s.data.At("objects"), "--buckets", strings.Join(s.buckets(), ",")},
	}
}

func (s *suite) provider() stack.Process {
	return stack.Process{
		Name: "provider", Path: s.data.At("bin", "provider"), HTTP: s.url(providerPort),
		Env: s.env(map[string]string{
			"PROVIDER_HTTP_ADDR":          s.port(providerPort, "").Addr(),
			"PROVIDER_CLIENT_ID":          clientID,
			"PROVIDER_CLIENT_SECRET_FILE": s.data.At("keys", "oidc.secret"),
			"PROVIDER_TRIAL":              "true",
		}),
	}
}

func (s *suite) service(v service) stack.Process {
	prefix := strings.ToUpper(v.name) + "_"
	env := map[string]string{
		prefix + "HTTP_ADDR":    s.port(v.port, "").Addr(),
		prefix + "DATABASE_URL": s.databases[v.name],
		prefix + "CALLER_KEYS":  s.kid + "=" + s.key,
		prefix + "PEERS":        s.peers(),
		prefix + "TRIAL":        "true",
	}
	if v.photos {
		env[prefix+"OBJECTS_URL"], env[prefix+"OBJECTS_BUCKET"], env[prefix+"OBJECTS_KEY_FILE"] = s.url(objectsPort), bucket(v.name), s.data.At("keys", "objects.key")
	}
	s.engines(env, prefix, v.name, s.port(v.port, "").Addr())
	for name, value := range v.own {
		env[name] = strings.ReplaceAll(value, "{data}", string(s.data))
	}
	return stack.Process{
		Name: v.name, Path: s.data.At("bin", v.name), HTTP: s.url(v.port), Database: s.databases[v.name], Env: s.env(env),
	}
}

func (s *suite) portal() stack.Process {
	env := map[string]string{
		"PORTAL_PUBLIC_ADDR":             s.port(publicPort, "").Addr(),
		"PORTAL_STAFF_ADDR":              s.port(staffPort, "").Addr(),
		"PORTAL_DATABASE_URL":            s.databases["portal"],
		"PORTAL_SIGNING_KEY_FILE":        s.data.At("keys", "portal.pem"),
		"PORTAL_PEERS":                   s.peers(),
		"PORTAL_OIDC_ISSUER":             s.url(providerPort) + "/oidc",
		"PORTAL_OIDC_CLIENT_ID":          clientID,
		"PORTAL_OIDC_CLIENT_SECRET_FILE": s.data.At("keys", "oidc.secret"),
		"PORTAL_TRIAL":                   "true",
	}
	s.engines(env, "PORTAL_", "portal", "")
	return stack.Process{
		Name: "portal", Path: s.data.At("bin", "portal"), HTTP: s.url(publicPort), Database: s.databases["portal"], Env: s.env(env),
	}
}

// bank is the stand-in for the bank: a caller like any other, that comes to the portal.
// Its first orders it does not execute quite right.
func (s *suite) bank() stack.Process {
	return stack.Process{
		Name: "bank", Path: s.data.At("bin", "bank"),
		Env: s.env(map[string]string{
			"BANK_PORTAL": s.url(staffPort),
			"BANK_STATE":  s.data.At("bank", "books.json"),
			"BANK_FAULTS": "pays-twice",
			"BANK_TRIAL":  "true",
		}),
	}
}

// engines adds to env where the service finds its broker, and Consul if there is
// one, where it is announced at addr, if it has one.
func (s *suite) engines(env map[string]string, prefix, service, addr string) {
	env[prefix+"KAFKA_BROKERS"] = strings.Join(s.kafka.Brokers, ",")
	env[prefix+"KAFKA_COPIES"] = strconv.Itoa(s.kafka.Copies)
	if s.consul == "" {
		return
	}
	env[prefix+"CONSUL"], env[prefix+"CONSUL_TOKEN_FILE"] = s.consul, s.tokens[service]
	if addr != "" {
		env[prefix+"ADVERTISE"] = addr
	}
}

// env is what a child sees: our environment without what is the administrator's
// or would turn it aside, where traces go, and own.
func (s *suite) env(own map[string]string) []string {
	traces, figures := s.url(staffPort)+"/trial/otlp", "none" // portal shows traces, and no figures
	var env []string
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "DATABASE_URL", name == "TEST_DATABASE_URL", strings.HasPrefix(name, "PG"):
		case name == "OTEL_EXPORTER_OTLP_ENDPOINT":
			if value != "" {
				traces, figures = value, "otlp"
			}
		default:
			env = append(env, v)
		}
	}
	env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT="+traces, "OTEL_METRICS_EXPORTER="+figures)
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}
