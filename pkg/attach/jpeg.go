package attach

import (
	"bytes"
	"encoding/binary"
)

// header is what the segments of a JPEG say before any of it is decoded.
type header struct {
	orientation int   // EXIF's, 1 to 8; 1 is as it is
	scans       int   // how often the picture is gone over
	memory      int64 // bytes that decoding takes
}

// The markers of a JPEG that matter here.
const (
	startOfImage = 0xD8
	endOfImage   = 0xD9
	startOfScan  = 0xDA
	progressive  = 0xC2
	app1         = 0xE1
)

// readHeader walks raw's segments; false if they do not follow each other.
func readHeader(raw []byte) (h header, ok bool) {
	h.orientation = 1
	if len(raw) < 2 || raw[0] != 0xFF || raw[1] != startOfImage {
		return h, false
	}
	for at := 2; ; {
		at += padding(raw[at:])
		if at+1 >= len(raw) || raw[at] != 0xFF {
			return h, false
		}
		marker := raw[at+1]
		at += 2
		if marker == endOfImage {
			return h, h.memory > 0 && h.scans > 0
		}
		if marker == 0x01 || marker >= 0xD0 && marker <= 0xD7 { // they have no length
			continue
		}
		if at+2 > len(raw) {
			return h, false
		}
		size := int(binary.BigEndian.Uint16(raw[at:]))
		if size < 2 || at+size > len(raw) {
			return h, false
		}
		segment := raw[at+2 : at+size]
		at += size
		switch {
		case marker == app1 && h.orientation == 1:
			h.orientation = orientation(segment)
		case frame(marker):
			h.memory += cost(segment, marker == progressive)
		case marker == startOfScan:
			h.scans++
			end := scanEnd(raw[at:])
			if end < 0 { // cut off: the decoder says so
				return h, true
			}
			at += end
		}
	}
}

// padding is how many bytes may stand before the next marker.
func padding(b []byte) (n int) {
	for n+1 < len(b) && b[n] == 0xFF && b[n+1] == 0xFF {
		n++
	}
	return n
}

// frame reports whether marker begins a frame: SOF0 to SOF15 less DHT, JPG, DAC.
func frame(marker byte) bool {
	return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC
}

// cost is how many bytes the frame takes that segment describes: a byte for each
// sample, and four more for its coefficient if it comes in several scans.
func cost(segment []byte, inScans bool) (bytes int64) {
	if len(segment) < 6 {
		return 0
	}
	h, w := int64(binary.BigEndian.Uint16(segment[1:])), int64(binary.BigEndian.Uint16(segment[3:]))
	parts := segment[6:]
	across, down := int64(1), int64(1)
	for i := 0; i+2 < len(parts); i += 3 {
		across, down = max(across, int64(parts[i+1]>>4)), max(down, int64(parts[i+1]&15))
	}
	for i := 0; i+2 < len(parts); i += 3 {
		bytes += w * h * int64(parts[i+1]>>4) * int64(parts[i+1]&15) / (across * down)
	}
	if inScans {
		bytes *= 5
	}
	return bytes
}

// scanEnd is where the next segment begins after the data of a scan; -1 if there
// is none.
func scanEnd(b []byte) int {
	for i := 0; ; i++ {
		next := bytes.IndexByte(b[i:], 0xFF)
		if next < 0 || i+next+1 >= len(b) {
			return -1
		}
		i += next
		if m := b[i+1]; m != 0 && m != 0xFF && (m < 0xD0 || m > 0xD7) {
			return i
		}
	}
}

// orientation is what an EXIF segment says of how to hold the picture; 1 if it
// says nothing that makes sense.
func orientation(segment []byte) int {
	tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !ok || len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			if v := order.Uint16(entries[8:]); v >= 1 && v <= 8 {
				return int(v)
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}
