package attach

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // a kind that is taken
	"io"
	"net/http"
	"slices"

	"golang.org/x/image/draw"

	"xunguan/pkg/fault"
)

// What a file may be. They are limits of the machine, not of the law: what is
// within them decodes in some seconds and a few hundred MiB.
const (
	MaxBytes  = 10 << 20  // of a file as it comes
	maxPixels = 64 << 20  // as its header says
	maxMemory = 192 << 20 // that decoding it takes
	maxScans  = 64        // of a progressive JPEG: each goes over the whole picture again
	longSide  = 2560      // of what is kept, in pixels: the small print of a contract is readable
	quality   = 85
)

// Type is the media type of every attachment.
const Type = "image/jpeg"

// A Picture is a file made safe: nothing is left of what came but its pixels.
type Picture struct {
	Body          []byte // a JPEG
	Width, Height int
	Sum           string // SHA-256 of Body, in hexadecimal
	Sent          string // SHA-256 of the file as it came
}

// decoding lets one file be decoded at a time: each may take maxMemory.
var decoding = make(chan struct{}, 1)

// Clean reads a file and makes a Picture of it: by what is in it, whatever it is
// called or says of itself. What it cannot make safe is Invalid, with the reason.
func Clean(ctx context.Context, r io.Reader) (Picture, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return Picture{}, err
	case len(raw) > MaxBytes:
		return Picture{}, fault.TooLarge.Errorf("照片过大，至多 %d MB", MaxBytes>>20)
	}
	turn, err := examine(raw)
	if err != nil {
		return Picture{}, err
	}
	select {
	case decoding <- struct{}{}:
		defer func() { <-decoding }()
	case <-ctx.Done():
		return Picture{}, fault.Unavailable.Wrap(ctx.Err())
	}
	m, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return Picture{}, refuse("照片已损坏或不完整，请重新拍摄或另存后再传")
	}
	return encode(turned(reduced(m), turn), raw)
}

// examine looks at raw without decoding it, and returns how it must be turned.
func examine(raw []byte) (turn int, err error) {
	kind, named := kindOf(raw)
	if kind == "" {
		return 0, refuse(named)
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil || format != kind {
		return 0, refuse("文件以 " + named + " 开头，但不是完整的图片")
	}
	if c.Width < 1 || c.Height < 1 {
		return 0, refuse("图片的宽或高为零")
	}
	if int64(c.Width)*int64(c.Height) > maxPixels {
		return 0, refuse(fmt.Sprintf("图片尺寸过大（%d×%d），至多 %d 万像素", c.Width, c.Height, maxPixels/10000))
	}
	cost := int64(c.Width) * int64(c.Height) * depth(c.ColorModel)
	turn = 1
	if kind == "jpeg" {
		h, ok := readHeader(raw)
		if !ok || h.scans > maxScans {
			return 0, refuse("JPEG 的结构不正常，请另存后再传")
		}
		turn, cost = h.orientation, h.memory
	}
	if cost > maxMemory {
		return 0, refuse(fmt.Sprintf("图片尺寸过大（%d×%d，每像素数据较多），请缩小后再传", c.Width, c.Height))
	}
	return turn, nil
}

// depth is how many bytes a decoded pixel takes.
func depth(m color.Model) int64 {
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// kindOf is what raw is by its first bytes: the kind to decode, "" if it is not
// taken, and its name, or why not.
func kindOf(raw []byte) (kind, named string) {
	if len(raw) == 0 {
		return "", "文件是空的"
	}
	brand := ""
	if len(raw) >= 12 && string(raw[4:8]) == "ftyp" {
		brand = string(raw[8:12])
	}
	switch sniffed := http.DetectContentType(raw); {
	case sniffed == "image/jpeg":
		return "jpeg", "JPEG"
	case sniffed == "image/png":
		return "png", "PNG"
	case slices.Contains([]string{"heic", "heix", "hevc", "mif1", "msf1", "avif"}, brand):
		return "", "暂不接受 HEIC、AVIF 照片：请在手机的相机设置里选“兼容性最佳”，或另存为 JPEG 后再传"
	case sniffed == "application/pdf":
		return "", "不接受 PDF：其中可能有程序和个人信息，无法在这里清除；请把要看的页拍成照片或截图"
	case sniffed == "image/gif", sniffed == "image/webp", sniffed == "image/bmp":
		return "", "不接受 GIF、WebP、BMP 图片：请另存为 JPEG 或 PNG 后再传"
	case sniffed == "application/zip", sniffed == "application/x-gzip", sniffed == "application/x-rar-compressed":
		return "", "不接受压缩包和 Office 文档：请把要看的内容拍成照片或截图"
	case sniffed == "video/mp4", sniffed == "video/webm", sniffed == "video/avi", brand != "":
		return "", "不接受视频：请截取画面后再传"
	}
	return "", "只接受 JPEG 和 PNG 照片；文件内容不是照片，与它的名字无关"
}

func refuse(why string) error {
	return fault.Fields(fault.Field{Pointer: "/file", Detail: why})
}

// reduced is m on white, no longer than longSide.
func reduced(m image.Image) *image.RGBA {
	from := m.Bounds()
	w, h := from.Dx(), from.Dy()
	if long := max(w, h); long > longSide {
		w, h = max(1, w*longSide/long), max(1, h*longSide/long)
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(to, to.Rect, image.White, image.Point{}, draw.Src)
	if w == from.Dx() && h == from.Dy() {
		draw.Draw(to, to.Rect, m, from.Min, draw.Over)
	} else {
		draw.BiLinear.Scale(to, to.Rect, m, from, draw.Over, nil)
	}
	return to
}

// turned is m as EXIF's orientation says that it is to be looked at.
func turned(m *image.RGBA, orientation int) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	var from func(x, y int) (int, int)
	switch orientation {
	case 2:
		from = func(x, y int) (int, int) { return w - 1 - x, y }
	case 3:
		from = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 4:
		from = func(x, y int) (int, int) { return x, h - 1 - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, h - 1 - x }
	case 7:
		from = func(x, y int) (int, int) { return w - 1 - y, h - 1 - x }
	case 8:
		from = func(x, y int) (int, int) { return w - 1 - y, x }
	default:
		return m
	}
	size := image.Pt(w, h)
	if orientation >= 5 {
		size = image.Pt(h, w)
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			to.SetRGBA(x, y, m.RGBAAt(from(x, y)))
		}
	}
	return to
}

func encode(m image.Image, raw []byte) (Picture, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return Picture{}, err
	}
	return Picture{Body: b.Bytes(), Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Sum: sum(b.Bytes()), Sent: sum(raw)}, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
