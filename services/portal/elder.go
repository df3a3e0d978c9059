package portal

import (
	"net/http"
	"time"
)

// elderCookie says that pages are shown in large. It is the only cookie that is
// read of who tips off, and says no more than that.
const elderCookie = "xg_elder"

// elder reports whether r wants pages in large.
func elder(r *http.Request) bool {
	c, err := r.Cookie(elderCookie)
	return err == nil && c.Value == "1"
}

// chooseElder answers GET /elder: it remembers how pages are to be shown, and
// leads back to where the choice was made.
func (d *door) chooseElder(w http.ResponseWriter, r *http.Request) error {
	on := "0"
	if r.URL.Query().Get("on") == "1" {
		on = "1"
	}
	http.SetCookie(w, &http.Cookie{Name: elderCookie, Value: on, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()), HttpOnly: true, Secure: !d.Trial, SameSite: http.SameSiteLaxMode}) //nolint:gosec // plain HTTP in trial mode only
	http.Redirect(w, r, localPath(r.URL.Query().Get("to")), http.StatusSeeOther)                                                                                                              //nolint:gosec // a path of ours
	return nil
}
