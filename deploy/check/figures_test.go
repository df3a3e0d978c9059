package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// added are the labels that are not the services' own: of a histogram's buckets,
// and of whose figure it is.
var added = []string{"le", "job", "instance"}

// dashboard is what we use of a Grafana dashboard.
type dashboard struct {
	UID        string
	Title      string
	Panels     []panel
	Templating struct {
		List []struct {
			Name       string
			Datasource source
			Definition string
		}
	}
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Repeat     string
	Datasource *source
	Targets    []struct {
		RefID      string
		Expr       string
		Datasource source
	}
}

type source struct{ Type, UID string }

var chinese = regexp.MustCompile(`\p{Han}`)

// TestDashboards: each panel shows figures that services report, read as their
// kind allows, from a data source that is provisioned.
func TestDashboards(t *testing.T) {
	t.Parallel()
	sources := datasources(t)
	files, err := filepath.Glob(filepath.Join(root, "deploy", "grafana", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards: %v, %v", files, err)
	}
	shown := make(map[string]bool)
	for _, file := range files {
		var d dashboard
		text, err := os.ReadFile(file) //nolint:gosec // ours
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil || d.UID == "" || !chinese.MatchString(d.Title) {
			t.Fatalf("%s: uid %q, title %q: %v", file, d.UID, d.Title, err)
		}
		ids := make(map[int]bool)
		var repeated bool
		for _, p := range d.Panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: two panels have id %d", d.UID, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				repeated = repeated || p.Repeat == "job"
				continue
			}
			if len(p.Targets) == 0 || p.Datasource == nil || sources[p.Datasource.UID] != p.Datasource.Type {
				t.Errorf("%s: panel %s has no query or no data source", d.UID, p.Title)
			}
			for _, target := range p.Targets {
				if sources[target.Datasource.UID] != target.Datasource.Type {
					t.Errorf("%s: panel %s asks %+v, which is not provisioned", d.UID, p.Title, target.Datasource)
				}
				for _, f := range query(t, d.UID+"/"+p.Title, target.Expr) {
					shown[f] = true
				}
			}
		}
		if !repeated {
			t.Errorf("%s: no row for each service", d.UID)
		}
		for _, v := range d.Templating.List {
			m := regexp.MustCompile(`^label_values\((\w+), job\)$`).FindStringSubmatch(v.Definition)
			if m == nil {
				t.Errorf("%s: variable %s: %s", d.UID, v.Name, v.Definition)
				continue
			}
			query(t, d.UID+"/"+v.Name, m[1])
		}
	}
	code, err := told()
	if err != nil {
		t.Fatal(err)
	}
	for f := range code.Figures {
		if !shown[f] {
			t.Errorf("services report %s and no dashboard shows it", f)
		}
	}
}

func datasources(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		APIVersion  int
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool
			JSONData                     map[string]any
		}
	}
	read(t, &file, "grafana", "provisioning", "datasources", "datasources.yaml")
	all := make(map[string]string)
	p := projects(t)["real"]
	for _, d := range file.Datasources {
		all[d.UID] = d.Type
		host, _, _ := strings.Cut(strings.TrimPrefix(d.URL, "http://"), ":")
		if _, there := p.Services[host]; !there {
			t.Errorf("data source %s is at %s, which compose does not start", d.Name, d.URL)
		}
	}
	var providers struct {
		APIVersion int
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool
			Options            struct{ Path string }
		}
	}
	read(t, &providers, "grafana", "provisioning", "dashboards", "dashboards.yaml")
	for _, v := range p.Services["grafana"].Volumes {
		if strings.HasSuffix(v.Source, "/grafana/dashboards") && v.Target != providers.Providers[0].Options.Path {
			t.Errorf("dashboards are mounted at %s and looked for at %s", v.Target, providers.Providers[0].Options.Path)
		}
	}
	return all
}

// read decodes a YAML file of deploy/ strictly.
func read(t *testing.T, into any, path ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root, "deploy"}, path...)...))
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		t.Fatalf("%v: %v", path, err)
	}
}

