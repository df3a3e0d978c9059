package check

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// open is who may be reached from outside, and only from this machine.
var open = []string{"portal", "keycloak", "grafana", "jaeger"}

// load reads files of a copy of deploy/ in which mint has been, strictly.
func load(t *testing.T, env map[string]string, files ...string) (*types.Project, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "deploy"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "secrets"), os.DirFS(secrets)); err != nil {
		t.Fatal(err)
	}
	details := types.ConfigDetails{WorkingDir: dir, Environment: env}
	for _, f := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: filepath.Join(dir, f)})
	}
	return loader.LoadWithContext(context.Background(), details)
}

// filled is .env.example, filled in as an operator would.
func filled(t *testing.T) map[string]string {
	t.Helper()
	env, err := dotenv.Read(filepath.Join(root, "deploy", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range env {
		if strings.HasSuffix(name, "_URL") {
			env[name] = "https://" + strings.ToLower(strings.Split(name, "_")[1]) + ".example.gov.cn"
		}
	}
	return env
}

// TestComposeRefuses: without any one setting, compose starts nothing.
func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	for name := range filled(t) {
		env := filled(t)
		delete(env, name)
		if _, err := load(t, env, "compose.yaml"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func projects(t *testing.T) map[string]*types.Project {
	t.Helper()
	all := make(map[string]*types.Project)
	for name, files := range map[string][]string{"real": {"compose.yaml"}, "trial": {"compose.yaml", "compose.trial.yaml"}} {
		p, err := load(t, filled(t), files...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = p
	}
	return all
}

// ours are the services of p that run our image.
func ours(t *testing.T, p *types.Project) map[string]program {
	t.Helper()
	all := make(map[string]program)
	for name, s := range p.Services {
		if !strings.HasPrefix(s.Image, "xunguan:") {
			continue
		}
		run := program{command: s.Command, env: make(map[string]string), files: make(map[string][]byte)}
		for key, value := range s.Environment {
			if value != nil {
				run.env[key] = *value
			}
		}
		for _, mount := range s.Secrets {
			at := mount.Target
			if !strings.HasPrefix(at, "/") {
				at = "/run/secrets/" + at
			}
			run.files[at] = content(t, p.Secrets[mount.Source].File)
		}
		all[name] = run
	}
	return all
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // that compose names
	if err != nil {
		t.Errorf("mint does not make %s", filepath.Base(file))
	}
	return text
}

func TestComposeVariables(t *testing.T) {
	t.Parallel()
	for name, p := range projects(t) {
		all := ours(t, p)
		for service, run := range all {
			checkVariables(t, name+"/"+service, run)
		}
		for _, s := range services(t) {
			if run, there := all[s]; !there || run.name() != s {
				t.Errorf("%s: %s is not started", name, s)
			}
		}
		for service, run := range all {
			if trial := run.env[strings.ToUpper(service)+"_TRIAL"]; slices.Contains(services(t), service) && (trial == "true") != (name == "trial") {
				t.Errorf("%s: %s has TRIAL=%q", name, service, trial)
			}
		}
	}
}

// TestComposeProgramsStart runs each service with the variables of its container.
func TestComposeProgramsStart(t *testing.T) {
	t.Parallel()
	for name, run := range ours(t, projects(t)["real"]) {
		if run.name() != "prepare" {
			t.Run(name, func(t *testing.T) { checkStart(t, run) })
		}
	}
}

// TestComposePorts follows each address to who listens there.
func TestComposePorts(t *testing.T) {
	t.Parallel()
	p := projects(t)["real"]
	listens := map[string][]int32{
		"postgres": {5432}, "kafka-1": {9092}, "kafka-2": {9092}, "kafka-3": {9092}, "consul": {8500}, "otel-collector": {4318, 8889},
		"jaeger": {4318, 16686}, "prometheus": {9090}, "grafana": {3000}, "objects": {number(t, p.Services["objects"].Command[1])}, "keycloak": {number(t, ":"+*p.Services["keycloak"].Environment["KC_HTTP_PORT"])},
	}
	all := ours(t, p)
	for name, run := range all {
		for _, v := range []string{"HTTP_ADDR", "PUBLIC_ADDR", "STAFF_ADDR"} {
			if addr := run.env[strings.ToUpper(name)+"_"+v]; addr != "" {
				if !strings.HasPrefix(addr, ":") {
					t.Errorf("%s listens on %s, where no other container comes", name, addr)
				}
				listens[name] = append(listens[name], number(t, addr))
			}
		}
	}
	reaches := func(who, at string) {
		host, _, _ := strings.Cut(at, ":")
		if !slices.Contains(listens[host], number(t, at)) {
			t.Errorf("%s reaches out to %s, where nobody listens", who, at)
		}
	}
	for name, run := range all {
		prefix := strings.ToUpper(run.name()) + "_"
		for _, list := range []string{run.env[prefix+"KAFKA_BROKERS"], run.env[prefix+"CONSUL"], run.env[prefix+"ADVERTISE"]} {
			for _, at := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
				reaches(name, at)
			}
		}
		for _, peer := range strings.FieldsFunc(run.env[prefix+"PEERS"], func(r rune) bool { return r == ';' }) {
			peer, at, _ := strings.Cut(peer, "=")
			reaches(name, at)
			if !strings.HasPrefix(at, peer+":") {
				t.Errorf("%s: peer %s is sent to %s", name, peer, at)
			}
		}
		if at := run.env["OTEL_EXPORTER_OTLP_ENDPOINT"]; at != "" {
			reaches(name, strings.TrimPrefix(at, "http://"))
		}
		if at := run.env[prefix+"OBJECTS_URL"]; at != "" {
			reaches(name, strings.TrimPrefix(at, "http://"))
		}
		if at := run.env["PGHOST"]; at != "" {
			reaches(name, at+":5432")
		}
	}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" || !slices.Contains(open, name) {
				t.Errorf("%s is open to %s:%s", name, port.HostIP, port.Published)
			}
			if !slices.Contains(listens[name], int32(port.Target)) { //nolint:gosec // a port
				t.Errorf("%s: port %s leads to %d, where nobody listens", name, port.Published, port.Target)
			}
		}
		if _, out := s.Networks["edge"]; out != slices.Contains(open, name) {
			t.Errorf("%s: on the outer network: %v", name, out)
		}
	}
	if !p.Networks["inside"].Internal {
		t.Error("the inner network leads out")
	}
}

// TestComposeContainers is what each container must keep to.
func TestComposeContainers(t *testing.T) {
	t.Parallel()
	p := projects(t)["real"]
	for name, s := range p.Services {
		tag := s.Image[strings.LastIndex(s.Image, ":")+1:]
		if !strings.Contains(s.Image, ":") || tag == "latest" || !strings.Contains(tag, ".") {
			t.Errorf("%s: image %s has no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s mounts %s, which must be there and read-only: %v", name, v.Source, err)
			}
		}
		for key, value := range s.Environment {
			if value != nil && strings.Contains(key, "PASSWORD") && !strings.HasSuffix(key, "FILE") {
				t.Errorf("%s: %s is written down", name, key)
			}
		}
		if !strings.HasPrefix(s.Image, "xunguan:") {
			continue
		}
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s: must be nobody, read only, and without capabilities", name)
		}
	}
	for _, s := range services(t) {
		grace := p.Services[s].StopGracePeriod
		if grace == nil || time.Duration(*grace) < stopCap(t)+5*time.Second {
			t.Errorf("%s: killed before it has had the %v that a stop may take", s, stopCap(t))
		}
		for _, job := range []string{"databases", "topics", "tokens", "buckets"} {
			if p.Services[s].DependsOn[job].Condition != types.ServiceConditionCompletedSuccessfully {
				t.Errorf("%s does not wait for %s", s, job)
			}
		}
	}
}

// TestComposeKafka: three brokers hold each event three times, and a write counts
// once two have it, as the topics are made.
func TestComposeKafka(t *testing.T) {
	t.Parallel()
	p := projects(t)["real"]
	copies := ours(t, p)["topics"].env["PREPARE_COPIES"]
	for i, name := range []string{"kafka-1", "kafka-2", "kafka-3"} {
		env := p.Services[name].Environment
		for key, want := range map[string]string{
			"KAFKA_NODE_ID": string(rune('1' + i)), "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://" + name + ":9092",
			"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false", "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false", "KAFKA_MIN_INSYNC_REPLICAS": "2",
			"KAFKA_DEFAULT_REPLICATION_FACTOR": copies, "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": copies, "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": copies,
			"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093",
		} {
			if got := env[key]; got == nil || *got != want {
				t.Errorf("%s: %s: want %s", name, key, want)
			}
		}
	}
	if copies != "3" {
		t.Errorf("each event is kept %s times", copies)
	}
}
