package check

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// connections is what k8s/README asks of the server of a city.
const connections = 600

// house is what a kustomization makes.
type house struct {
	name        string
	deployments map[string]*apps.Deployment
	jobs        map[string]*batch.Job
	services    map[string]*core.Service
	accounts    map[string]*core.ServiceAccount
	configs     map[string]*core.ConfigMap
	secrets     map[string]*core.Secret
	budgets     map[string]*policy.PodDisruptionBudget
	policies    map[string]*network.NetworkPolicy
	ingresses   map[string]*network.Ingress
	scalers     map[string]*autoscaling.HorizontalPodAutoscaler
	namespaces  map[string]*core.Namespace
}

// overlays are every kustomization that an operator applies, together with the
// secrets that mint made for it.
func overlays(t *testing.T) []*house {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "k8s", "overlays", "*"))
	if err != nil || len(dirs) < 2 {
		t.Fatalf("overlays: %v, %v", dirs, err)
	}
	var all []*house
	for _, dir := range dirs {
		all = append(all, build(t, dir, secrets))
	}
	return all
}

// build makes dirs, and decodes each object strictly: no field that the API does
// not have, and none twice.
func build(t *testing.T, dirs ...string) *house {
	t.Helper()
	h := &house{
		filepath.Base(dirs[0]),
		map[string]*apps.Deployment{},
		map[string]*batch.Job{},
		map[string]*core.Service{},
		map[string]*core.ServiceAccount{},
		map[string]*core.ConfigMap{},
		map[string]*core.Secret{},
		map[string]*policy.PodDisruptionBudget{},
		map[string]*network.NetworkPolicy{},
		map[string]*network.Ingress{},
		map[string]*autoscaling.HorizontalPodAutoscaler{},
		map[string]*core.Namespace{},
	}
	for _, dir := range dirs {
		made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, r := range made.Resources() {
			text, err := r.AsYAML()
			if err == nil {
				err = h.add(r.GetApiVersion()+" "+r.GetKind(), text)
			}
			if err != nil {
				t.Fatalf("%s: %s %s: %v", dir, r.GetKind(), r.GetName(), err)
			}
			if ns := r.GetNamespace(); ns != "xunguan" && r.GetKind() != "Namespace" {
				t.Errorf("%s: %s %s is in namespace %q", dir, r.GetKind(), r.GetName(), ns)
			}
		}
	}
	return h
}

func (h *house) add(kind string, text []byte) error {
	switch kind {
	case "apps/v1 Deployment":
		return put(h.deployments, text)
	case "batch/v1 Job":
		return put(h.jobs, text)
	case "v1 Service":
		return put(h.services, text)
	case "v1 ServiceAccount":
		return put(h.accounts, text)
	case "v1 ConfigMap":
		return put(h.configs, text)
	case "v1 Secret":
		return put(h.secrets, text)
	case "v1 Namespace":
		return put(h.namespaces, text)
	case "policy/v1 PodDisruptionBudget":
		return put(h.budgets, text)
	case "networking.k8s.io/v1 NetworkPolicy":
		return put(h.policies, text)
	case "networking.k8s.io/v1 Ingress":
		return put(h.ingresses, text)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return put(h.scalers, text)
	}
	return fmt.Errorf("%s: no test knows this kind", kind)
}

func put[T any, P interface {
	*T
	meta.Object
}](all map[string]P, text []byte) error {
	v := P(new(T))
	if err := yaml.UnmarshalStrict(text, v); err != nil {
		return err
	}
	if all[v.GetName()] != nil {
		return fmt.Errorf("there are two")
	}
	all[v.GetName()] = v
	return nil
}

// program is a container as the tests see it: what it runs, and its variables
// with the values that they have.
type program struct {
	command []string
	env     map[string]string
	files   map[string][]byte // of mint, by the path at which they appear
}

func (p program) name() string { return filepath.Base(p.command[0]) }

