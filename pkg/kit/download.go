package kit

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/swaggest/openapi-go/openapi31"

	"xunguan/pkg/auth"
)

// File is an answer to be saved, never shown as a page of ours.
type File struct {
	Name string // that it is saved under: of ours, in ASCII
	Type string // media type
	Body []byte
}

func (f File) write(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", f.Name))
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, no-store")
	_, err := w.Write(f.Body)
	return err
}

// Download publishes use at pattern, as Route does, for answers that are a file.
func Download[Req any](a *API, pattern, name string, p auth.Permission, use func(context.Context, Req) (File, error), options ...Option) {
	r := newRoute(pattern, name, p, options)
	d := a.describe(operation{RouteInfo: r, req: reflect.TypeFor[Req](), gives: true})
	a.serve(r, func(ctx context.Context, r any) (any, error) {
		var req Req
		if err := d.decode(r.(*http.Request), &req); err != nil {
			return nil, err
		}
		f, err := use(ctx, req)
		if err != nil {
			return nil, err
		}
		return f, nil
	})
}

// givesFile documents op's answer.
func givesFile(op *openapi31.Operation) {
	answer := openapi31.Response{Description: "the file", Content: map[string]openapi31.MediaType{
		"application/octet-stream": {Schema: map[string]any{"type": "string", "contentMediaType": "application/octet-stream"}},
	}}
	op.Responses.WithMapOfResponseOrReferenceValuesItem("200", openapi31.ResponseOrReference{Response: &answer})
}