// query parses expr, and returns the figures that it reads: each is one of the
// suite's, a counter or a histogram only as a rate, with labels that it may have.
func query(t *testing.T, who, expr string) []string {
	t.Helper()
	code, err := told()
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, l := range code.Labels {
		allowed = append(allowed, strings.ReplaceAll(l, ".", "_"))
	}
	allowed = append(allowed, added...)
	e, err := parser.ParseExpr(strings.NewReplacer("$__rate_interval", "5m", "$job", "escrow").Replace(expr))
	if err != nil {
		t.Errorf("%s: %s: %v", who, expr, err)
		return nil
	}
	var read []string
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			for _, l := range n.Grouping {
				if !slices.Contains(allowed, l) {
					t.Errorf("%s: no figure has the label %s", who, l)
				}
			}
		case *parser.VectorSelector:
			name := strings.NewReplacer("_bucket", "", "_sum", "", "_count", "").Replace(n.Name)
			kind, ours := code.Figures[name]
			if kind != "histogram" && name != n.Name {
				name = n.Name
				kind, ours = code.Figures[name]
			}
			if !ours {
				t.Errorf("%s: %s is no figure of the suite", who, n.Name)
				return nil
			}
			read = append(read, name)
			if rated := inRate(path); rated != (kind != "gauge") {
				t.Errorf("%s: %s is a %s: taken as a rate: %v", who, n.Name, kind, rated)
			}
			for _, m := range n.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(allowed, m.Name) {
					t.Errorf("%s: %s has no label %s", who, n.Name, m.Name)
				}
			}
		}
		return nil
	})
	return read
}

func inRate(path []parser.Node) bool {
	return slices.ContainsFunc(path, func(n parser.Node) bool {
		call, ok := n.(*parser.Call)
		return ok && call.Func.Name == "rate"
	})
}

// TestAlerts: each asks of figures that there are, and tells a person what to do.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	read(t, &file, "prometheus", "alerts.yml")
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			query(t, r.Alert, r.Expr)
			if r.Labels["severity"] == "" || !chinese.MatchString(r.Annotations["summary"]) {
				t.Errorf("%s: says neither how urgent it is nor what to do", r.Alert)
			}
			if strings.Contains(r.Expr, "count(") && !strings.Contains(r.Expr, fmt.Sprintf("< %d", len(services(t)))) {
				t.Errorf("%s counts other than %d services", r.Alert, len(services(t)))
			}
		}
	}
	if n == 0 {
		t.Error("no alert")
	}
}