// program reads a pod's only container.
func (h *house) program(t *testing.T, who string, pod core.PodSpec) program {
	t.Helper()
	c := pod.Containers[0]
	p := program{command: c.Command, env: make(map[string]string), files: make(map[string][]byte)}
	for _, from := range c.EnvFrom {
		m := h.configs[from.ConfigMapRef.Name]
		if m == nil {
			t.Errorf("%s: there is no ConfigMap %s, here or in mint's", who, from.ConfigMapRef.Name)
			continue
		}
		for key, value := range m.Data {
			p.env[from.Prefix+key] = value
		}
	}
	for _, e := range c.Env {
		p.env[e.Name] = strings.ReplaceAll(e.Value, "$(POD_IP)", "127.0.0.1")
	}
	for _, v := range pod.Volumes {
		if v.Secret == nil {
			continue
		}
		secret := h.secrets[v.Secret.SecretName]
		if secret == nil {
			t.Errorf("%s: mint makes no Secret %s", who, v.Secret.SecretName)
			continue
		}
		for _, m := range c.VolumeMounts {
			if m.Name == v.Name {
				for key, value := range secret.Data {
					p.files[m.MountPath+"/"+key] = value
				}
			}
		}
	}
	return p
}

// programs are those of all pods, by the name of what makes them.
func (h *house) programs(t *testing.T) map[string]program {
	t.Helper()
	all := make(map[string]program)
	for name, d := range h.deployments {
		all[name] = h.program(t, h.name+"/"+name, d.Spec.Template.Spec)
	}
	for name, j := range h.jobs {
		all[name] = h.program(t, h.name+"/"+name, j.Spec.Template.Spec)
	}
	return all
}

func TestClusterVariables(t *testing.T) {
	t.Parallel()
	for _, h := range append(overlays(t), build(t, filepath.Join(root, "k8s", "topics"))) {
		seen := make(map[string]bool)
		for name, p := range h.programs(t) {
			checkVariables(t, h.name+"/"+name, p)
			seen[p.name()] = true
		}
		if h.name == "topics" {
			continue
		}
		for _, s := range services(t) {
			if !seen[s] {
				t.Errorf("%s: %s is not deployed", h.name, s)
			}
		}
	}
}

// TestClusterProgramsStart runs each program with the variables that its pod has.
func TestClusterProgramsStart(t *testing.T) {
	t.Parallel()
	for _, h := range overlays(t) {
		for name, p := range h.programs(t) {
			t.Run(h.name+"/"+name, func(t *testing.T) { checkStart(t, p) })
		}
	}
}

func TestClusterPods(t *testing.T) {
	t.Parallel()
	for _, h := range append(overlays(t), build(t, filepath.Join(root, "k8s", "topics"))) {
		for name, d := range h.deployments {
			checkPod(t, h.name+"/"+name, d.Spec.Template.Spec)
			checkProbes(t, h.name+"/"+name, d.Spec.Template.Spec)
			if h.accounts[d.Spec.Template.Spec.ServiceAccountName] == nil {
				t.Errorf("%s/%s: there is no ServiceAccount %s", h.name, name, d.Spec.Template.Spec.ServiceAccountName)
			}
			if len(d.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
				t.Errorf("%s/%s: replicas may all be on one node", h.name, name)
			}
			for _, s := range d.Spec.Template.Spec.TopologySpreadConstraints {
				if !picks(t, s.LabelSelector, d.Spec.Template.Labels) || !picks(t, d.Spec.Selector, d.Spec.Template.Labels) {
					t.Errorf("%s/%s: a selector does not pick its own pods", h.name, name)
				}
			}
		}
		for name, j := range h.jobs {
			checkPod(t, h.name+"/"+name, j.Spec.Template.Spec)
		}
	}
}

// checkPod is what every pod must keep to.
func checkPod(t *testing.T, who string, pod core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	sc, cc := pod.SecurityContext, c.SecurityContext
	for what, ok := range map[string]bool{
		"one container":                   len(pod.Containers) == 1 && len(pod.InitContainers) == 0,
		"runAsNonRoot":                    sc != nil && sc.RunAsNonRoot != nil && *sc.RunAsNonRoot,
		"runAsUser of the image":          sc != nil && sc.RunAsUser != nil && *sc.RunAsUser == 65532,
		"seccomp RuntimeDefault":          sc != nil && sc.SeccompProfile != nil && sc.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
		"no token of the cluster":         pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken,
		"readOnlyRootFilesystem":          cc != nil && cc.ReadOnlyRootFilesystem != nil && *cc.ReadOnlyRootFilesystem,
		"no privilege escalation":         cc != nil && cc.AllowPrivilegeEscalation != nil && !*cc.AllowPrivilegeEscalation,
		"drop ALL":                        cc != nil && cc.Capabilities != nil && slices.Equal(cc.Capabilities.Drop, []core.Capability{"ALL"}) && len(cc.Capabilities.Add) == 0,
		"a bound on memory":               !c.Resources.Limits.Memory().IsZero(),
		"requests":                        !c.Resources.Requests.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(),
		"an image with a version":         strings.Contains(filepath.Base(c.Image), ":") && !strings.HasSuffix(c.Image, ":latest"),
		"nothing of the node":             !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
		"no secret in a variable's value": !slices.ContainsFunc(c.Env, func(e core.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil }),
	} {
		if !ok {
			t.Errorf("%s: must have: %s", who, what)
		}
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s: mounts the node's %s", who, v.HostPath.Path)
		}
	}
}

