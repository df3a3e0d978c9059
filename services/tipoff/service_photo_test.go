package tipoff_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/fault"
	"xunguan/services/tipoff"
)

// photo is a JPEG w pixels wide, with what its taker does not know of in it.
func photo(t testing.TB, w int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, 10)), nil); err != nil {
		t.Fatal(err)
	}
	said := "N31.30 E120.60 " + marks["name"] + marks["phone"]
	head := []byte{0xFF, 0xD8, 0xFF, 0xFE, 0, byte(len(said) + 2)} //nolint:gosec // short
	return append(append(head, said...), b.Bytes()[2:]...)
}

// add takes a photo in as a reporter.
func (b *bench) add(w int) string {
	b.t.Helper()
	p, err := b.AddPhoto(b.t.Context(), tipoff.AddPhoto{Key: b.key()}, bytes.NewReader(photo(b.t, w)))
	if err != nil {
		b.t.Fatal(err)
	}
	return p.ID
}

// TestPhotos: who may read a tip-off's text may see its photos, and so may its
// reporter; the photo sent twice is one, and belongs to one tip-off.
func TestPhotos(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := b.key()
	one, err := b.AddPhoto(t.Context(), tipoff.AddPhoto{Key: key}, bytes.NewReader(photo(t, 30)))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.AddPhoto(t.Context(), tipoff.AddPhoto{Key: key}, bytes.NewReader(photo(t, 30))); err != nil || again != one {
		t.Errorf("the same photo again: %+v, %v, want %+v", again, err, one)
	}
	r, id := b.submit(func(r *tipoff.SubmitTip) { r.Photos = []string{one.ID, b.add(40)} })
	_, other := b.submit()
	_, err = b.SubmitTip(t.Context(), func() tipoff.SubmitTip { s := b.submission(); s.Photos = []string{one.ID}; return s }())
	want(t, err, fault.Invalid) // another tip-off's
	_, err = b.SubmitTip(t.Context(), func() tipoff.SubmitTip { s := b.submission(); s.Photos = []string{strings.Repeat("0", 32)}; return s }())
	want(t, err, fault.Invalid)
	if n := count(t, b.DB, `SELECT count(*) FROM tips`); n != 2 {
		t.Errorf("%d tips: one was taken without its photos", n)
	}
	b.tie(id)
	b.dispatch(id, "market")
	for who, may := range map[string]bool{"intake": true, "intake2": true, "market": true, "city": false, "examiner": false, "neighbour": false, "intake-b": false} {
		f, err := b.ReadPhoto(b.as(who), tipoff.ReadPhoto{ID: id, Photo: one.ID})
		if (err == nil) != may || may && len(f.Body) == 0 || !may && fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s reads %d bytes, %v", who, len(f.Body), err)
		}
		if c, err := b.FindTip(b.as(who), tipoff.FindTip{ID: id}); err == nil && (len(c.Photos) == 2) != may {
			t.Errorf("%s sees %d photos", who, len(c.Photos))
		}
	}
	_, err = b.ReadPhoto(b.as("intake"), tipoff.ReadPhoto{ID: other, Photo: one.ID})
	want(t, err, fault.NotFound)
	if k := b.track(r); len(k.Photos) != 2 {
		t.Errorf("the reporter sees %+v", k.Photos)
	}
	pair := tipoff.TrackTip{Number: r.Number, Code: r.Code}
	f, err := b.TrackPhoto(t.Context(), tipoff.TrackPhoto{TrackTip: pair, Photo: one.ID})
	if err != nil || !strings.HasPrefix(f.Name, r.Number) {
		t.Errorf("%s, %v", f.Name, err)
	}
	pair.Code = "wrong"
	_, err = b.TrackPhoto(t.Context(), tipoff.TrackPhoto{TrackTip: pair, Photo: one.ID})
	want(t, err, fault.NotFound)
	b.ok(b.AcceptTip(b.as("market"), tipoff.AcceptTip{Key: b.key(), ID: id}))
	b.ok(b.AskReporter(b.as("market"), tipoff.AskReporter{Key: b.key(), ID: id, Text: "请补充收据"}))
	b.at("2026-03-05")
	later := b.add(50)
	pair.Code = r.Code
	supplement := func(photos ...string) (tipoff.Track, error) {
		return b.SupplementTip(t.Context(), tipoff.SupplementTip{TrackTip: pair, Text: "收据见照片", Photos: photos})
	}
	_, err = supplement(later, strings.Repeat("0", 32))
	want(t, err, fault.Invalid)
	if k := b.track(r); k.State != tipoff.Waiting || len(k.Photos) != 2 {
		t.Errorf("half a supplement was taken: %+v", k)
	}
	if k, err := supplement(later); err != nil || len(k.Photos) != 3 || k.State != tipoff.Handling {
		t.Errorf("after the supplement: %+v, %v", k, err)
	}
	if c, err := b.FindTip(b.as("market"), tipoff.FindTip{ID: id}); err != nil || !slices.ContainsFunc(c.Photos, func(p tipoff.Photo) bool { return p.ID == later && p.AddedOn.String() == "2026-03-05" }) {
		t.Errorf("the office sees %+v, %v", c.Photos, err)
	}
	b.add(60)
	b.at("2026-03-07")
	b.settle()
	if keys := b.store.Keys(t); len(keys) != 3 || !slices.Contains(keys, one.ID) {
		t.Errorf("objects %v: want those of the tip-off", keys)
	}
}

