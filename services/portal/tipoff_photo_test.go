package portal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"xunguan/pkg/attach"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
)

// addPhoto takes what is in a file as its id, but for one that is bad.
func (d *tipDesk) addPhoto(_ context.Context, req struct{ once.Key }, r io.Reader) (map[string]string, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if string(text) == "bad" {
		return nil, fault.Fields(fault.Field{Pointer: "/file", Detail: "不接受 PDF"})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, req.IdempotencyKey)
	return map[string]string{"id": string(text[:min(len(text), 40)])}, nil
}

func (d *tipDesk) trackPhoto(_ context.Context, req struct {
	pairSaid
	Photo string `json:"photo"`
},
) (kit.File, error) {
	if req.Code != deskCode {
		return kit.File{}, fault.NotFound.Errorf("没有找到")
	}
	return kit.File{Name: "TS-1.jpg", Type: "image/jpeg", Body: []byte("pixels of " + req.Photo)}, nil
}

// postPhoto sends a page that takes photos; fields are name, value, name, value, in the
// order of the page, and the file among them is the one named photo.
func postPhoto(b *browser, path string, fields ...string) answer {
	b.t.Helper()
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	for i := 0; i < len(fields); i += 2 {
		if fields[i] != "photo" {
			_ = m.WriteField(fields[i], fields[i+1])
			continue
		}
		name := "张三在家 13987654321.jpg"
		if fields[i+1] == "" {
			name = "" // as browsers send a field in which nothing was chosen
		}
		w, err := m.CreateFormFile("photo", name)
		if err != nil {
			b.t.Fatal(err)
		}
		_, _ = io.WriteString(w, fields[i+1])
	}
	_ = m.Close()
	return b.do("POST", path, form.String(), "Content-Type", m.FormDataContentType())
}

// TestTipPhotos: photos are added one at a time, without scripts; which there are
// travels along, what was typed stays, and no name goes on to the service.
func TestTipPhotos(t *testing.T) {
	t.Parallel()
	s, d := withDesk(t)
	b := s.browser(Public)
	said := []string{"key", "0199-photo-form", "subject_kind", "PLACE", "place_address", "人民路 2 号", "text", "无证办学在楼上", "photo_key", "0199-photo-key"}
	with := func(more ...string) []string { return append(append([]string{}, said...), more...) }
	s.log.Reset()
	first := postPhoto(b, "/tipoff/photos", with("photo", "aaaa", "to", "photos")...)
	first.want(t, 200, `name="photo_id" value="aaaa"`, "照片 1，已添加", `value="无证办学在楼上"`, `enctype="multipart/form-data"`)
	if len(d.keys) != 1 || d.keys[0] != "0199-photo-key" {
		t.Errorf("sent under the keys %v", d.keys)
	}
	if all := strings.Join(d.seen, "\n"); strings.Contains(all, "张三") || strings.Contains(all, "139876") || !strings.Contains(all, "aaaa") {
		t.Errorf("the service was told %s", all)
	}
	second := postPhoto(b, "/tipoff/photos", with("photo_id", "aaaa", "photo", "bad", "to", "photos")...)
	second.want(t, 400, "不接受 PDF", `href="#photo"`, `name="photo_id" value="aaaa"`, `value="无证办学在楼上"`, "出错：")
	postPhoto(b, "/tipoff/photos", with("photo_id", "aaaa", "photo", "bbbb", "drop", "aaaa")...).want(t, 200, `name="photo_id" value="bbbb"`, "照片 1，已添加")
	for at, want := range map[string]string{"": "要不要留下您的身份", "what": "发生了什么"} {
		got := postPhoto(b, "/tipoff/photos", with("photo", "", "to", at)...)
		got.want(t, 200, "<h1>"+want)
	}
	postPhoto(b, "/tipoff/photos", with("after", "check", "photo", "cccc")...).want(t, 200, "请核对后提交", "1 张", `name="photo_id" value="cccc"`)
	full := with()
	for i := range maxPhotos {
		full = append(full, "photo_id", fmt.Sprint("p", i))
	}
	postPhoto(b, "/tipoff/photos", append(full, "photo", "dddd")...).want(t, 400, "至多 6 张")
	postPhoto(b, "/tipoff/photos", append(full, "photo", "", "to", "photos")...).want(t, 200, "已添加 6 张")
	postPhoto(b, "/tipoff/photos", with("photo", strings.Repeat("x", attach.MaxBytes+2<<20))...).want(t, 413, "照片过大")
	if s.log.Len() != 0 {
		t.Errorf("log: %s", s.log)
	}
	sent := postForm(b, "/tipoff/received", map[string][]string{"key": {"0199-photo-form"}, "subject_kind": {"PLACE"}, "text": {"无证办学在楼上"}, "photo_id": {"aaaa", "bbbb"}})
	sent.want(t, 200, deskCode)
	if got := d.said[0].Photos; len(got) != 2 || got[0] != "aaaa" || got[1] != "bbbb" {
		t.Errorf("the service was told of %v", got)
	}
	down := postForm(b, "/tipoff/photo", map[string][]string{"number": {"1"}, "code": {deskCode}, "photo": {"aaaa"}})
	down.want(t, 200, "pixels of aaaa")
	if h := down.header; h.Get("Content-Disposition") != `attachment; filename="TS-1.jpg"` || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%v", h)
	}
	postForm(b, "/tipoff/photo", map[string][]string{"number": {"1"}, "code": {"wrong"}, "photo": {"aaaa"}}).want(t, 404)
	for name, a := range map[string]answer{"first": first, "second": second} {
		whole(t, name, a)
	}
}

