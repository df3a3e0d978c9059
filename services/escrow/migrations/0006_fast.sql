-- +goose Up
-- +goose StatementBegin
-- What every confirmation goes through costs as little as it can, and is as strict
-- as before.

-- The second wall, where it is asked of every row that is written: a worker needs
-- no look at anything, and for all others the look is a function, which is prepared
-- once and not with every statement.
CREATE FUNCTION sees_contract(institution text, contract text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM contracts c WHERE c.institution_id = institution AND c.id = contract);
END
$$;
CREATE FUNCTION sees_balance(institution text, contract text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (contract <> '' AND sees_contract(institution, contract))
        OR EXISTS (SELECT FROM institutions i WHERE i.id = institution AND in_scope(i.jurisdiction, ARRAY['education'], ARRAY[i.manager]));
END
$$;
CREATE FUNCTION sees_transfer(institution text, transfer uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM entries e WHERE e.institution_id = institution AND e.transfer_id = transfer);
END
$$;
ALTER POLICY scope ON lessons USING (current_setting('app.scope', true) = 'worker' OR sees_contract(institution_id, contract_id));
ALTER POLICY scope ON timeline USING (current_setting('app.scope', true) = 'worker' OR sees_contract(institution_id, contract_id));
ALTER POLICY scope ON balances USING (current_setting('app.scope', true) = 'worker' OR sees_balance(institution_id, contract_id));
ALTER POLICY scope ON entries USING (current_setting('app.scope', true) = 'worker' OR sees_balance(institution_id, contract_id));
ALTER POLICY scope ON transfers USING (current_setting('app.scope', true) = 'worker' OR sees_transfer(institution_id, id));

-- A transfer's entries come in its own transaction, so that at commit it is the
-- transfer that is looked at, once, and not each of its entries.
ALTER TABLE transfers ADD COLUMN xact xid8;
ALTER TABLE transfers ALTER COLUMN xact SET DEFAULT pg_current_xact_id(); -- of what is booked from now on
DROP TRIGGER balanced ON entries;
CREATE OR REPLACE FUNCTION balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE scope text := current_setting('app.scope', true);
BEGIN
    IF scope IS DISTINCT FROM 'worker' THEN
        scope := as_ledger('worker');
    END IF;
    IF (SELECT sum(amount) FROM entries WHERE institution_id = NEW.institution_id AND transfer_id = NEW.id) IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'transfer % does not balance', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF scope <> 'worker' THEN
        scope := as_ledger(scope);
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON transfers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balanced();
CREATE FUNCTION of_its_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    IF EXISTS (SELECT FROM added a LEFT JOIN transfers t ON t.institution_id = a.institution_id AND t.id = a.transfer_id AND t.xact = pg_current_xact_id()
        WHERE t.id IS NULL) THEN
        RAISE EXCEPTION 'an entry is of no transfer of its own transaction' USING ERRCODE = 'check_violation';
    END IF;
    scope := as_ledger(scope);
    RETURN NULL;
END
$$;
CREATE TRIGGER of_its_transfer AFTER INSERT ON entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION of_its_transfer();

-- post as before. One statement locks the balances in the order of their keys and
-- changes them: whom somebody else has locked it waits for, and adds to what that
-- one left.
CREATE OR REPLACE FUNCTION post(
    institutions text[], ids text[], kinds text[], refs text[], originals text[], times timestamptz[], -- of each transfer
    e_institutions text[], e_ids text[], e_accounts text[], e_contracts text[], e_amounts bigint[], e_times timestamptz[] -- of each entry
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    scope text := as_ledger('worker');
    named bigint;
    found bigint;
BEGIN
    INSERT INTO transfers (institution_id, id, kind, reference, reverses, at)
    SELECT institution, id::uuid, kind, reference, nullif(original, '')::uuid, t
    FROM unnest(institutions, ids, kinds, refs, originals, times) AS x (institution, id, kind, reference, original, t);
    INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
    SELECT institution, id::uuid, account, contract, amount, t
    FROM unnest(e_institutions, e_ids, e_accounts, e_contracts, e_amounts, e_times) AS x (institution, id, account, contract, amount, t);
    WITH moved AS MATERIALIZED (
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
