package tipoff

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"xunguan/pkg/pg"
)

// sample is thirty rows of the hotline's file, for when the whole is not there.
//
//go:embed testdata/sample.csv
var sample []byte

// seedAccount is in whose name demo data are imported.
const seedAccount = "seed"

// Seed imports path as the hotline would deliver it, or the sample if there is no
// such file. Run again it changes nothing.
func (s *Service) Seed(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		var file io.Reader = bytes.NewReader(sample)
		key := "sample"
		if path != "" {
			f, err := os.Open(path) //nolint:gosec // the administrator says which
			if err == nil {
				defer f.Close()
				info, err := f.Stat()
				if err != nil {
					return err
				}
				file, key = f, fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().Unix())
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		ctx = pg.Worker(ctx, "tipoff:seed")
		_, err := s.importFile(ctx, File{Account: seedAccount, Key: key, Channel: hotline}, s.Home, file)
		return err
	}
}
