-- +goose Up
-- +goose StatementBegin
-- A contract's row is written anew with each lesson, a lesson's a few times in its
-- life: beside the old one, where there is room, no index has to be told.
ALTER TABLE contracts SET (fillfactor = 60);
ALTER TABLE lessons SET (fillfactor = 70);

-- post as before, in one statement: to begin one costs more than to book a lesson.
CREATE OR REPLACE FUNCTION post(
    institutions text[], ids text[], kinds text[], refs text[], originals text[], times timestamptz[], -- of each transfer
    e_institutions text[], e_ids text[], e_accounts text[], e_contracts text[], e_amounts bigint[], e_times timestamptz[] -- of each entry
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    scope text := as_ledger('worker');
    named bigint;
    found bigint;
BEGIN
    WITH booked AS (
        INSERT INTO transfers (institution_id, id, kind, reference, reverses, at)
        SELECT institution, id::uuid, kind, reference, nullif(original, '')::uuid, t
        FROM unnest(institutions, ids, kinds, refs, originals, times) AS x (institution, id, kind, reference, original, t)
    ), entered AS (
        INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
        SELECT institution, id::uuid, account, contract, amount, t
        FROM unnest(e_institutions, e_ids, e_accounts, e_contracts, e_amounts, e_times) AS x (institution, id, account, contract, amount, t)
    ), moved AS MATERIALIZED (
        SELECT institution_id, account, contract_id, sum(amount)::bigint AS amount
        FROM unnest(e_institutions, e_accounts, e_contracts, e_amounts) AS y (institution_id, account, contract_id, amount) GROUP BY 1, 2, 3
    ), locked AS MATERIALIZED (
        SELECT b.institution_id, b.account, b.contract_id, m.amount FROM moved m
            JOIN balances b ON b.institution_id = m.institution_id AND b.account = m.account AND b.contract_id = m.contract_id
        ORDER BY b.institution_id, b.account, b.contract_id FOR UPDATE OF b
    ), changed AS (
        UPDATE balances b SET balance = b.balance + l.amount FROM locked l
        WHERE b.institution_id = l.institution_id AND b.account = l.account AND b.contract_id = l.contract_id RETURNING 1
    )
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM changed) INTO named, found;
    IF found <> named THEN
        RAISE EXCEPTION 'posted to % accounts, % of them open', named, found USING ERRCODE = 'foreign_key_violation';
    END IF;
    scope := as_ledger(scope);
END
$$;
-- +goose StatementEnd
