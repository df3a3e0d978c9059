package portal

import (
	"encoding/json"
	"net/http"
	"strings"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// trackForm answers GET /tipoff/track.
func (d *door) trackForm(w http.ResponseWriter, r *http.Request) error {
	d.render(w, r, http.StatusOK, "tipoff_track", view{Title: say("track.heading"), Body: &tracked{}})
	return nil
}

// tracked is the page of a tip-off for who has its receipt.
type tracked struct {
	Number, Code string // as typed; for the next form on the page, never for an address
	Found        bool
	Said         map[string]string // what was typed, if it has to be typed again
	photoDraft                     // that were added to what was typed
	Wrong        wrongs
	Tip          struct {
		Number      string
		StateName   string `json:"state_name"`
		State       string
		Merged      bool
		Holder      string
		HeldSince   day.Date `json:"held_since"`
		Since       day.Date
		Due         day.Date
		Provisional bool
		CanReopen   bool `json:"can_reopen"`
		Feedback    *struct{ Attitude, Solved string }
		Reason      string
		Answers     []struct {
			Text, Office string
			On           day.Date
			Amended      bool
		}
		Questions []struct {
			Text    string
			AskedOn day.Date `json:"asked_on"`
			Answer  string
		}
		Photos []struct {
			ID            string
			Width, Height int
			AddedOn       day.Date `json:"added_on"`
		}
		Notices []string
	}
}

// trackTip answers POST /tipoff/track.
func (d *door) trackTip(w http.ResponseWriter, r *http.Request) error {
	return d.showTip(w, r, "/v1/tips/track")
}

// showTip calls path with the receipt in r's form, and what else it says, and
// shows the tip-off. What failed leaves the page as it was, with what was typed.
func (d *door) showTip(w http.ResponseWriter, r *http.Request, path string, says ...string) error {
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	t := trackedOf(r, says...)
	failed := d.askTip(r, path, t.whole(), &t)
	if failed != nil && len(t.Said) > 2 && fault.KindOf(failed) != fault.NotFound {
		t.Found = d.askTip(r, "/v1/tips/track", t.pair(), &t) == nil
	}
	code, page := http.StatusOK, view{Title: say("track.title"), Done: len(says) > 0, Body: &t}
	if failed != nil {
		d.note(r, failed)
		page = view{Title: say("track.heading"), Problem: problemOf(failed), Body: &t}
		code = page.Problem.Status
	} else {
		t.Found, t.Said, t.photoDraft = true, nil, photoDraft{}
	}
	d.render(w, r, code, "tipoff_track", page)
	return nil
}

// supplement answers POST /tipoff/supplement: photos are added one by one, as to a
// tip-off, and the page is shown again, or all of it is sent.
func (d *door) supplement(w http.ResponseWriter, r *http.Request) error {
	failed, err := d.readPhotos(r)
	if err != nil {
		return err
	}
	if failed == nil && r.PostForm.Get("to") == "" && r.PostForm.Get("drop") == "" {
		return d.showTip(w, r, "/v1/tips/supplement", "text")
	}
	t := trackedOf(r, "text")
	if err := d.askTip(r, "/v1/tips/track", t.pair(), &t); err != nil {
		return err
	}
	t.Found = true
	code, page := http.StatusOK, view{Title: say("track.title"), Body: &t}
	if failed != nil {
		d.note(r, failed)
		page.Problem, t.Wrong = noPhoto(failed)
		code = page.Problem.Status
	}
	d.render(w, r, code, "tipoff_track", page)
	return nil
}

// trackedOf is what r's form says: the receipt, what is named in says, and photos.
func trackedOf(r *http.Request, says ...string) tracked {
	t := tracked{Said: map[string]string{}, photoDraft: photosOf(r.PostForm)}
	for _, name := range append([]string{"number", "code"}, says...) {
		if v := strings.TrimSpace(r.PostForm.Get(name)); v != "" {
			t.Said[name] = strings.ReplaceAll(v, "\r\n", "\n")
		}
	}
	t.Number, t.Code = t.Said["number"], t.Said["code"]
	return t
}

// pair is the receipt alone, as the service takes it.
func (t *tracked) pair() map[string]any { return map[string]any{"number": t.Number, "code": t.Code} }

// whole is all that was said, as the service takes it.
func (t *tracked) whole() map[string]any {
	all := t.pair()
	for name, v := range t.Said {
		all[name] = v
	}
	if len(t.Photos) > 0 {
		all["photos"] = t.Photos
	}
	return all
}

// askTip says said to path and reads into t how the tip-off stands.
func (d *door) askTip(r *http.Request, path string, said map[string]any, t *tracked) error {
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	raw, err := d.call(r.Context(), visitor{}, http.MethodPost, "tipoff", path, "", body)
	if err == nil {
		err = json.Unmarshal(raw, &t.Tip)
	}
	return err
}

// steps is what comes next, by state.
var steps = map[string]string{
	"RECEIVED": "track.next_sort", "TRIAGED": "track.next_sort", "RETURNED": "track.next_sort",
	"DISPATCHED": "track.next_accept", "DISPATCHED_AGAIN": "track.next_accept", "ASSIGNED": "track.next_accept",
	"ARBITRATION": "track.next_arbitration", "HANDLING": "track.next_answer", "WAITING": "track.next_supplement",
	"ANSWERED": "track.next_rate", "CLOSED": "track.next_rate",
}

// Next is what comes next; "" if nothing does.
func (t *tracked) Next() string {
	if key := steps[t.Tip.State]; key != "" {
		return say(key)
	}
	return ""
}

// Ended reports whether t has an answer to be judged.
func (t *tracked) Ended() bool { return len(t.Tip.Answers) > 0 }

// Chosen reports whether value is what was said of name, now or before.
func (t *tracked) Chosen(name, value string) bool {
	if v, ok := t.Said[name]; ok {
		return v == value
	}
	f := t.Tip.Feedback
	return f != nil && (name == "attitude" && f.Attitude == value || name == "solved" && f.Solved == value)
}