// TestFiguresArrive: what a service sends is received, passed on, and asked for
// where it is passed on to.
func TestFiguresArrive(t *testing.T) {
	t.Parallel()
	var c struct {
		Receivers map[string]struct {
			Protocols map[string]struct{ Endpoint string }
		}
		Processors map[string]map[string]any
		Exporters  map[string]struct {
			Endpoint         string
			MetricExpiration string `json:"metric_expiration"`
		}
		Service struct {
			Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
		}
	}
	read(t, &c, "otel", "collector.yaml")
	p := projects(t)["real"]
	sent := ours(t, p)["escrow"].env["OTEL_EXPORTER_OTLP_ENDPOINT"]
	if got := c.Receivers["otlp"].Protocols["http"].Endpoint; number(t, got) != number(t, sent) {
		t.Errorf("services send to %s, and the collector listens on %s", sent, got)
	}
	for _, signal := range []string{"traces", "metrics"} {
		pipe, there := c.Service.Pipelines[signal]
		if !there || !slices.Contains(pipe.Receivers, "otlp") || len(pipe.Exporters) == 0 {
			t.Errorf("%s do not pass", signal)
		}
		for _, name := range pipe.Processors {
			if _, there := c.Processors[name]; !there {
				t.Errorf("%s: no processor %s", signal, name)
			}
		}
		for _, name := range pipe.Exporters {
			if _, there := c.Exporters[name]; !there {
				t.Errorf("%s: no exporter %s", signal, name)
			}
		}
	}
	if at := c.Exporters["otlphttp/jaeger"].Endpoint; at != "http://jaeger:4318" {
		t.Errorf("traces go to %s", at)
	}
	var prometheus struct {
		Global        map[string]string `json:"global"`
		RuleFiles     []string          `json:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `json:"job_name"`
			HonorLabels   bool   `json:"honor_labels"`
			StaticConfigs []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	read(t, &prometheus, "prometheus", "prometheus.yml")
	scrape := prometheus.ScrapeConfigs[0]
	if !scrape.HonorLabels {
		t.Error("every figure would have the collector's job")
	}
	at := scrape.StaticConfigs[0].Targets[0]
	if host, _, _ := strings.Cut(at, ":"); host != "otel-collector" || number(t, at) != number(t, c.Exporters["prometheus"].Endpoint) {
		t.Errorf("Prometheus asks %s, and the collector answers on %s", at, c.Exporters["prometheus"].Endpoint)
	}
	for _, f := range prometheus.RuleFiles {
		if _, err := os.Stat(filepath.Join(root, "deploy", "prometheus", f)); err != nil {
			t.Error(err)
		}
	}
}

// TestLogin: the provider knows portal as it calls itself, sends browsers back to
// both its entrances, and says who somebody is in the words that portal reads.
func TestLogin(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "keycloak", "realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var realm struct {
		Realm   string
		Clients []struct {
			ClientID        string
			Secret          string
			PublicClient    bool
			RedirectURIs    []string
			Attributes      map[string]string
			ProtocolMappers []struct {
				Config map[string]string
			}
		}
		Components map[string][]struct {
			ProviderID string
			Config     map[string][]string
		}
	}
	if err := json.Unmarshal(text, &realm); err != nil {
		t.Fatal(err)
	}
	p := projects(t)["real"]
	portal, keycloak := ours(t, p)["portal"].env, p.Services["keycloak"].Environment
	c := realm.Clients[0]
	if c.ClientID != portal["PORTAL_OIDC_CLIENT_ID"] || !strings.HasSuffix(portal["PORTAL_OIDC_ISSUER"], "/realms/"+realm.Realm) ||
		portal["PORTAL_OIDC_ISSUER"] != *keycloak["KC_HOSTNAME"]+"/realms/"+realm.Realm {
		t.Errorf("portal is %s at %s", portal["PORTAL_OIDC_CLIENT_ID"], portal["PORTAL_OIDC_ISSUER"])
	}
	if !strings.HasPrefix(c.Secret, "${") || c.PublicClient || c.Attributes["pkce.code.challenge.method"] != "S256" {
		t.Error("the client must have a secret, which is not written here, and PKCE")
	}
	for name, uri := range map[string]string{"PUBLIC": c.RedirectURIs[0], "STAFF": c.RedirectURIs[1]} {
		v := "XUNGUAN_" + name + "_URL"
		if uri != "${"+v+"}/callback" || *keycloak[v] != portal["PORTAL_"+name+"_URL"] {
			t.Errorf("browsers are sent back to %s", uri)
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "services", "portal", "login.go"))
	if err != nil {
		t.Fatal(err)
	}
	claims := make(map[string]bool)
	for _, m := range regexp.MustCompile("`json:\"(xunguan_[a-z]+)").FindAllSubmatch(source, -1) {
		claims[string(m[1])] = true
	}
	said := make(map[string]bool)
	for _, m := range c.ProtocolMappers {
		if m.Config["id.token.claim"] == "true" {
			said[m.Config["claim.name"]] = true
		}
		if !strings.Contains(realm.Components["org.keycloak.userprofile.UserProfileProvider"][0].Config["kc.user.profile.config"][0], `"`+m.Config["user.attribute"]+`"`) {
			t.Errorf("people have no attribute %s", m.Config["user.attribute"])
		}
	}
	if len(claims) == 0 || !maps.Equal(claims, said) {
		t.Errorf("portal reads the claims %v, and the provider says %v", claims, said)
	}
}
