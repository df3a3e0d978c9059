package tipoff

import (
	"context"
	"encoding/hex"
	"io"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// AddPhoto is a photo for a tip-off, or a supplement to one, that is not sent yet.
type AddPhoto struct{ once.Key }

// Photo is a photo that was taken in.
type Photo struct {
	ID      string   `json:"id" description:"for photos of the tip-off; who has it may send it"`
	Size    int      `json:"bytes"`
	Width   int      `json:"width" description:"pixels"`
	Height  int      `json:"height" description:"pixels"`
	AddedOn day.Date `json:"added_on" description:"the day it was taken in"`
}

// AddPhoto takes a photo in, without its name, place, time and camera. The same
// photo with the same key is the same one; the key is kept nowhere.
func (s *Service) AddPhoto(ctx context.Context, req AddPhoto, r io.Reader) (Photo, error) {
	p, err := attach.Clean(ctx, r)
	if err != nil {
		return Photo{}, err
	}
	id := hex.EncodeToString(s.Pepper.mac("photo", req.IdempotencyKey)[:16])
	a, err := s.Photos.Take(pg.Worker(auth.With(ctx, auth.Caller{}), "tipoff:photo"), id, p)
	return Photo{a.ID, a.Size, a.Width, a.Height, a.AddedOn}, err
}

// ReadPhoto asks for a photo of a tip-off.
type ReadPhoto struct {
	ID    string `path:"id" minLength:"1" maxLength:"36"`
	Photo string `path:"photo" minLength:"1" maxLength:"36"`
}

// ReadPhoto is a photo for who may read the tip-off word by word; NotFound to others.
func (s *Service) ReadPhoto(ctx context.Context, req ReadPhoto) (kit.File, error) {
	return s.photo(ctx, req.Photo, func(tx pgx.Tx) (*Tip, error) {
		t, err := findTip(ctx, tx, req.ID)
		if err == nil && !wordByWord(auth.From(ctx), t) {
			err = fault.NotFound.Errorf("该照片不存在")
		}
		return t, err
	})
}

// wordByWord reports whether c may know what t's reporter said, as it was said.
func wordByWord(c auth.Caller, t *Tip) bool {
	return has(c, intakeRole) || c.Agency == t.Owner && !has(c, cityRole)
}

// TrackPhoto asks for a photo of one's own tip-off.
type TrackPhoto struct {
	TrackTip
	Photo string `json:"photo" minLength:"1" maxLength:"36"`
}

// TrackPhoto is a photo for who sent it.
func (s *Service) TrackPhoto(ctx context.Context, req TrackPhoto) (kit.File, error) {
	ctx = pg.Worker(auth.With(ctx, auth.Caller{}), "tipoff:track")
	return s.photo(ctx, req.Photo, func(tx pgx.Tx) (*Tip, error) { return s.opened(ctx, tx, req.TrackTip) })
}

// photos is the photos of a tip-off, never nil.
func (s *Service) photos(ctx context.Context, tx pgx.Tx, tip string) ([]Photo, error) {
	all, err := s.Photos.List(ctx, tx, tip)
	list := []Photo{}
	for _, a := range all {
		list = append(list, Photo{a.ID, a.Size, a.Width, a.Height, a.AddedOn})
	}
	return list, err
}

// photo is the photo id of the tip-off that of finds.
func (s *Service) photo(ctx context.Context, id string, of func(pgx.Tx) (*Tip, error)) (kit.File, error) {
	var number string
	a, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (attach.Attachment, error) {
		t, err := of(tx)
		if err != nil {
			return attach.Attachment{}, err
		}
		number = t.Number
		return s.Photos.Of(ctx, tx, t.ID, id)
	})
	if err != nil {
		return kit.File{}, err
	}
	body, err := s.Photos.Read(ctx, a)
	return kit.File{Name: number + "-" + a.ID[:8] + ".jpg", Type: attach.Type, Body: body}, err
}
