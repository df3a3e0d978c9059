-- +goose Up
-- +goose StatementBegin
-- Splits (拆分收费): what a family's orders add up to beyond the basket.

-- Family is the kin that was seen beside the orders, where there was any: it names
-- nobody, either.
ALTER TABLE seen ADD COLUMN family json;

-- Examined is a suspicion that an official looked into, and cleared by a reason.
ALTER TABLE flags ADD COLUMN examined boolean NOT NULL DEFAULT false;

-- Split_reviews is the contracts that are looked at once more, on the day after: two
-- that were paid at the same moment did not see each other, and what another basket
-- gives back clears no flag of this one at once.
CREATE TABLE split_reviews (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    after_day      date NOT NULL,
    PRIMARY KEY (institution_id, contract_id)
);
CREATE INDEX split_reviews_due ON split_reviews (after_day, contract_id);

-- family_orders is the paid orders of a parent outside a basket, with all institutions
-- of one manager. Who acts need not see them: they are looked at, and shown to nobody.
CREATE FUNCTION family_orders(of_parent text, of_manager text, not_institution text, not_basket text) RETURNS TABLE (
    institution_id text, basket text, pupil text, course text, contract text, paid_at timestamptz, lessons bigint, gift_lessons bigint, first date, last date,
    begun boolean, held bigint, price bigint, bought int, billing text, loan boolean, online boolean, class_size int, lesson_minutes int
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE scope text := as_ledger('worker');
BEGIN
    RETURN QUERY
        SELECT c.institution_id, c.basket, c.pupil, c.course, c.id, c.paid_at,
            count(*) FILTER (WHERE ahead AND NOT l.gift), count(*) FILTER (WHERE ahead AND l.gift),
            min(l.on_date) FILTER (WHERE ahead), max(l.on_date) FILTER (WHERE ahead), bool_or(l.state IN ('TAUGHT', 'CONFIRMED', 'DISPUTED')),
            (c.paid - c.released - c.refunded - coalesce(sum(l.fee) FILTER (WHERE l.waits), 0))::bigint,
            c.price, c.lessons, t.billing, t.loan, t.online, t.class_size, t.lesson_minutes
        FROM contracts c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id
            JOIN contract_terms t ON t.institution_id = c.institution_id AND t.contract_id = c.id,
            LATERAL (SELECT l.state IN ('SCHEDULED', 'REFUNDING') AS ahead) a
        WHERE c.parent = of_parent AND c.manager = of_manager AND (c.institution_id, c.basket) <> (not_institution, not_basket) AND c.state = 'PAID'
        GROUP BY c.institution_id, c.id, t.institution_id, t.contract_id
        ORDER BY c.paid_at, c.id;
    scope := as_ledger(scope);
END
$$;
-- +goose StatementEnd
