package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"xunguan/pkg/attach"
	"xunguan/pkg/fault"
)

// maxPhotos is how many photos the service takes with a tip-off.
const maxPhotos = 6

// photoForm is the most that the page of photos may send: one, and what was said
// on the other pages.
const photoForm = attach.MaxBytes + maxBody

// photoDraft is the photos that were added to a form, by their ids. Which there are
// travels with the form, as all that was said.
type photoDraft struct {
	Photos []string `json:"photos,omitempty"`
}

// photosOf is the photos in form, less the one that is to be dropped.
func photosOf(form url.Values) photoDraft {
	return photoDraft{slices.DeleteFunc(slices.Clone(form["photo_id"]), func(id string) bool { return id == form.Get("drop") })}
}

// More reports whether p has room for another photo.
func (p photoDraft) More() bool { return len(p.Photos) < maxPhotos }

// PhotoKey makes sending the page's photo twice one photo.
func (p photoDraft) PhotoKey() string { return uuid.NewString() }

// tipPhotos answers POST /tipoff/photos: it passes the photo on, if one was chosen,
// and shows this page again or goes where the button leads.
func (d *door) tipPhotos(w http.ResponseWriter, r *http.Request) error {
	failed, err := d.readPhotos(r)
	if err != nil {
		return err
	}
	t, err := draft(r)
	if err != nil {
		return err
	}
	to, drop := r.PostForm.Get("to"), r.PostForm.Get("drop")
	f := tipForm{tipDraft: t, Step: "photos", After: r.PostForm.Get("after")}
	switch {
	case failed != nil:
		d.note(r, failed)
		var p *fault.Problem
		p, f.Wrong = noPhoto(failed)
		d.render(w, r, p.Status, "tipoff", view{Title: say("layout.tip"), Problem: p, Body: f})
		return nil
	case drop != "" || to == "photos":
	case slices.Contains(tipSteps, to):
		f.Step, f.After = to, ""
	case f.After == "check":
		f.Step, f.After = "check", ""
	default:
		f.Step = "who"
	}
	d.render(w, r, http.StatusOK, "tipoff", view{Title: say("layout.tip"), Body: f})
	return nil
}

// noPhoto is why a photo was not taken, said of the field that it was chosen in.
func noPhoto(failed error) (*fault.Problem, wrongs) {
	p := problemOf(failed)
	wrong := wrongs{"photo": p.Detail}
	for i := range p.Errors {
		wrong["photo"] = p.Errors[i].Detail
		p.Errors[i].Pointer = "/photo"
	}
	return p, wrong
}

// readPhotos reads r's form into r.PostForm and passes its photo on as it comes;
// its id is the form's last photo_id then. failed is why it was not taken.
func (d *door) readPhotos(r *http.Request) (failed, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fault.Invalid.Errorf("表单有误，请刷新页面后重试")
	}
	added := ""
	r.PostForm = url.Values{}
	for room := int64(maxBody); ; {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			if added != "" && !slices.Contains(r.PostForm["photo_id"], added) {
				r.PostForm.Add("photo_id", added)
			}
			return failed, nil
		case err != nil:
			return nil, cutShort(err)
		case part.FormName() == "photo":
			if part.FileName() != "" && added == "" && failed == nil {
				added, failed = d.sendPhoto(r.Context(), r.PostForm, part)
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, room+1))
		if err != nil {
			return nil, cutShort(err)
		}
		if room -= int64(len(text)); room < 0 {
			return nil, fault.TooLarge.Errorf("请求内容过大，至多 1 MiB")
		}
		r.PostForm.Add(part.FormName(), string(text))
	}
}

// cutShort is a failure to read a form.
func cutShort(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.TooLarge.Errorf("照片过大，至多 %d MB，请缩小后再传", attach.MaxBytes>>20)
	}
	return fault.Invalid.Wrap(err)
}

// sendPhoto gives tipoff file, without its name, and returns the photo's id.
func (d *door) sendPhoto(ctx context.Context, form url.Values, file io.Reader) (string, error) {
	if len(form["photo_id"]) >= maxPhotos {
		return "", fault.Fields(fault.Field{Pointer: "/photo", Detail: "至多 " + strconv.Itoa(maxPhotos) + " 张，请先删去一张"})
	}
	var wrapping bytes.Buffer
	m := multipart.NewWriter(&wrapping)
	if _, err := m.CreateFormFile("file", "photo"); err != nil {
		return "", err
	}
	head := wrapping.Len()
	if err := m.Close(); err != nil {
		return "", err
	}
	body := io.MultiReader(bytes.NewReader(wrapping.Bytes()[:head]), file, bytes.NewReader(wrapping.Bytes()[head:]))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tipoff/v1/photos", body)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Idempotency-Key", form.Get("photo_key"))
	resp, err := d.Peers.Do(r)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			err = cutShort(err)
		}
		return "", err
	}
	defer resp.Body.Close()
	var photo struct{ ID string }
	return photo.ID, json.NewDecoder(io.LimitReader(resp.Body, answerCap)).Decode(&photo)
}

// trackPhoto answers POST /tipoff/photo: a photo of one's own, to be saved.
func (d *door) trackPhoto(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	said := map[string]string{}
	for _, name := range []string{"number", "code", "photo"} {
		said[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	resp, err := d.request(r.Context(), visitor{}, http.MethodPost, "tipoff", "/v1/tips/track/photo", "", body)
	if err != nil {
		return err
	}
	return bring(w, resp)
}
