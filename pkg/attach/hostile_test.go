package attach_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
)

// mark is what a file brings along of whoever took it; nothing of it may be kept.
const mark = "MARK 13987654321 N31.3E120.6 <script>alert(1)</script>"

// hostile is forty files and more that must be refused, each with words of the reason.
func hostile() map[string]struct {
	file []byte
	want string
} {
	photo, shot := jpegOf(picture(64, 48)), pngOf(picture(64, 48))
	type bad = struct {
		file []byte
		want string
	}
	const notAPhoto = "只接受 JPEG 和 PNG"
	return map[string]bad{
		"nothing":                      {nil, "文件是空的"},
		"one byte":                     {[]byte{0xFF}, notAPhoto},
		"text":                         {[]byte("I am a photo.jpg"), notAPhoto},
		"HTML":                         {[]byte("<!doctype html><script>alert(1)</script>"), notAPhoto},
		"HTML in UTF-16":               {[]byte("\xff\xfe<\x00s\x00c\x00r\x00i\x00p\x00t\x00>\x00"), notAPhoto},
		"HTML after a JPEG's head":     {[]byte("\xff\xd8\xff<html><script>alert(1)</script>"), "不是完整的图片"},
		"HTML in a JPEG's segment":     {[]byte("\xff\xd8\xff\xe0\x00\x20<html><script>alert(1)</script>"), "不是完整的图片"},
		"PHP after a JPEG's head":      {[]byte("\xff\xd8\xff\xe0<?php system($_GET['c']); ?>"), "不是完整的图片"},
		"HTML after a PNG's head":      {[]byte("\x89PNG\r\n\x1a\n<html><script>alert(1)</script>"), "不是完整的图片"},
		"SVG":                          {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), notAPhoto},
		"SVG as XML":                   {[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), notAPhoto},
		"XML that grows":               {[]byte(`<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>`), notAPhoto},
		"PDF":                          {[]byte("%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>"), "不接受 PDF"},
		"GIF":                          {gifOf(1), "不接受 GIF"},
		"GIF that moves":               {gifOf(8), "不接受 GIF"},
		"GIF that is JavaScript":       {[]byte("GIF89a/*\x00\x00*/=1;alert(1)//"), "不接受 GIF"},
		"WebP":                         {[]byte("RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00"), "WebP"},
		"BMP":                          {[]byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00"), "BMP"},
		"TIFF":                         {[]byte("II*\x00\x08\x00\x00\x00\x00\x00"), notAPhoto},
		"icon":                         {[]byte("\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00"), notAPhoto},
		"HEIC":                         {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "HEIC"},
		"AVIF":                         {[]byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1"), "AVIF"},
		"MP4":                          {[]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42"), "不接受视频"},
		"MOV":                          {[]byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  "), "不接受视频"},
		"ZIP":                          {zipOf("photo.jpg"), "不接受压缩包"},
		"ZIP that leads elsewhere":     {zipOf("../../etc/cron.d/x"), "不接受压缩包"},
		"Word":                         {zipOf("[Content_Types].xml"), "Office"},
		"gzip":                         {gzipOf(photo), "不接受压缩包"},
		"RAR":                          {[]byte("Rar!\x1a\x07\x01\x00....."), "不接受压缩包"},
		"ELF":                          {[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00"), notAPhoto},
		"Windows program":              {[]byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00"), notAPhoto},
		"shell script":                 {[]byte("#!/bin/sh\nrm -rf /\n"), notAPhoto},
		"virus by name":                {[]byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`), notAPhoto},
		"JPEG, cut off":                {photo[:len(photo)*2/3], "已损坏或不完整"},
		"JPEG, head alone":             {[]byte("\xff\xd8\xff\xd9"), "不是完整的图片"},
		"JPEG with a lying segment":    {join(photo[:2], []byte("\xff\xe1\xff\xff"), photo[2:]), "不是完整的图片"},
		"JPEG of 65535×65535":          {frame(0xC0, 65535, 65535), "尺寸过大"},
		"JPEG that takes a gigabyte":   {frame(0xC2, 9000, 7000), "尺寸过大"},
		"JPEG of a thousand scans":     {manyScans(photo, 1000), "结构不正常"},
		"JPEG without a picture":       {frame(0xC0, 64, 48), "已损坏或不完整"},
		"PNG, head alone":              {shot[:8], "不是完整的图片"},
		"PNG, cut off":                 {shot[:len(shot)/2], "已损坏或不完整"},
		"PNG with a wrong checksum":    {flip(shot, 20), "不是完整的图片"},
		"PNG with other data":          {flip(shot, len(shot)-20), "已损坏或不完整"},
		"PNG of no width":              {header(0, 48, 8, 2), "不是完整的图片"},
		"PNG bomb":                     {join(header(30000, 30000, 8, 0), chunk("IDAT", deflate(make([]byte, 1<<20))), chunk("IEND", nil)), "尺寸过大"},
		"PNG of two billion squared":   {header(1<<31-1, 1<<31-1, 8, 0), ""},
		"PNG of eight bytes a pixel":   {header(7000, 7000, 16, 6), "尺寸过大"},
		"PNG with too little data":     {join(header(4000, 4000, 8, 2), chunk("IDAT", deflate(make([]byte, 100))), chunk("IEND", nil)), "已损坏或不完整"},
		"a megabyte more than allowed": {join(photo, make([]byte, 10<<20)), "照片过大"},
	}
}

// harmless is files that bring along what must not be kept, with the size of the
// picture that is.
func harmless() map[string]struct {
	file []byte
	w, h int
} {
	photo, shot := jpegOf(picture(64, 48)), pngOf(picture(64, 48))
	type good = struct {
		file []byte
		w, h int
	}
	return map[string]good{
		"JPEG":                          {photo, 64, 48},
		"JPEG with a place":             {segment(photo, 0xE1, exif(1)), 64, 48},
		"JPEG on its side":              {segment(photo, 0xE1, exif(6)), 48, 64},
		"JPEG with XMP":                 {segment(photo, 0xE1, []byte("http://ns.adobe.com/xap/1.0/\x00"+mark)), 64, 48},
		"JPEG with IPTC":                {segment(photo, 0xED, []byte("Photoshop 3.0\x00"+mark)), 64, 48},
		"JPEG with a comment":           {segment(photo, 0xFE, []byte(mark)), 64, 48},
		"JPEG with a profile":           {segment(photo, 0xE2, []byte("ICC_PROFILE\x00\x01\x01"+mark)), 64, 48},
		"JPEG with broken EXIF":         {segment(photo, 0xE1, []byte("Exif\x00\x00MM\x00*\xff\xff\xff\xff"+mark)), 64, 48},
		"JPEG with EXIF without end":    {segment(photo, 0xE1, []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff"+mark)), 64, 48},
		"JPEG and ZIP":                  {join(photo, zipOf(mark)), 64, 48},
		"JPEG and HTML":                 {join(photo, []byte("<html>"+mark)), 64, 48},
		"JPEG and a film":               {join(photo, []byte("\x00\x00\x00\x18ftypmp42"+mark)), 64, 48},
		"JPEG and another":              {join(photo, segment(photo, 0xFE, []byte(mark))), 64, 48},
		"JPEG with a small one in EXIF": {segment(photo, 0xE1, join(exif(1), segment(photo, 0xFE, []byte(mark)))), 64, 48},
		"JPEG of twelve megapixels":     {jpegOf(picture(4000, 3000)), 2560, 1920},
		"PNG":                           {shot, 64, 48},
		"PNG with words":                {extra(shot, "tEXt", []byte("Author\x00"+mark)), 64, 48},
		"PNG with a place":              {extra(shot, "eXIf", exif(6)[6:]), 64, 48},
		"PNG that moves":                {extra(shot, "acTL", []byte("\x00\x00\x00\x02\x00\x00\x00\x00" + mark)[:8]), 64, 48},
		"PNG and a program":             {join(shot, []byte("\x7fELF"+mark)), 64, 48},
		"PNG of one line":               {pngOf(picture(1, 9000)), 1, 2560},
	}
}

// picture is noise with a red upper left quarter, a green upper right, a blue lower
// left and a white lower right.
func picture(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	noise := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	for y := range h {
		for x := range w {
			n := uint8(noise.IntN(40)) //nolint:gosec // less than 40
			c := color.RGBA{n, n, n, 255}
			right, below := x >= w/2, y >= h/2
			if !right && !below || right && below {
				c.R = 255 - n
			}
			if right {
				c.G = 255 - n
			}
			if below {
				c.B = 255 - n
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(m image.Image) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, nil)
	return b.Bytes()
}

func pngOf(m image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, m)
	return b.Bytes()
}

func gifOf(frames int) []byte {
	var g gif.GIF
	for range frames {
		g.Image, g.Delay = append(g.Image, image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})), append(g.Delay, 1)
	}
	var b bytes.Buffer
	_ = gif.EncodeAll(&b, &g)
	return b.Bytes()
}

func zipOf(name string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create(name)
	_, _ = f.Write([]byte(mark))
	_ = w.Close()
	return b.Bytes()
}

func gzipOf(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

func deflate(text []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0xFF
	return b
}

// segment puts a segment after the head of a JPEG.
func segment(photo []byte, marker byte, text []byte) []byte {
	head := binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(text)+2)) //nolint:gosec // short
	return join(photo[:2], head, text, photo[2:])
}

// exif is an EXIF segment with an orientation, and a place.
func exif(orientation byte) []byte {
	return join([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02"),
		[]byte{0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0},
		[]byte{0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38}, []byte{0, 0, 0, 0}, []byte(mark))
}

// frame is a JPEG that says how large it is, and has no picture.
func frame(marker byte, w, h uint16) []byte {
	sof := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0}                                           //nolint:gosec // its bytes
	return join([]byte{0xFF, 0xD8, 0xFF, marker, 0, byte(len(sof) + 2)}, sof, []byte{0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0xFF, 0xD9}) //nolint:gosec // short
}

// manyScans repeats the scan of a JPEG.
func manyScans(photo []byte, n int) []byte {
	at := bytes.LastIndex(photo, []byte{0xFF, 0xDA})
	scan := photo[at : len(photo)-2]
	return join(photo[:at], bytes.Repeat(scan, n), []byte{0xFF, 0xD9})
}

func chunk(kind string, data []byte) []byte {
	body := join([]byte(kind), data)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data))) //nolint:gosec // short
	return binary.BigEndian.AppendUint32(append(b, body...), crc32.ChecksumIEEE(body))
}

// header is the head of a PNG and its first chunk.
func header(w, h uint32, depth, kind byte) []byte {
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return join([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(size, depth, kind, 0, 0, 0)))
}

// extra puts a chunk after the first one of a PNG.
func extra(shot []byte, kind string, data []byte) []byte {
	const first = 8 + 25
	return join(shot[:first], chunk(kind, data), shot[first:])
}

// traces is what none of the kept files may have in it.
func traces(body []byte) (found []string) {
	for _, what := range []string{"MARK", "1398765", "script", "Exif", "ICC", "Photoshop", "adobe", "PK\x03\x04", "ELF", "ftyp", "JFIF"} {
		if strings.Contains(string(body), what) {
			found = append(found, what)
		}
	}
	return found
}
