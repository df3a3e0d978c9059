package event

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	licensingv1 "xunguan/proto/licensing/v1"
)

// FuzzMessage takes any message off a topic: what comes of it PostgreSQL can keep,
// its handler gets a whole event or none.
func FuzzMessage(f *testing.F) {
	good, err := proto.Marshal(&licensingv1.LicenceIssued{Institution: &licensingv1.Institution{Id: "i1", Name: "东吴学堂"}})
	if err != nil {
		f.Fatal(err)
	}
	const issued = "licensing.v1.LicenceIssued"
	f.Add([]byte("i1"), []byte("e1"), []byte(issued), []byte("1"), []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), good)
	f.Add([]byte("\x00\xff"), []byte(""), []byte(issued), []byte("-1"), []byte("00-zz"), []byte("\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, key, id, kind, version, trace, data []byte) {
		m := message(kafka.Message{Topic: "x.events", Key: key, Value: data, Headers: []kafka.Header{
			{Key: headerID, Value: id}, {Key: headerType, Value: kind}, {Key: headerVersion, Value: version}, {Key: headerTrace, Value: trace},
		}})
		for _, s := range []string{m.ID, m.Key, m.Type, m.Trace} {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > 2000 {
				t.Errorf("PostgreSQL cannot keep %q", s)
			}
		}
		if m.Version < 0 || m.Data == nil {
			t.Errorf("version %d, data %v", m.Version, m.Data)
		}
		mux := Mux{}
		handled := false
		On(mux, func(_ context.Context, _ pgx.Tx, _ string, e *licensingv1.LicenceIssued) error {
			handled = true
			if !utf8.ValidString(e.GetInstitution().GetName()) {
				t.Errorf("a text that is none: %q", e.GetInstitution().GetName())
			}
			return nil
		})
		if err := mux.Handle(t.Context(), nil, m); (err == nil) != (handled || m.Type != issued) {
			t.Errorf("type %q, handled %v: %v", m.Type, handled, err)
		}
	})
}
