package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kfake"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	escrowv1 "xunguan/proto/escrow/v1"
	licensingv1 "xunguan/proto/licensing/v1"
)

// school is an institution as licensing publishes it.
func school(id, name string, change ...func(*licensingv1.Institution)) *licensingv1.Institution {
	i := &licensingv1.Institution{
		Id: id, Name: name, Jurisdiction: "320508", Address: "江苏省苏州市姑苏区人民路 100 号", Category: "culture_arts", Item: "美术", Kind: "non_subject", Mode: "offline",
		Status: "ACTIVE", StatusSince: "2026-03-02", LicenceNumber: "教民3205087000001号", ValidFrom: "2026-03-02", ValidUntil: "2029-03-01", IssuedBy: "苏州市姑苏区教育局",
		Uscc: "91320508MA1AAAAA1X", LegalForm: "for_profit", Manager: "principal-secret", Capacity: 40,
	}
	for _, f := range change {
		f(i)
	}
	return i
}

// apply applies e as if it had come from Kafka.
func (s *suite) apply(key string, e proto.Message) error {
	data, err := proto.Marshal(e)
	if err != nil {
		s.t.Fatal(err)
	}
	m := event.Mux{}
	s.On(m)
	msg := event.Message{ID: secret(), Topic: Topics[0], Key: key, Type: string(e.ProtoReflect().Descriptor().FullName()), Data: data}
	return pgx.BeginFunc(s.t.Context(), s.DB, func(tx pgx.Tx) error { return m.Handle(s.t.Context(), tx, msg) })
}

