-- +goose Up
-- +goose StatementBegin
-- What the fee rules also see of an order since lessons have forms, prices and loans:
-- all of it was agreed when the contract was made, so what was seen before can tell it.
ALTER TABLE seen DISABLE TRIGGER unchangeable;
SET LOCAL app.scope = 'worker';
CREATE POLICY once_more ON seen FOR ALL USING (current_setting('app.scope', true) = 'worker');
UPDATE seen s SET orders = (
    SELECT json_agg((o.value::jsonb || jsonb_build_object('price', c.price, 'bought', c.lessons, 'billing', t.billing, 'loan', t.loan, 'online', t.online,
        'class_size', t.class_size, 'lesson_minutes', t.lesson_minutes))::json ORDER BY o.n)
    FROM json_array_elements(s.orders) WITH ORDINALITY o (value, n)
        JOIN contracts c ON c.institution_id = s.institution_id AND c.id = o.value ->> 'contract'
        JOIN contract_terms t ON t.institution_id = c.institution_id AND t.contract_id = c.id);
DROP POLICY once_more ON seen;
ALTER TABLE seen ENABLE TRIGGER unchangeable;
-- +goose StatementEnd
