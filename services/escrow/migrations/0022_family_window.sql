-- +goose Up
-- +goose StatementBegin
-- What a payment reads of a family is what the rule needs, and not all that the family
-- ever bought.
CREATE INDEX contracts_family ON contracts (parent, manager, paid_at);
CREATE INDEX contracts_taken_before ON contracts (parent, basket);

-- family_orders is the paid orders of a parent outside a basket, with all institutions
-- of one manager, that were paid from one moment to another, both included, of any of
-- the windows, which do not overlap. Who acts need not see them: they are looked at, and
-- shown to nobody.
DROP FUNCTION family_orders(text, text, text, text);
CREATE FUNCTION family_orders(of_parent text, of_manager text, not_institution text, not_basket text, starts timestamptz[], ends timestamptz[]) RETURNS TABLE (
    institution_id text, basket text, pupil text, course text, contract text, paid_at timestamptz, lessons bigint, gift_lessons bigint, first date, last date,
    begun boolean, held bigint, price bigint, bought int, billing text, loan boolean, online boolean, class_size int, lesson_minutes int
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE scope text := as_ledger('worker');
BEGIN
    RETURN QUERY
        SELECT c.institution_id, c.basket, c.pupil, c.course, c.id, c.paid_at,
            l.lessons, l.gift_lessons, l.first, l.last, l.begun, (c.paid - c.released - c.refunded - l.waiting)::bigint,
            c.price, c.lessons, t.billing, t.loan, t.online, t.class_size, t.lesson_minutes
        FROM unnest(starts, ends) AS w (start, "end"),
            LATERAL (SELECT * FROM contracts c WHERE c.parent = of_parent AND c.manager = of_manager AND c.paid_at BETWEEN w.start AND w."end"
                AND (c.institution_id, c.basket) <> (not_institution, not_basket) AND c.state = 'PAID' OFFSET 0) c
            JOIN contract_terms t ON t.institution_id = c.institution_id AND t.contract_id = c.id,
            LATERAL (SELECT count(*) FILTER (WHERE ahead AND NOT l.gift) AS lessons, count(*) FILTER (WHERE ahead AND l.gift) AS gift_lessons,
                    min(l.on_date) FILTER (WHERE ahead) AS first, max(l.on_date) FILTER (WHERE ahead) AS last,
                    bool_or(l.state IN ('TAUGHT', 'CONFIRMED', 'DISPUTED')) AS begun, coalesce(sum(l.fee) FILTER (WHERE l.waits), 0) AS waiting
                FROM lessons l, LATERAL (SELECT l.state IN ('SCHEDULED', 'REFUNDING') AS ahead) a
                WHERE l.institution_id = c.institution_id AND l.contract_id = c.id) l
        ORDER BY c.paid_at, c.id;
    scope := as_ledger(scope);
END
$$;
-- +goose StatementEnd