func (s *suite) open(schools ...*licensingv1.Institution) {
	s.t.Helper()
	for _, i := range schools {
		if err := s.apply(i.GetId(), &licensingv1.LicenceIssued{Institution: i}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func white(i *licensingv1.Institution) {
	i.List = &licensingv1.ListEntry{Id: "e1", InstitutionId: i.GetId(), List: "WHITE", State: "PUBLISHED", Since: "2026-03-10", Until: "2027-03-09", Basis: "苏教规〔2024〕1号", DecidedBy: "苏州市姑苏区教育局", Objection: "可自公布之日起六十日内申请行政复议"}
}

// TestPlaces is what a search may be narrowed to: where there are institutions,
// the city above, and where the page is narrowed to already.
func TestPlaces(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	at := func(code string) func(*licensingv1.Institution) {
		return func(i *licensingv1.Institution) { i.Jurisdiction = code }
	}
	s.open(school("a", "甲", at("320508")), school("b", "乙", at("320506")), school("c", "丙", at("320508")))
	for in, want := range map[string][]string{"": {"320500", "320506", "320508"}, "110101": {"110101", "320500", "320506", "320508"}, "999999": {"320500", "320506", "320508"}} {
		places, err := s.places(t.Context(), in)
		var got []string
		for _, p := range places {
			got = append(got, p.Code)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("at %q: %v, %v; want %v", in, got, err, want)
		}
	}
	s.browser(Public).get("/?q=甲&jurisdiction=320506").want(t, 200, `<option value="320506" selected>江苏省苏州市吴中区</option>`, `<option value="320508">江苏省苏州市姑苏区</option>`)
}

// TestSearch is what a search finds: by one character, two, or many; by number;
// and that no character is a wildcard.
func TestSearch(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	other := func(i *licensingv1.Institution) {
		i.Uscc, i.LicenceNumber, i.Address = "", "教民3205067000009号", "江苏省苏州市吴中区东吴路 5 号 Ｂ 座"
		i.Jurisdiction, i.Status = "320506", "SUSPENDED"
	}
	s.open(school("a", "苏州市姑苏区小画家美术培训中心"), school("b", "姑苏画室_100%\\甲", other), school("c", "州苏艺术中心（倒名）", other), school("d", "吴中绘画学校", other))
	for _, tt := range []struct{ name, query, want string }{
		{"nothing asked is everybody", "", "b d c a"},
		{"one character", "q=画", "b d a"},
		{"one character that nobody has", "q=剑", ""},
		{"two characters", "q=姑苏", "b a"},
		{"two characters in this order only", "q=州苏", "c"},
		{"three characters", "q=小画家", "a"},
		{"the whole name", "q=苏州市姑苏区小画家美术培训中心", "a"},
		{"two words, both needed", "q=画+东吴路", "b d"},
		{"two words, one missing", "q=小画家+东吴路", ""},
		{"grams of two places are no match", "q=画室美术", ""},
		{"the USCC", "q=91320508MA1AAAAA1X", "a"},
		{"the USCC in small letters", "q=91320508ma1aaaaa1x", "a"},
		{"the end of a licence number", "q=000009号", "b d c"},
		{"full width is half width", "q=Ｂ座", ""},
		{"a letter of an address", "q=b", "b d c"},
		{"no match over the end of a field", "q=心91", ""}, // 心 ends a name, 91 begins the USCC after it
		{"percent is a character", "q=%25", "b"},
		{"underscore is a character", "q=_", "b"},
		{"backslash is a character", "q=%5C", "b"},
		{"wildcards match themselves", "q=_100%25%5C甲", "b"},
		{"a quote", "q='", ""},
		{"blanks only", "q=+%E3%80%80", "b d c a"},
		{"200 characters", "q=" + strings.Repeat("画", 200), ""},
		{"a city", "jurisdiction=320500", "b d c a"},
		{"a district", "jurisdiction=320506", "b d c"},
		{"the nation", "jurisdiction=000000", "b d c a"},
		{"a status", "status=SUSPENDED&q=画", "b d"},
		{"everything", "q=画&jurisdiction=320508&status=ACTIVE", "a"},
		{"a page", "size=3", "b d c"},
		{"the next page", "size=3&page=2", "a"},
		{"a page past the end", "page=100", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.browser(Public).get("/api/portal/v1/institutions?" + tt.query)
			a.want(t, 200)
			var got struct {
				Items []struct{ ID string }
				Hint  string
				AsOf  time.Time `json:"as_of"`
			}
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, i := range got.Items {
				ids = append(ids, i.ID)
			}
			if strings.Join(ids, " ") != order(tt.want) {
				t.Errorf("found %v, want %s", ids, order(tt.want))
			}
			if got.AsOf.Sub(s.at()).Abs() > time.Minute {
				t.Errorf("as of %v", got.AsOf)
			}
			if tt.want == "" && tt.query != "page=100" && (!strings.Contains(got.Hint, "未在本市名录中找到，可能未取得许可") || strings.Contains(got.Hint, "非法") || strings.Contains(got.Hint, "违法")) {
				t.Errorf("hint %q", got.Hint)
			}
		})
	}
	for query, field := range map[string]string{
		"q=" + strings.Repeat("画", 201): "/query/q", "jurisdiction=999999": "/query/jurisdiction", "jurisdiction=3205": "/query/jurisdiction", "status=GONE": "/query/status",
		"page=0": "/query/page", "page=101": "/query/page", "size=101": "/query/size", "page=x": "/query/page", "q=a&q=b": "/query/q",
	} {
		s.browser(Public).get("/api/portal/v1/institutions?"+query).want(t, 400, field)
	}
	s.browser(Public).get("/api/portal/v1/institutions?q=%00").want(t, 200, `"total":4`) // a control character is no word
	s.browser(Public).get("/api/portal/v1/institutions/none").want(t, 404, "机构不存在")
}

// order puts ids in the order of their names' code points: 吴 州 姑 苏.
func order(ids string) string {
	var out []string
	for _, id := range []string{"d", "b", "c", "a"} {
		if strings.Contains(ids, id) {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

// TestDirectory is the directory as events make it: the last fact of a key
// counts, whatever its version and however often it comes.
func TestDirectory(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	i := school("a", "小画家")
	s.open(i, i) // a republished fact
	steps := []struct {
		event proto.Message
		want  []string
		not   string
	}{
		{&licensingv1.LicenceIssued{Institution: i}, []string{`"status":"ACTIVE"`, `"since":"2026-03-02"`, `"jurisdiction_name":"江苏省苏州市姑苏区"`, `"valid_until":"2029-03-01"`, `"how_to_object":"对本页`, "苏州市姑苏区教育局"}, `"list":`},
		{&licensingv1.ListEntryPublished{Institution: school("a", "小画家", white)}, []string{`"list":{"list":"WHITE","since":"2026-03-10","until":"2027-03-09","basis":"苏教规〔2024〕1号"`, `"how_to_object":"可自公布之日起六十日内申请行政复议"`}, "BLACK"},
		{&licensingv1.ListEntryRemoved{Institution: i}, []string{`"status":"ACTIVE"`}, "WHITE"},
		{&licensingv1.LicenceChanged{Institution: school("a", "大画家")}, []string{"大画家"}, "小画家"},
		{&licensingv1.LicenceSuspended{Institution: school("a", "大画家", func(i *licensingv1.Institution) { i.Status = "SUSPENDED" })}, []string{`"status_name":"许可证暂扣"`}, "ACTIVE"},
		{&licensingv1.LicenceRevoked{Institution: school("a", "大画家", func(i *licensingv1.Institution) { i.Status = "REVOKED" })}, []string{"REVOKED"}, "ACTIVE"},
		{&licensingv1.LicenceCancelled{Institution: school("a", "大画家", func(i *licensingv1.Institution) { i.Status = "CANCELLED" })}, []string{"CANCELLED"}, "ACTIVE"},
		{&licensingv1.ApplicationSubmitted{Application: &licensingv1.Application{Id: "x", InstitutionId: "a", Name: "改名"}}, []string{"大画家"}, "改名"}, // no concern of the directory
	}
	for n, step := range steps {
		if err := s.apply("a", step.event); err != nil {
			t.Fatal(n, err)
		}
		a := s.browser(Public).get("/api/portal/v1/institutions/a")
		a.want(t, 200, step.want...)
		if strings.Contains(a.body, step.not) || strings.Contains(a.body, "principal-secret") || strings.Contains(a.body, "manager") {
			t.Errorf("step %d shows what it must not: %s", n, a.body)
		}
	}
	var held string
	if err := s.DB.QueryRow(t.Context(), `SELECT string_agg(i::text, '') FROM institutions i`).Scan(&held); err != nil || strings.Contains(held, "principal-secret") {
		t.Errorf("the directory knows who manages: %s, %v", held, err)
	}
	for name, e := range map[string]proto.Message{
		"no institution":            &licensingv1.LicenceIssued{},
		"another institution's key": &licensingv1.LicenceIssued{Institution: school("b", "x")},
		"no date":                   &licensingv1.LicenceIssued{Institution: school("a", "x", func(i *licensingv1.Institution) { i.ValidUntil = "3 月" })},
	} {
		if err := s.apply("a", e); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}

// TestConsume is the directory over a broker: duplicates, a republish, and a
// second portal that starts later.
func TestConsume(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, Topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	licensing, s := newSuite(t), newSuite(t)
	writer := event.NewWriter(c.ListenAddrs())
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	log := slog.New(slog.DiscardHandler)
	wg.Go(func() { _ = (&event.Relay{DB: licensing.DB, Writer: writer, Log: log}).Run(ctx) })
	reader := event.NewReader(c.ListenAddrs(), "portal", Topics...)
	m := event.Mux{}
	s.On(m)
	wg.Go(func() {
		_ = (&event.Consumer{Name: "portal", DB: s.DB, Reader: reader, Handle: m.Handle, Log: log}).Run(ctx)
	})
	t.Cleanup(func() { stop(); wg.Wait(); _ = writer.Close(); _ = reader.Close() })
	publish := func(events ...proto.Message) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), licensing.DB, func(tx pgx.Tx) error {
			for _, e := range events {
				key := e.(interface {
					GetInstitution() *licensingv1.Institution
				}).GetInstitution().GetId()
				if err := event.Append(t.Context(), tx, Topics[0], key, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	names := func() map[string]string {
		got := map[string]string{}
		rows, err := s.DB.Query(t.Context(), `SELECT id, name FROM institutions`)
		if err != nil {
			t.Fatal(err)
		}
		var id, name string
		if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { got[id] = name; return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]string{}
	for n := range 20 {
		id := fmt.Sprint("i", n)
		want[id] = id + " 新名"
		publish(&licensingv1.LicenceIssued{Institution: school(id, id)}, &licensingv1.LicenceChanged{Institution: school(id, id+" 新名")})
	}
	for id, name := range want { // republished
		publish(&licensingv1.LicenceChanged{Institution: school(id, name)})
	}
	wait, done := contextUntil(t, func() bool { return cmp.Equal(names(), want) })
	defer done()
	<-wait.Done()
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Error(diff)
	}
}

// TestGrams is that what a search asks of the index is what PostgreSQL put there.
func TestGrams(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for _, text := range []string{"画", "小画", "小画家", "91320508MA", "𠮷野家", "aa", "画 室"} {
		var has bool
		if err := s.DB.QueryRow(t.Context(), `SELECT grams($1) @> $2::text[]`, normal("甲"+text+"乙"), grams(terms(text))).Scan(&has); err != nil || !has {
			t.Errorf("%q: grams %v are not in the column, %v", text, grams(terms(text)), err)
		}
	}
}

// TestSearchMany is a directory of 12,000, in which a search meets more than it
// counts, more than it sorts, and few.
func TestSearchMany(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	_, err := s.DB.Exec(t.Context(), `INSERT INTO institutions (id, name, jurisdiction, address, category, item, kind, mode, status, licence_number, issued_by, uscc,
			legal_form, capacity, list, list_basis, list_by, list_objection, words, changed_at)
		SELECT n, n, '320508', '', '', '', '', '', 'ACTIVE', '', '', '', '', 1, '', '', '', '', CASE WHEN i % 4 = 0 THEN '画' ELSE '' END || '校' || n, now()
		FROM (SELECT i, lpad(i::text, 5, '0') AS n FROM generate_series(1, 12000) i) s`)
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[FindInstitutions][3]any{
		{Q: "校", Page: 2}:              {10000, true, "00021"},
		{Q: "校", Page: 100, Size: 100}: {10000, true, "09901"},
		{Q: "画校", Page: 2}:             {3000, false, "00084"},
		{Q: "校00077"}:                  {1, false, "00077"},
		{Q: "校0007", Size: 3}:          {10, false, "00070"},
		{}:                             {10000, true, "00001"},
		{Status: "ACTIVE", Jurisdiction: "320000"}: {10000, true, "00001"},
	} {
		got, err := s.FindInstitutions(t.Context(), query)
		if err != nil || len(got.Items) == 0 || got.Total != want[0] || got.More != want[1] || got.Items[0].ID != want[2] {
			t.Errorf("%+v: %d, more %t, %+v, %v; want %v", query, got.Total, got.More, got.Items, err, want)
		}
	}
}

// TestCover is that the public page tells the band as escrow last published it, since
// when, and what it means; also when it came before the institution did.
func TestCover(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	tell := func(band, since string) {
		t.Helper()
		if err := s.apply("a", &escrowv1.CoverBandChanged{InstitutionId: "a", Jurisdiction: "320508", Band: band, Since: since}); err != nil {
			t.Fatal(err)
		}
	}
	tell("ENOUGH", "2026-03-02")
	s.open(school("a", "小画家"), school("b", "大画家"))
	b := s.browser(Public)
	b.get("/institutions/a").want(t, 200, "监管资金覆盖", "充足", "数据截至 2026 年 3 月 2 日", "只公布档次，不公布金额")
	b.get("/institutions/b").want(t, 200, "目前没有可以公布的覆盖情况")
	tell("SHORT", "2026-03-09")
	b.get("/institutions/a").want(t, 200, "不足", "数据截至 2026 年 3 月 9 日")
	b.get("/api/portal/v1/institutions?q=小画家").want(t, 200, `"cover":"SHORT"`, `"cover_since":"2026-03-09"`)
	s.open(school("a", "小画家")) // what licensing says takes nothing of it away
	b.get("/institutions/a").want(t, 200, "不足")
	tell("", "2026-03-16")
	b.get("/institutions/a").want(t, 200, "目前没有可以公布的覆盖情况")
	if err := s.apply("b", &escrowv1.CoverBandChanged{InstitutionId: "a", Band: "ENOUGH", Since: "2026-03-16"}); err == nil {
		t.Error("an event of one institution changed another")
	}
}

// TestVerdict: a parent reads in one sentence whether to enrol.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		i    Institution
		want string
		good bool
	}{
		{Institution{Status: "ACTIVE"}, "有办学许可，目前正常。", true},
		{Institution{Status: "ACTIVE", List: &Listing{List: "WHITE"}, Cover: "LOW"}, "有办学许可，目前正常。", true},
		{Institution{Status: "ACTIVE", List: &Listing{List: "BLACK"}, Cover: "SHORT"}, "已列入黑名单", false},
		{Institution{Status: "ACTIVE", Cover: "SHORT"}, "红色预警线", false},
		{Institution{Status: "SUSPENDED"}, "暂扣", false},
		{Institution{Status: "REVOKED", List: &Listing{List: "BLACK"}}, "没有有效的办学许可", false},
		{Institution{Status: "CANCELLED"}, "没有有效的办学许可", false},
	} {
		if v := tt.i.Verdict(); !strings.Contains(v.Text, tt.want) || v.Good != tt.good {
			t.Errorf("%+v: %+v, want %s", tt.i, v, tt.want)
		}
	}
}
