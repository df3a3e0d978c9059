package portal

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swaggest/swgui/v5emb"
)

const (
	documentKeeps   = 30 * time.Second
	documentPartial = 2 * time.Second // while a service is away
	documentCap     = 3 * time.Second // one service's answer
)

// document is the merged OpenAPI document, kept for a while.
type document struct {
	mu    sync.Mutex
	body  []byte
	until time.Time
}

// openapi answers GET /api/openapi.json: every service's document in one.
func (d *door) openapi(w http.ResponseWriter, r *http.Request) error {
	body, err := d.Document(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// Document is the OpenAPI 3.1 document of all services: paths under
// /api/<service>, names of operations and schemas prefixed by the service. A
// service that does not answer is left out, and the description says so.
func (s *Service) Document(ctx context.Context) ([]byte, error) {
	s.document.mu.Lock()
	defer s.document.mu.Unlock()
	if s.document.body != nil && s.Machine().Before(s.document.until) {
		return s.document.body, nil
	}
	own, err := s.api.Document()
	if err != nil {
		return nil, err
	}
	docs, missing := s.documents(ctx)
	docs[self] = own
	body, err := merge(docs, missing, s.Trial)
	if err != nil {
		return nil, err
	}
	keeps := documentKeeps
	if len(missing) > 0 {
		keeps = documentPartial
	}
	s.document.body, s.document.until = body, s.Machine().Add(keeps)
	return body, nil
}

// documents asks every service for its document, all at once.
func (s *Service) documents(ctx context.Context) (docs map[string][]byte, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, documentCap)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	docs = make(map[string][]byte)
	for _, name := range s.Names {
		all.Go(func() {
			var raw json.RawMessage
			err := s.get(ctx, name, "/openapi.json", &raw)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				missing = append(missing, name)
				return
			}
			docs[name] = raw
		})
	}
	all.Wait()
	slices.Sort(missing)
	return docs, missing
}

// object is a JSON object.
type object = map[string]any

// outside is portal's own operations that are no routes of its API: they work
// with a cookie, or are there in trial mode only.
//
//go:embed static/portal.json
var outside []byte

func merge(docs map[string][]byte, missing []string, trial bool) ([]byte, error) {
	description := "训管通全部服务的接口。浏览器以会话 Cookie 和 X-CSRF-Token 调用；脚本以试用登录所得的 Bearer 令牌调用。"
	if len(missing) > 0 {
		description += "以下服务此刻没有应答，其接口未列出：" + strings.Join(missing, "、") + "。"
	}
	paths, components := object{}, object{}
	if err := json.Unmarshal(outside, &paths); err != nil {
		return nil, err
	}
	maps.DeleteFunc(paths, func(path string, _ any) bool { return !trial && strings.HasPrefix(path, "/trial/") })
	for name, raw := range docs {
		var doc object
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("document of %s: %w", name, err)
		}
		relabel(doc, name)
		below(doc, "paths", func(path string, item any) {
			if strings.HasPrefix(path, "/v1/") { // the rest is not reached through the gateway
				paths["/api/"+name+path] = operations(item, name)
			}
		})
		below(doc, "components", func(section string, v any) {
			into, _ := components[section].(object)
			if into == nil {
				into = object{}
				components[section] = into
			}
			entries, _ := v.(object)
			for key, entry := range entries {
				into[prefixed(section, name, key)] = entry
			}
		})
	}
	return json.Marshal(object{
		"openapi": "3.1.0", "info": object{"title": "训管通 Xunguan", "version": "1", "description": description},
		"paths": paths, "components": components,
	})
}

// below calls f for each entry of the object that doc has under key.
func below(doc object, key string, f func(string, any)) {
	entries, _ := doc[key].(object)
	for k, v := range entries {
		f(k, v)
	}
}

// prefixed is the merged name of a component. Security schemes are the same in
// every service.
func prefixed(section, service, key string) string {
	if section == "securitySchemes" {
		return key
	}
	return strings.ToUpper(service[:1]) + service[1:] + "_" + key
}

// relabel makes every reference in v point to the merged name.
func relabel(v any, service string) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			if parts := strings.Split(ref, "/"); len(parts) == 4 && parts[1] == "components" {
				v["$ref"] = "#/components/" + parts[2] + "/" + prefixed(parts[2], service, parts[3])
			}
		}
		for _, child := range v {
			relabel(child, service)
		}
	case []any:
		for _, child := range v {
			relabel(child, service)
		}
	}
}

// operations gives each operation of a path item its merged name and the
// service as its tag.
func operations(item any, service string) any {
	methods, _ := item.(object)
	for _, v := range methods {
		op, ok := v.(object)
		if !ok {
			continue // parameters of the whole path
		}
		if id, ok := op["operationId"].(string); ok {
			op["operationId"] = service + "_" + id
		}
		op["tags"] = []string{service}
	}
	return item
}

// docsPolicy lets Swagger UI run: its own files, and the styles it makes itself.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

var swaggerAssets = v5emb.New("", "", "/api/docs/")

// docs answers /api/docs: Swagger UI, from files that are part of this program.
func docs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	if r.URL.Path != "/api/docs" && r.URL.Path != "/api/docs/" {
		w.Header().Set("Cache-Control", "max-age=3600")
		swaggerAssets.ServeHTTP(w, r)
		return
	}
	http.ServeFileFS(w, r, files, "static/docs.html")
}
