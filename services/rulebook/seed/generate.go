//go:build ignore

// generate.go makes calendar.json from the npm package chinese-days (MIT):
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
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	pack      = "chinese-days@1.5.7"
	integrity = "sha512-8Z/afgDTct5jsoTLQTOZfpDl7w4pJH4jpr3DLxy6HING9U/e0EV7yiNxF/HVXp/c+eQFfFqv+HQZ/QDaIVJ1Vw=="
)

// notices is the State Council's notice for each year, as the package's source
// cites it.
var notices = map[int]string{
	2024: "国务院办公厅关于2024年部分节假日安排的通知（国办发明电〔2023〕7号）https://www.gov.cn/zhengce/content/202310/content_6911527.htm",
	2025: "国务院办公厅关于2025年部分节假日安排的通知（国办发明电〔2024〕12号）https://www.gov.cn/zhengce/zhengceku/202411/content_6986383.htm",
	2026: "国务院办公厅关于2026年部分节假日安排的通知（国办发明电〔2025〕7号）https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm",
}

type date struct {
	Date    string `json:"date"`
	Working bool   `json:"working"`
	Name    string `json:"name"`
}

type year struct {
	Year   int    `json:"year"`
	Source string `json:"source"`
	Days   []date `json:"days"`
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("seed: ", err)
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
	var years []year
	for y, notice := range notices {
		days, err := read(files[fmt.Sprintf("%d.json", y)])
		if err != nil {
			return fmt.Errorf("%d: %w", y, err)
		}
		years = append(years, year{y, notice + "；数据取自 npm " + pack, days})
	}
	slices.SortFunc(years, func(a, b year) int { return a.Year - b.Year })
	return write(years)
}

// read returns the days off and the days worked instead. A weekend day that is
// off anyway is kept: the notice names it.
func read(raw []byte) ([]date, error) {
	var y struct{ Holidays, Workdays map[string]string }
	if err := json.Unmarshal(raw, &y); err != nil {
		return nil, err
	}
	var days []date
	for _, set := range []struct {
		working bool
		names   map[string]string
	}{{false, y.Holidays}, {true, y.Workdays}} {
		for on, label := range set.names { // "Spring Festival,春节,4"
			cols := strings.Split(label, ",")
			if len(cols) != 3 {
				return nil, fmt.Errorf("%s is %q", on, label)
			}
			name := cols[1]
			if set.working {
				name += "调休上班"
			}
			days = append(days, date{on, set.working, name})
		}
	}
	slices.SortFunc(days, func(a, b date) int { return strings.Compare(a.Date, b.Date) })
	return days, nil
}

// write puts one day on a line, so that a change is read easily.
func write(years []year) error {
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, y := range years {
		source, err := json.Marshal(y.Source)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "{\"year\": %d, \"source\": %s, \"days\": [\n", y.Year, source)
		for j, d := range y.Days {
			line, err := json.Marshal(d)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "  %s%s\n", line, comma(j, len(y.Days)))
		}
		fmt.Fprintf(&out, "]}%s\n", comma(i, len(years)))
	}
	out.WriteString("]\n")
	return os.WriteFile("calendar.json", out.Bytes(), 0o644)
}

func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}

func fetch() ([]byte, error) {
	if len(os.Args) > 1 {
		return os.ReadFile(os.Args[1])
	}
	dir, err := os.MkdirTemp("", "seed")
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

// open returns the files of the package's dist/years folder, if archive is the
// pinned one.
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
		if name, ok := strings.CutPrefix(h.Name, "package/dist/years/"); ok {
			if files[name], err = io.ReadAll(t); err != nil {
				return nil, err
			}
		}
	}
}
