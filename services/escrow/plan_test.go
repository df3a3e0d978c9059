package escrow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestHotPathReadsByIndex is that what a confirmation reads and writes is found
// by index, behind the second wall, however many contracts there are.
func TestHotPathReadsByIndex(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms()).ID
	h.work(func(tx pgx.Tx) error {
		for _, sql := range []string{
			`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons, first_lesson, last_lesson, price, open, offered_on)
			 SELECT 'i' || n % 100, 'c' || n, '320508', 'm' || n % 100, 'p' || n % 3000, '', '', 'b' || n, 'SIGNED', 1, 0, '2026-03-02', '2026-03-02', 1, 1, '2026-03-02' FROM generate_series(1, 20000) n`,
			`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state)
			 SELECT institution_id, id, n, false, '2026-03-02', 1, 'SCHEDULED' FROM contracts, generate_series(1, 3) n WHERE id LIKE 'c%'`,
			`ANALYZE contracts`, `ANALYZE lessons`,
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	for name, sql := range map[string]string{
		"lock":   strings.ReplaceAll(lockSQL, "$1", "ARRAY['"+id+"']"),
		"free":   strings.ReplaceAll(lockFreeSQL, "$1", "ARRAY['"+id+"']"),
		"lesson": fmt.Sprintf(`SELECT %s FROM lessons l WHERE institution_id = (SELECT institution_id FROM contracts WHERE id = '%s') AND contract_id = '%s' AND n = 1`, lessonColumns, id, id),
		"update": fmt.Sprintf(`UPDATE lessons SET state = 'TAUGHT' WHERE institution_id = 'art' AND contract_id = '%s' AND n = 1`, id),
		"orders": `SELECT count(*) FROM contracts c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id WHERE c.institution_id = 'art' AND c.basket = 'x'`,
		"timer":  `SELECT contract_id, n FROM lessons WHERE state = 'TAUGHT' AND confirm_by < '2026-03-02' ORDER BY confirm_by, contract_id, n LIMIT 1`,
	} {
		_, err := inTx(h.as("parent"), h, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), "EXPLAIN "+sql)
			if err != nil {
				return err
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan") || !strings.Contains(text, "Index") {
				t.Errorf("%s:\n%s", name, text)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
