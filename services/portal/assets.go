package portal

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"

	"xunguan/pkg/fault"
)

// built is what `make web` made of web/: scripts and styles named by their
// content. Without them the pages that are written here work, with less comfort.
//
//go:embed all:web/dist
var built embed.FS

// pageScript is the address of the script that every page may do without; "" if
// it has not been built.
var pageScript = scriptOf("portal", "src/page.ts")

// scriptOf finds what an entry of an application was built to.
func scriptOf(app, entry string) string {
	raw, err := built.ReadFile("web/dist/" + app + "/manifest.json")
	if err != nil {
		return ""
	}
	var manifest map[string]struct{ File string }
	if json.Unmarshal(raw, &manifest) != nil || manifest[entry].File == "" {
		return ""
	}
	return "/assets/" + app + "/" + manifest[entry].File
}

// asset answers GET /assets/{file...}. What has its content in its name never changes.
func (d *door) asset(w http.ResponseWriter, r *http.Request) error {
	file := path.Join("web/dist", path.Clean("/"+r.PathValue("file")))
	if info, err := fs.Stat(built, file); err != nil || info.IsDir() {
		return fault.NotFound.Errorf("此地址不存在")
	}
	if path.Base(file) == "sw.js" { // it keeps the console's pages, which are elsewhere
		w.Header().Set("Service-Worker-Allowed", "/console/")
	}
	if path.Base(path.Dir(file)) == "assets" {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, built, file)
	return nil
}

// consolePolicy lets Element Plus and the charts place what they draw.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// console answers GET /console/…: the one page of the console, which reads its
// own address.
func (d *door) console(w http.ResponseWriter, r *http.Request) error {
	const index = "web/dist/console/index.html"
	if _, err := fs.Stat(built, index); err != nil {
		return fault.Unavailable.Errorf("工作台的页面还没有构建：请执行 make web，再重新启动")
	}
	w.Header().Set("Content-Security-Policy", consolePolicy)
	http.ServeFileFS(w, r, built, index)
	return nil
}