// checkProbes sees that the service answers what it is asked, and has the time to stop.
func checkProbes(t *testing.T, who string, pod core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	for name, want := range map[string]struct {
		probe *core.Probe
		path  string
	}{"startup": {c.StartupProbe, "/healthz"}, "liveness": {c.LivenessProbe, "/healthz"}, "readiness": {c.ReadinessProbe, "/readyz"}} {
		if want.probe == nil || want.probe.HTTPGet == nil {
			t.Errorf("%s: no %s probe", who, name)
			continue
		}
		get := want.probe.HTTPGet
		if get.Path != want.path || !answers(t, get.Path) {
			t.Errorf("%s: the %s probe asks %s; want %s, which a service answers", who, name, get.Path, want.path)
		}
		if portOf(c, get.Port) == 0 {
			t.Errorf("%s: the %s probe asks port %s, which the container has not", who, name, get.Port.String())
		}
	}
	if cap := stopCap(t); pod.TerminationGracePeriodSeconds == nil || time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second < cap+5*time.Second {
		t.Errorf("%s: killed before it has had the %v that a stop may take", who, cap)
	}
}

// portOf is the number of a container's port, or 0.
func portOf(c core.Container, port intstr.IntOrString) int {
	for _, p := range c.Ports {
		if p.Name == port.StrVal && port.Type == intstr.String || port.Type == intstr.Int && p.ContainerPort == port.IntVal {
			return int(p.ContainerPort)
		}
	}
	return 0
}

func picks(t *testing.T, s *meta.LabelSelector, of map[string]string) bool {
	t.Helper()
	sel, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return !sel.Empty() && sel.Matches(labels.Set(of))
}

// TestClusterPorts follows each address to who listens there.
func TestClusterPorts(t *testing.T) {
	t.Parallel()
	for _, h := range overlays(t) {
		for name, d := range h.deployments {
			p, c := h.program(t, name, d.Spec.Template.Spec), d.Spec.Template.Spec.Containers[0]
			for _, v := range []string{"HTTP_ADDR", "PUBLIC_ADDR", "STAFF_ADDR"} {
				addr, ok := p.env[strings.ToUpper(p.name())+"_"+v]
				if ok && portOf(c, intstr.FromInt32(number(t, addr))) == 0 {
					t.Errorf("%s/%s listens on %s, which is no port of the container", h.name, name, addr)
				}
			}
			if to := p.env[strings.ToUpper(p.name())+"_ADVERTISE"]; to != "" && portOf(c, intstr.FromInt32(number(t, to))) == 0 {
				t.Errorf("%s/%s is announced at %s, which is no port of the container", h.name, name, to)
			}
			for _, peer := range strings.FieldsFunc(p.env[strings.ToUpper(p.name())+"_PEERS"], func(r rune) bool { return r == ';' }) {
				peer, at, _ := strings.Cut(peer, "=")
				host, _, _ := strings.Cut(at, ":")
				s := h.services[host]
				if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Port == number(t, at) }) {
					t.Errorf("%s/%s: peer %s at %s: there is no such Service", h.name, name, peer, at)
				}
				if host != "xunguan-"+peer {
					t.Errorf("%s/%s: peer %s is sent to %s", h.name, name, peer, host)
				}
			}
		}
		for name, s := range h.services {
			to := 0
			for _, d := range h.deployments {
				if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
					continue
				}
				to++
				for _, p := range s.Spec.Ports {
					if portOf(d.Spec.Template.Spec.Containers[0], p.TargetPort) != int(p.Port) {
						t.Errorf("%s: Service %s has port %d, which leads to none of %s", h.name, name, p.Port, d.Name)
					}
				}
			}
			if to != 1 {
				t.Errorf("%s: Service %s leads to %d deployments", h.name, name, to)
			}
		}
		h.checkIngresses(t)
	}
}