// TestSupplementPhotos: what is supplemented takes photos as a tip-off does, one at a
// time and without scripts; nothing is sent before the last button, and what was
// typed stays.
func TestSupplementPhotos(t *testing.T) {
	t.Parallel()
	s, d := withDesk(t)
	b := s.browser(Public)
	s.log.Reset()
	with := func(more ...string) []string {
		return append([]string{"number", "TS-1", "code", deskCode, "text", "收据\n见照片", "photo_key", "0199-supplement"}, more...)
	}
	const at = "/tipoff/supplement"
	first := postPhoto(b, at, with("photo", "aaaa", "to", "photos")...)
	first.want(t, 200, `name="photo_id" value="aaaa"`, "照片 1，已添加", ">收据\n见照片</textarea>", `enctype="multipart/form-data"`, "提交补充")
	bad := postPhoto(b, at, with("photo_id", "aaaa", "photo", "bad")...)
	bad.want(t, 400, "不接受 PDF", `href="#photo"`, `name="photo_id" value="aaaa"`, ">收据\n见照片</textarea>", "出错：")
	postPhoto(b, at, with("photo_id", "aaaa", "photo", "", "drop", "aaaa")...).want(t, 200, "提交补充", ">收据\n见照片</textarea>")
	if len(d.supplements) != 0 {
		t.Errorf("the service was told before the form was sent: %+v", d.supplements)
	}
	postPhoto(b, at, "number", "TS-1", "code", "wrong", "text", "见照片", "photo", "aaaa", "to", "photos").want(t, 404, "没有找到")
	postPhoto(b, at, with("photo_id", "aaaa", "photo", "bbbb")...).want(t, 200, "已办理") // what was chosen goes along
	if got := d.supplements; len(got) != 1 || strings.Join(got[0].Photos, " ") != "aaaa bbbb" || got[0].Text != "收据\n见照片" {
		t.Errorf("the service was told of %+v", got)
	}
	if s.log.Len() != 0 {
		t.Errorf("log: %s", s.log)
	}
	for name, a := range map[string]answer{"first": first, "bad": bad} {
		whole(t, name, a)
	}
}