// TestPhotoPrivacy: a photo leaves nothing of who sent it, by the public routes:
// neither in the database, the log, the traces nor the store of objects.
func TestPhotoPrivacy(t *testing.T) {
	w := newWatched(t, true)
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	part, err := m.CreateFormFile("file", marks["name"]+".jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(photo(t, 30))
	_ = m.Close()
	r := httptest.NewRequest(http.MethodPost, "/v1/photos", &form)
	r.RemoteAddr = marks["address"] + ":4711"
	for name, value := range map[string]string{
		"X-Forwarded-For": marks["forwarded address"], "User-Agent": marks["user agent"], "Cookie": "session=" + marks["cookie"],
		"Traceparent": "00-" + marks["trace"] + "-00f067aa0ba902b7-01", "Idempotency-Key": marks["key"], "Content-Type": m.FormDataContentType(),
	} {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	var p tipoff.Photo
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	got := w.post("/v1/tips", `{"subject_kind":"PLACE","place_address":"人民路2号","text":"这里无证办学","photos":["`+p.ID+`"]}`)
	var receipt tipoff.Receipt
	if err := json.Unmarshal(got.Body.Bytes(), &receipt); err != nil || got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	down := w.post("/v1/tips/track/photo", `{"number":"`+receipt.Number+`","code":"`+receipt.Code+`","photo":"`+p.ID+`"}`)
	if down.Code != 200 || !strings.HasPrefix(down.Header().Get("Content-Disposition"), "attachment;") || down.Header().Get("X-Content-Type-Options") != "nosniff" || down.Header().Get("Content-Type") != "image/jpeg" {
		t.Errorf("%d %v", down.Code, down.Header())
	}
	for name, mark := range marks {
		if has(down.Body.String(), mark) {
			t.Errorf("%s in the photo", name)
		}
	}
	if w.get("/v1/tips/"+w.idOf(receipt.Number)).Code != 200 {
		t.Error("the officer sees no tip-off")
	}
	if found := w.find(receipt.Code, "N31.30"); found != nil {
		t.Errorf("found %v", found)
	}
	if len(w.log.Bytes()) == 0 || strings.Contains(w.log.String(), "AddPhoto") || strings.Contains(w.log.String(), "TrackPhoto") {
		t.Errorf("the log says when a reporter was here: %s", &w.log)
	}
}