// checkIngresses sees that portal's two listeners have two hosts, as portal says
// that browsers reach it, and that tip-offs leave no line in an access log.
func (h *house) checkIngresses(t *testing.T) {
	t.Helper()
	portal := h.programs(t)["xunguan-portal"]
	for name, want := range map[string]struct{ url, port string }{
		"xunguan-public": {portal.env["PORTAL_PUBLIC_URL"], "http"}, "xunguan-staff": {portal.env["PORTAL_STAFF_URL"], "staff"},
	} {
		i := h.ingresses[name]
		if i == nil || len(i.Spec.Rules) != 1 || len(i.Spec.TLS) != 1 || i.Spec.TLS[0].SecretName == "" {
			t.Errorf("%s: Ingress %s: want one rule and TLS", h.name, name)
			continue
		}
		r := i.Spec.Rules[0]
		to := r.HTTP.Paths[0].Backend.Service
		if "https://"+r.Host != want.url || !slices.Equal(i.Spec.TLS[0].Hosts, []string{r.Host}) {
			t.Errorf("%s: Ingress %s is for %s, and portal thinks it is %s", h.name, name, r.Host, want.url)
		}
		s := h.services[to.Name]
		if s == nil || to.Port.Name != want.port || !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == to.Port.Name }) {
			t.Errorf("%s: Ingress %s leads to port %s of %s", h.name, name, to.Port.Name, to.Name)
		}
	}
	if h.ingresses["xunguan-public"].Annotations["nginx.ingress.kubernetes.io/enable-access-log"] != "false" {
		t.Errorf("%s: the public Ingress writes down who tips somebody off", h.name)
	}
}

// TestClusterNetwork: nothing passes but what somebody listens to.
func TestClusterNetwork(t *testing.T) {
	t.Parallel()
	for _, h := range overlays(t) {
		deny := h.policies["xunguan-deny"]
		if deny == nil || len(deny.Spec.PodSelector.MatchLabels) != 0 || len(deny.Spec.PolicyTypes) != 2 || len(deny.Spec.Ingress)+len(deny.Spec.Egress) != 0 {
			t.Errorf("%s: there is no policy that denies all", h.name)
		}
		out := make(map[int32]bool) // TCP ports that every pod may reach
		for name, n := range h.policies {
			pods := h.pods(t, &n.Spec.PodSelector)
			if len(pods) == 0 {
				t.Errorf("%s: policy %s is about no pod", h.name, name)
			}
			for _, in := range n.Spec.Ingress {
				if len(in.From) == 0 {
					t.Errorf("%s: policy %s lets anybody in", h.name, name)
				}
				h.checkPeers(t, name, in.From)
				for _, pod := range pods {
					for _, p := range in.Ports {
						if portOf(pod.Spec.Containers[0], *p.Port) == 0 {
							t.Errorf("%s: policy %s opens port %s, on which nobody listens", h.name, name, p.Port.String())
						}
					}
				}
			}
			for _, e := range n.Spec.Egress {
				h.checkPeers(t, name, e.To)
				for _, p := range e.Ports {
					if len(n.Spec.PodSelector.MatchLabels) == 0 && p.Port.Type == intstr.Int && *p.Protocol == core.ProtocolTCP {
						out[p.Port.IntVal] = true
					}
				}
			}
		}
		need := map[int32]bool{53: true, 5432: true}
		for _, p := range h.programs(t) {
			for _, v := range []string{"KAFKA_BROKERS", "CONSUL"} {
				for _, addr := range strings.FieldsFunc(p.env[strings.ToUpper(p.name())+"_"+v], func(r rune) bool { return r == ',' }) {
					need[number(t, addr)] = true
				}
			}
			need[number(t, p.env["OTEL_EXPORTER_OTLP_ENDPOINT"])] = true
			if at := p.env[strings.ToUpper(p.name())+"_OBJECTS_URL"]; at != "" {
				need[number(t, at)] = true
			}
		}
		if !maps.Equal(out, need) {
			t.Errorf("%s: all may reach the ports %v and need %v", h.name, slices.Sorted(maps.Keys(out)), slices.Sorted(maps.Keys(need)))
		}
	}
}

