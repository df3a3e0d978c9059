package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// photo is a picture that no other is, as a form to send.
func (l *lane) photo() (file, error) {
	m := image.NewRGBA(image.Rect(0, 0, 48, 32))
	for x := range 48 {
		for y := range 32 {
			m.Set(x, y, color.RGBA{uint8(l.dice.Uint32()), uint8(l.dice.Uint32()), uint8(l.dice.Uint32()), 255}) //nolint:gosec // a colour, whichever
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		return file{}, err
	}
	return form("image/jpeg", out.Bytes())
}

// photos adds up to two photos for a tip-off that is not sent yet.
func (l *lane) photos(ctx context.Context) ([]string, error) {
	ids := []string{}
	for range l.dice.IntN(3) {
		picture, err := l.photo()
		if err != nil {
			return nil, err
		}
		var got struct{ ID string }
		if err := l.post(ctx, l.who.public, "举报 照片", "tipoff/v1/photos", picture, &got); err != nil {
			return nil, err
		}
		ids = append(ids, got.ID)
	}
	return ids, nil
}

// device is what an officer's telephone has written while it was offline.
type device struct {
	l     *lane
	by    *person
	queue []queued
	first []answer // of each
}

// queued is one write of it, with the key that it will have however often it is sent.
type queued struct {
	path, url, key, kind string
	said                 []byte
	photo                string // its id
}

func (d *device) add(path, url string, body any) error {
	said, err := json.Marshal(body)
	d.queue = append(d.queue, queued{path: path, url: url, key: uuid.NewString(), kind: "application/json", said: said})
	return err
}

// offline is the visit on as agency's officer noted it without a network: a photo, what
// was found, with the photo, and the signature.
func (l *lane) offline(by *person, on, agency, officer, detail string) (*device, error) {
	d, id := &device{l: l, by: by}, uuid.NewString()
	picture, err := l.photo()
	if err != nil {
		return nil, err
	}
	part := on + "/parts/" + agency
	d.queue = append(d.queue, queued{"检查 照片", "inspection/v1/photos/" + id, uuid.NewString(), picture.kind, picture.bytes, id})
	return d, errors.Join(
		d.add("检查 记录", part+"/findings", map[string]any{"item": l.who.items[agency], "problem": true, "detail": detail, "photos": []string{id}, "seen": ""}),
		d.add("检查 签字", part+"/sign", map[string]any{"officers": []string{officer}}))
}

// sync sends the queue in order. Now and then the link breaks before an answer has
// come: then all of it is sent again, with the same keys, and each answer is the first one.
func (d *device) sync(ctx context.Context) error {
	breaks := d.l.dice.IntN(2 * len(d.queue)) // or not at all
	for i := 0; i < len(d.queue); i++ {
		q := d.queue[i]
		w := write{Path: q.path, URL: q.url, Key: q.key}
		a := d.l.until(ctx, d.by, &w, q.kind, q.said, answer.definite)
		if a.status != http.StatusOK {
			d.l.j.fail("%s：%s 第 %d 次得到 %d %s", q.path, q.url, w.Tries, a.status, brief(a.body))
			return errGivenUp
		}
		if i < len(d.first) {
			if !q.same(d.first[i], a) {
				d.l.j.fail("%s：%s 重新同步的答复不同：%s ｜ %s", q.path, q.url, brief(d.first[i].body), brief(a.body))
			} else {
				d.l.j.again()
			}
			continue
		}
		w.Status, w.Answer, d.first = a.status, a.body, append(d.first, a)
		if err := d.l.j.ack(w); err != nil {
			return err
		}
		if i == breaks {
			i = -1
		}
	}
	return nil
}

// same reports whether b answers q as a did. A photo is a part of the visit by now: it
// is the same if its bytes are.
func (q queued) same(a, b answer) bool {
	if q.photo == "" {
		return sameJSON(a.body, b.body)
	}
	type kept struct {
		ID, SHA256 string
		Sent       string `json:"sent_sha256"`
	}
	var x, y kept
	return json.Unmarshal(a.body, &x) == nil && json.Unmarshal(b.body, &y) == nil && x == y && x.ID == q.photo
}

// readVisit counts what a visit's parts say: findings, signatures, and photos that are
// there, byte for byte.
func readVisit(ctx context.Context, found objects, who *people, object, id string) error {
	var v struct {
		Parts []struct {
			SignedBy string `json:"signed_by"`
			Findings []struct {
				Photos []struct{ ID, SHA256 string }
			}
		}
	}
	url := "inspection/v1/visits/" + id
	if err := read(who.examiner.get(ctx, url), &v); err != nil {
		return err
	}
	findings, signed, photos := 0, 0, 0
	for _, p := range v.Parts {
		if p.SignedBy != "" {
			signed++
		}
		for _, f := range p.Findings {
			findings++
			for _, x := range f.Photos {
				a := who.examiner.get(ctx, url+"/photos/"+x.ID)
				sum := sha256.Sum256(a.body)
				if a.status == http.StatusOK && hex.EncodeToString(sum[:]) == x.SHA256 {
					photos++
				}
			}
		}
	}
	found.set(object, "findings", strconv.Itoa(findings))
	found.set(object, "signed", strconv.Itoa(signed))
	found.set(object, "photos", strconv.Itoa(photos))
	return nil
}

// seenPhotos counts the photos of a tip-off that its reporter can look at.
func seenPhotos(ctx context.Context, p *person, number, code string, photos []tipPhoto) (n int) {
	for _, x := range photos {
		a := p.asks(ctx, "tipoff/v1/tips/track/photo", map[string]string{"number": number, "code": code, "photo": x.ID})
		if m, err := jpeg.DecodeConfig(bytes.NewReader(a.body)); a.status == http.StatusOK && err == nil && fmt.Sprint(len(a.body), m.Width, m.Height) == fmt.Sprint(x.Bytes, x.Width, x.Height) {
			n++
		}
	}
	return n
}

type tipPhoto struct {
	ID                   string
	Bytes, Width, Height int
}
