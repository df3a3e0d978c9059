package portal

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestRoutes is every route of each listener × who asks: a new route fails it
// until it is listed. Scope within a page is the service's, whose answer is
// passed through; a foreign official sees what the service lets them see.
func TestRoutes(t *testing.T) {
	t.Parallel()
	s, _ := withOffice(t)
	s.open(school("a", "甲"))
	who := map[Listener]map[string]*browser{}
	for _, l := range []Listener{Public, Staff} {
		who[l] = map[string]*browser{"nobody": s.browser(l)}
		for _, p := range []string{"parent", "examiner", "neighbour", "fire", "principal"} {
			who[l][p] = s.as(l, p)
		}
	}
	type row struct {
		path  string
		codes map[string]int // everybody else gets the first of the row's
		other int
	}
	public := func(path string, code int) row { return row{path, nil, code} }
	member := map[string]int{"nobody": 401, "fire": 403, "principal": 403} // withOffice lets examiner and parent read
	console := 503                                                         // before make web
	if _, err := built.Open("web/dist/console/index.html"); err == nil {
		console = 200
	}
	both := map[string]row{
		"/api/{service}/v1/":          public("/api/portal/v1/institutions", 200),
		"GET /api/openapi.json":       public("/api/openapi.json", 200),
		"GET /api/docs":               public("/api/docs", 200),
		"GET /api/docs/{$}":           public("/api/docs/", 200),
		"GET /api/docs/{file}":        public("/api/docs/swagger-ui.css", 200),
		"GET /static/{file}":          public("/static/style.css", 200),
		"GET /assets/{file...}":       public("/assets/README.md", 200),
		"GET /elder":                  public("/elder?on=1&to=/results", 303),
		"GET /session":                {"/session", map[string]int{"nobody": 401}, 200},
		"GET /login":                  public("/login", 404), // no provider is configured
		"GET /callback":               public("/callback", 404),
		"POST /logout":                {"/logout", map[string]int{"nobody": 303}, 403}, // without its CSRF token
		"POST /trial/login":           public("/trial/login", 400),
		"POST /trial/clock":           public("/trial/clock", 400),
		"GET /trial/clock":            public("/trial/clock", 200),
		"GET /contracts":              {"/contracts", member, 200},
		"GET /contracts/{id}":         {"/contracts/c1", member, 200},
		"POST /contracts/{id}":        {"/contracts/c1", map[string]int{"nobody": 401}, 403},
		"GET /contracts/{id}/refund":  {"/contracts/c1/refund", member, 200},
		"POST /contracts/{id}/refund": {"/contracts/c1/refund", map[string]int{"nobody": 401}, 403},
		"GET /{$}":                    public("/", 200),
		"GET /institutions/{id}":      public("/institutions/a", 200),
		"GET /institutions":           {"/institutions", map[string]int{"nobody": 401}, 404}, // withOffice has no such list
		"GET /applications":           {"/applications", map[string]int{"nobody": 401}, 404},
		"GET /applications/{id}":      {"/applications/7", member, 200},
		"POST /applications/{id}":     {"/applications/7", map[string]int{"nobody": 401}, 403},
		"GET /flags/{id}":             {"/flags/f1", member, 200},
		"POST /flags/{id}":            {"/flags/f1", map[string]int{"nobody": 401}, 403},
		"GET /wind-downs/{id}":        {"/wind-downs/w", map[string]int{"nobody": 401}, 404}, // withOffice has no such page
		"POST /wind-downs/{id}":       {"/wind-downs/w", map[string]int{"nobody": 401}, 403},
		"GET /discrepancies/{id}":     {"/discrepancies/d", map[string]int{"nobody": 401}, 404},
		"POST /discrepancies/{id}":    {"/discrepancies/d", map[string]int{"nobody": 401}, 403},
		"GET /list-entries":           {"/list-entries", map[string]int{"nobody": 401}, 404},
		"GET /accounts/{id}":          {"/accounts/a", map[string]int{"nobody": 401}, 404}, // withOffice has no such page
		"POST /accounts/{id}":         {"/accounts/a", map[string]int{"nobody": 401}, 403},
		"GET /tasks":                  {"/tasks", map[string]int{"nobody": 401}, 503},
		"POST /tasks":                 {"/tasks", map[string]int{"nobody": 401}, 403},
		"GET /tasks/{id}":             {"/tasks/t", map[string]int{"nobody": 401}, 503},
		"POST /tasks/{id}":            {"/tasks/t", map[string]int{"nobody": 401}, 403},
		"GET /visits":                 {"/visits", map[string]int{"nobody": 401}, 503},
		"GET /visits/{id}":            {"/visits/v", map[string]int{"nobody": 401}, 503},
		"POST /visits/{id}":           {"/visits/v", map[string]int{"nobody": 401}, 403},
		"GET /rectifications":         {"/rectifications", map[string]int{"nobody": 401}, 503},
		"GET /rectifications/{id}":    {"/rectifications/r", map[string]int{"nobody": 401}, 503},
		"POST /rectifications/{id}":   {"/rectifications/r", map[string]int{"nobody": 401}, 403},
		"GET /sweeps":                 {"/sweeps", map[string]int{"nobody": 401}, 503},
		"GET /officers":               {"/officers", map[string]int{"nobody": 401}, 503},
		"GET /follow-ups":             {"/follow-ups", map[string]int{"nobody": 401}, 503},
		"GET /follow-ups/{id}":        {"/follow-ups/f", map[string]int{"nobody": 401}, 503},
		"POST /follow-ups/{id}":       {"/follow-ups/f", map[string]int{"nobody": 401}, 403},
		"GET /draws/{id}":             public("/draws/d", 503), // there is no such service here
		"GET /results":                public("/results", 503),
		"GET /trial/time":             public("/trial/time", 200),
		"POST /trial/time":            public("/trial/time", 400),
		"GET /list-entries/{id}":      {"/list-entries/e1", map[string]int{"nobody": 401}, 404},
		"POST /list-entries/{id}":     {"/list-entries/e1", map[string]int{"nobody": 401}, 403},
		"GET /tips":                   {"/tips", map[string]int{"nobody": 401}, 503},
		"GET /tips/{id}":              {"/tips/t1", map[string]int{"nobody": 401}, 503},
		"POST /tips/{id}":             {"/tips/t1", map[string]int{"nobody": 401}, 403},
		"GET /tipoff":                 public("/tipoff", 200),
		"POST /tipoff":                public("/tipoff", 200),
		"GET /tipoff/transfer":        public("/tipoff/transfer", 200),
		"GET /tipoff/received":        public("/tipoff/received", 303),
		"POST /tipoff/received":       public("/tipoff/received", 503), // there is no such service here
		"GET /tipoff/track":           public("/tipoff/track", 200),
		"POST /tipoff/track":          public("/tipoff/track", 503),
		"POST /tipoff/supplement":     public("/tipoff/supplement", 400),
		"POST /tipoff/rate":           public("/tipoff/rate", 503),
		"POST /tipoff/unsolved":       public("/tipoff/unsolved", 503),
		"GET /tipoff/photos":          public("/tipoff/photos", 303),
		"POST /tipoff/photos":         public("/tipoff/photos", 400), // no form with a file
		"GET /tipoff/photo":           public("/tipoff/photo", 303),
		"POST /tipoff/photo":          public("/tipoff/photo", 503),
		"GET /console/":               public("/console/", console),
		"GET /p/{uscc}":               public("/p/91320508MA1XXXXX0X", 404),
		"GET /robots.txt":             public("/robots.txt", 200),
		"GET /ops":                    {"/ops", map[string]int{"nobody": 401}, 403},
		"POST /ops":                   {"/ops", map[string]int{"nobody": 401}, 403},
		"GET /trial/traces":           public("/trial/traces", 200),
		"GET /trial/traces/{id}":      public("/trial/traces/0", 404),
	}
	onlyPublic := []string{"GET /institutions/{id}", "GET /contracts/{id}/refund", "POST /contracts/{id}/refund", "GET /results", "GET /p/{uscc}", "GET /robots.txt", "GET /tipoff", "POST /tipoff", "GET /tipoff/transfer", "GET /tipoff/received", "POST /tipoff/received", "GET /tipoff/track", "POST /tipoff/track", "POST /tipoff/supplement", "POST /tipoff/rate", "POST /tipoff/unsolved", "GET /tipoff/photos", "POST /tipoff/photos", "GET /tipoff/photo", "POST /tipoff/photo"}
	onlyStaff := strings.Split("GET /console/,GET /discrepancies/{id},POST /discrepancies/{id},GET /ops,POST /ops,GET /institutions,GET /accounts/{id},POST /accounts/{id},GET /applications,GET /list-entries,GET /tasks,POST /tasks,GET /tasks/{id},POST /tasks/{id},GET /visits,GET /visits/{id},POST /visits/{id},GET /rectifications,GET /rectifications/{id},POST /rectifications/{id},"+
		"GET /sweeps,GET /officers,GET /follow-ups,GET /follow-ups/{id},POST /follow-ups/{id},GET /applications/{id},POST /applications/{id},GET /flags/{id},POST /flags/{id},GET /list-entries/{id},POST /list-entries/{id},GET /tips,GET /tips/{id},POST /tips/{id},GET /trial/traces,GET /trial/traces/{id}", ",")
	for l, except := range map[Listener][]string{Public: onlyStaff, Staff: onlyPublic} {
		want := slices.DeleteFunc(slices.Sorted(maps.Keys(both)), func(p string) bool { return slices.Contains(except, p) })
		got := slices.Sorted(slices.Values((&door{Service: s.Service, at: l}).mux().patterns))
		if !slices.Equal(got, want) {
			t.Errorf("%s has routes\n%v\nand the table\n%v", l, got, want)
		}
		for _, pattern := range want {
			row := both[pattern]
			method, _, ok := strings.Cut(pattern, " ")
			if !ok {
				method = "GET"
			}
			for name, b := range who[l] {
				code, listed := row.codes[name]
				if !listed {
					code = row.other
				}
				if a := b.do(method, row.path, ""); a.code != code {
					t.Errorf("%s: %s %s as %s: %d, want %d: %.300s", l, method, row.path, name, a.code, code, a.body)
				}
			}
		}
	}
}

// TestMatrix is the permissions of portal's own API.
func TestMatrix(t *testing.T) {
	t.Parallel()
	want := map[string]string{"FindInstitutions": "public", "FindInstitution": "public"}
	got := map[string]string{}
	s := newSuite(t)
	for _, r := range s.api.Routes() {
		got[r.Name] = r.Permission.String()
	}
	if !maps.Equal(got, want) {
		t.Errorf("routes %v, want %v", got, want)
	}
}
