package kit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"time"

	"github.com/swaggest/openapi-go/openapi31"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// uploading is how long a file may take: less than the server gives a request.
const uploading = 28 * time.Second

// Upload publishes use at pattern, as Route does, for requests that bring one
// file as multipart/form-data in the part named file. Req has no JSON fields. The
// file is streamed: it is never whole in memory, and never on disk. A request of
// more than limit bytes fails with TooLarge while it is read.
func Upload[Req, Resp any](a *API, pattern, name string, p auth.Permission, limit int64, use func(context.Context, Req, io.Reader) (Resp, error), options ...Option) {
	r := newRoute(pattern, name, p, append([]Option{Within(uploading)}, options...))
	d := a.describe(operation{RouteInfo: r, req: reflect.TypeFor[Req](), resp: reflect.TypeFor[Resp](), takes: true})
	a.serve(r, func(ctx context.Context, r any) (any, error) {
		var req Req
		hr := r.(*http.Request)
		if err := d.decode(hr, &req); err != nil {
			return nil, err
		}
		hr.Body = http.MaxBytesReader(nil, hr.Body, limit)
		file, err := filePart(hr)
		if err != nil {
			return nil, err
		}
		resp, err := use(ctx, req, sent{file})
		if err != nil {
			return nil, err
		}
		return json.Marshal(resp)
	})
}

// sent is a file as it comes. That it does not come whole is its sender's fault.
type sent struct{ io.Reader }

func (s sent) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = cut(err)
	}
	return n, err
}

// filePart is the part named file, of which nothing has been read.
func filePart(r *http.Request) (*multipart.Part, error) {
	m, err := r.MultipartReader()
	if err != nil {
		return nil, fault.Invalid.Errorf("请以 multipart/form-data 上传文件")
	}
	for {
		part, err := m.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fault.Fields(fault.Field{Pointer: "/file", Detail: "必填"})
		case err != nil:
			return nil, cut(err)
		case part.FormName() == "file":
			return part, nil
		}
	}
}

// cut is a failure to read a request: TooLarge if it is, else Invalid.
func cut(err error) error {
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.TooLarge.Errorf("文件过大，至多 %d MiB", big.Limit>>20)
	}
	return fault.Invalid.Wrap(err)
}

// takesFile documents op's body.
func takesFile(op *openapi31.Operation) {
	body := new(openapi31.RequestBody).WithRequired(true).WithContentItem("multipart/form-data", openapi31.MediaType{
		Schema: map[string]any{
			"type": "object", "required": []string{"file"},
			"properties": map[string]any{"file": map[string]any{"type": "string", "contentMediaType": "application/octet-stream"}},
		},
	})
	op.RequestBody = &openapi31.RequestBodyOrReference{RequestBody: body}
}
