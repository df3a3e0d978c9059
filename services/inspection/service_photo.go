package inspection

import (
	"context"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// AddPhoto is a photo for a finding or a report that is still to come.
type AddPhoto struct {
	once.Key
	ID string `path:"id" format:"uuid" description:"made by who sends it: the same photo again under the same id is one"`
}

// AddPhoto takes a photo in. Its answer has the digest of what came: who sent it
// may forget it only if that is what was sent.
func (s *Service) AddPhoto(ctx context.Context, req AddPhoto, r io.Reader) (attach.Attachment, error) {
	p, err := attach.Clean(ctx, r)
	if err != nil {
		return attach.Attachment{}, err
	}
	return s.Photos.Take(ctx, req.ID, p)
}

// ReadPhoto asks for a photo of a visit or of a rectification.
type ReadPhoto struct {
	ID    string `path:"id" maxLength:"64"`
	Photo string `path:"photo" format:"uuid"`
}

// ReadVisitPhoto is a photo of a finding that the caller may read.
func (s *Service) ReadVisitPhoto(ctx context.Context, req ReadPhoto) (kit.File, error) {
	return s.photo(ctx, req, func(tx pgx.Tx) ([]attach.Attachment, error) {
		v, err := findVisit(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return nil, err
		}
		parts, err := s.parts(ctx, tx, v)
		var all []attach.Attachment
		for _, p := range parts {
			for _, f := range p.Findings {
				all = append(all, f.Photos...)
			}
		}
		return all, err
	})
}

// ReadRectificationPhoto is a photo of an institution's report.
func (s *Service) ReadRectificationPhoto(ctx context.Context, req ReadPhoto) (kit.File, error) {
	return s.photo(ctx, req, func(tx pgx.Tx) ([]attach.Attachment, error) {
		if _, err := findRectification(ctx, tx, auth.From(ctx), req.ID); err != nil {
			return nil, err
		}
		return s.Photos.List(ctx, tx, req.ID)
	})
}

// photo is the photo that req names, out of those that may be read.
func (s *Service) photo(ctx context.Context, req ReadPhoto, readable func(pgx.Tx) ([]attach.Attachment, error)) (kit.File, error) {
	all, err := pg.InTx(ctx, s.DB, readable)
	if err != nil {
		return kit.File{}, err
	}
	i := slices.IndexFunc(all, func(a attach.Attachment) bool { return a.ID == req.Photo })
	if i < 0 {
		return kit.File{}, fault.NotFound.Errorf("该照片不存在")
	}
	body, err := s.Photos.Read(ctx, all[i])
	return kit.File{Name: req.Photo + ".jpg", Type: attach.Type, Body: body}, err
}

// parts is the parts of v that ctx's caller may read, with the photos of their findings.
func (s *Service) parts(ctx context.Context, tx pgx.Tx, v *Visit) ([]Part, error) {
	parts, err := listParts(ctx, tx, auth.From(ctx), v)
	if err != nil {
		return nil, err
	}
	photos, err := s.Photos.List(ctx, tx, v.ID)
	for i := range parts {
		for j := range parts[i].Findings {
			f := &parts[i].Findings[j]
			f.Digest, f.Photos = f.digest(), []attach.Attachment{}
			for _, p := range photos {
				if p.Item == f.Item {
					f.Photos = append(f.Photos, p)
				}
			}
		}
	}
	return parts, err
}