// pods are the templates that s picks; an empty s picks all.
func (h *house) pods(t *testing.T, s *meta.LabelSelector) []core.PodTemplateSpec {
	t.Helper()
	sel, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	var all []core.PodTemplateSpec
	for _, d := range h.deployments {
		if sel.Matches(labels.Set(d.Spec.Template.Labels)) {
			all = append(all, d.Spec.Template)
		}
	}
	return all
}

func (h *house) checkPeers(t *testing.T, name string, peers []network.NetworkPolicyPeer) {
	t.Helper()
	for _, p := range peers {
		if p.NamespaceSelector == nil && p.PodSelector != nil && len(h.pods(t, p.PodSelector)) == 0 {
			t.Errorf("%s: policy %s names pods that do not exist", h.name, name)
		}
	}
}

// TestClusterScale: replicas find work to do and connections to do it with, and
// a node can be emptied.
func TestClusterScale(t *testing.T) {
	t.Parallel()
	code, err := told()
	if err != nil {
		t.Fatal(err)
	}
	partitions := slices.Min(slices.Collect(maps.Values(code.Topics)))
	for _, h := range overlays(t) {
		for name, s := range h.scalers {
			d := h.deployments[s.Spec.ScaleTargetRef.Name]
			switch {
			case d == nil || s.Spec.ScaleTargetRef.Kind != "Deployment":
				t.Errorf("%s: %s scales %s, which does not exist", h.name, name, s.Spec.ScaleTargetRef.Name)
			case d.Spec.Replicas != nil:
				t.Errorf("%s: %s: each apply would undo what %s did", h.name, d.Name, name)
			case s.Spec.MinReplicas == nil || *s.Spec.MinReplicas < 2 || s.Spec.MaxReplicas < *s.Spec.MinReplicas || int(s.Spec.MaxReplicas) > partitions:
				t.Errorf("%s: %s: up to %d replicas for %d partitions", h.name, name, s.Spec.MaxReplicas, partitions)
			}
		}
		if len(h.scalers) != 0 && len(h.scalers) != len(h.deployments) {
			t.Errorf("%s: %d of %d deployments scale", h.name, len(h.scalers), len(h.deployments))
		}
		sum := 0
		for name, d := range h.deployments {
			most := 1
			if s := h.scalers[name]; s != nil {
				most = int(s.Spec.MaxReplicas)
			}
			if u := d.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() != 1 {
				t.Errorf("%s: %s: an upgrade must start the new before it stops the old", h.name, name)
			}
			sum += (most + 1) * pool(t, h.program(t, name, d.Spec.Template.Spec))
			b := h.budgets[name]
			if b == nil || b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 || !picks(t, b.Spec.Selector, d.Spec.Template.Labels) {
				t.Errorf("%s: %s has no disruption budget of one", h.name, name)
			}
		}
		if sum > connections {
			t.Errorf("%s: up to %d connections to PostgreSQL, which has %d", h.name, sum, connections)
		}
	}
}

// TestClusterKeepsNoSecret: an overlay refers to secrets and has none.
func TestClusterKeepsNoSecret(t *testing.T) {
	t.Parallel()
	dirs, _ := filepath.Glob(filepath.Join(root, "k8s", "overlays", "*"))
	var values [][]byte
	files, _ := filepath.Glob(filepath.Join(secrets, "*"))
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { //nolint:gosec // of mint
			values = append(values, bytes.TrimSpace(text))
		}
	}
	for _, dir := range dirs {
		h := build(t, dir)
		if len(h.secrets) != 0 {
			t.Errorf("%s makes Secrets: %v", h.name, slices.Collect(maps.Keys(h.secrets)))
		}
		for name, m := range h.configs {
			for key, value := range m.Data {
				for _, word := range []string{"PASSWORD", "TOKEN", "SECRET", "KEY"} {
					if strings.Contains(key, word) && !strings.HasSuffix(key, "_FILE") {
						t.Errorf("%s: ConfigMap %s: %s=%s", h.name, name, key, value)
					}
				}
				if strings.Contains(value, ":") && strings.Contains(value, "@") {
					t.Errorf("%s: ConfigMap %s: %s may hold a password", h.name, name, key)
				}
			}
		}
		if len(h.namespaces) != 1 || h.namespaces["xunguan"].Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("%s: the namespace does not enforce the restricted standard", h.name)
		}
	}
	if len(values) < 10 {
		t.Errorf("mint made %d files", len(values))
	}
}
