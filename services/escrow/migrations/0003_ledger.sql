-- +goose Up
-- +goose StatementBegin
-- The ledger: double entry, append-only, in 分; a debit is positive. What follows
-- reads every row of what was booked before.
SET LOCAL app.scope = 'worker';

-- A contract says how its money is supervised (GF-2021-2604): by a bank's custody,
-- or by the institution's risk deposit.
ALTER TABLE contracts ADD COLUMN mode text NOT NULL DEFAULT 'custody' CHECK (mode IN ('custody', 'deposit'));
UPDATE contracts c SET mode = a.mode FROM accounts a WHERE a.institution = c.institution_id AND a.mode <> c.mode;

-- Balances is the accounts and what is on each. held is a contract's: the payment
-- that is pending until its lessons are confirmed or given back. All others are the
-- institution's. No claim is ever overdrawn, nor the bank.
CREATE TABLE balances (
    institution_id text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL CHECK (account IN ('custody', 'deposit', 'receivable', 'held', 'released', 'frozen', 'refunds', 'differences')),
    contract_id    text COLLATE "C" NOT NULL DEFAULT '' CHECK ((account = 'held') = (contract_id <> '')),
    balance        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (institution_id, account, contract_id),
    CHECK (CASE WHEN account IN ('custody', 'deposit', 'receivable') THEN balance >= 0 WHEN account = 'differences' THEN true ELSE balance <= 0 END)
) WITH (fillfactor = 70); -- so that an update finds room beside the row

-- A transfer's reference is the business fact that it books: one fact is booked
-- once, for ever.
CREATE TABLE transfers (
    institution_id text COLLATE "C" NOT NULL,
    id             uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('hold', 'post', 'void', 'resume', 'payback', 'difference', 'reversal')),
    reference      text COLLATE "C" NOT NULL CHECK (reference <> ''),
    reverses       uuid,
    at             timestamptz NOT NULL,               -- legal time
    recorded       timestamptz NOT NULL DEFAULT now(), -- machine time
    PRIMARY KEY (institution_id, id),
    UNIQUE (institution_id, reference),
    CHECK ((kind = 'reversal') = (reverses IS NOT NULL))
);
CREATE UNIQUE INDEX transfers_reversed ON transfers (institution_id, reverses) WHERE reverses IS NOT NULL;

CREATE TABLE entries (
    institution_id text COLLATE "C" NOT NULL,
    transfer_id    uuid NOT NULL,
    account        text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL DEFAULT '',
    amount         bigint NOT NULL CHECK (amount <> 0),
    at             timestamptz NOT NULL, -- the transfer's
    PRIMARY KEY (institution_id, transfer_id, account, contract_id)
);
CREATE INDEX entries_statement ON entries (institution_id, account, contract_id, at, transfer_id) INCLUDE (amount);

-- What was booked before.
INSERT INTO balances (institution_id, account, contract_id)
SELECT DISTINCT p.institution_id, account, '' FROM payments p, unnest(ARRAY['custody', 'deposit', 'receivable', 'released', 'frozen', 'refunds', 'differences']) account
UNION ALL SELECT institution_id, 'held', contract_id FROM payments;

WITH old AS MATERIALIZED (
    SELECT p.institution_id, p.contract_id, p.id::uuid, 'hold' AS kind, 'payment/' || p.reference AS reference, p.at,
        CASE c.mode WHEN 'custody' THEN 'custody' ELSE 'receivable' END AS debit, 'held' AS credit, p.amount
    FROM payments p JOIN contracts c ON c.institution_id = p.institution_id AND c.id = p.contract_id
    UNION ALL
    SELECT institution_id, contract_id, gen_random_uuid(), 'post', 'lesson/' || contract_id || '/' || n, at, 'held', 'released', amount FROM releases
    UNION ALL
    SELECT institution_id, contract_id, gen_random_uuid(), 'post', 'lesson/' || contract_id || '/' || n, confirmed_on::timestamp AT TIME ZONE 'Asia/Shanghai', 'held', 'frozen', fee
    FROM lessons WHERE waits
    UNION ALL
    SELECT institution_id, contract_id, gen_random_uuid(), 'void', 'refund/' || id, paid_on::timestamp AT TIME ZONE 'Asia/Shanghai', 'held', 'refunds', amount
    FROM refunds WHERE state = 'PAID'
    UNION ALL
    SELECT r.institution_id, r.contract_id, gen_random_uuid(), 'payback', 'payback/' || r.id, r.paid_on::timestamp AT TIME ZONE 'Asia/Shanghai', 'refunds',
        CASE c.mode WHEN 'custody' THEN 'custody' ELSE 'receivable' END, r.amount
    FROM refunds r JOIN contracts c ON c.institution_id = r.institution_id AND c.id = r.contract_id WHERE r.state = 'PAID'
), booked AS (
    INSERT INTO transfers (institution_id, id, kind, reference, at) SELECT institution_id, id, kind, reference, at FROM old
)
INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
SELECT institution_id, id, debit, CASE debit WHEN 'held' THEN contract_id ELSE '' END, amount, at FROM old
UNION ALL
SELECT institution_id, id, credit, CASE credit WHEN 'held' THEN contract_id ELSE '' END, -amount, at FROM old;

UPDATE balances b SET balance = e.amount
FROM (SELECT institution_id, account, contract_id, sum(amount)::bigint AS amount FROM entries GROUP BY 1, 2, 3) e
WHERE (b.institution_id, b.account, b.contract_id) = (e.institution_id, e.account, e.contract_id);

-- The ledger says it now. A payment's reference, which a payer chose, stays unique
-- over all institutions.
DROP TABLE payments, releases;

-- as_ledger lets what follows see and write all of the ledger, whoever calls, and
-- returns the scope to go back to.
CREATE FUNCTION as_ledger(scope text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE was text := coalesce(current_setting('app.scope', true), '');
BEGIN
    scope := set_config('app.scope', scope, true);
    RETURN was;
END
$$;

-- Balanced holds at every commit: each transfer's entries add up to nothing. It
-- sees all of them, whoever writes.
CREATE FUNCTION balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    IF (SELECT sum(amount) FROM entries WHERE institution_id = NEW.institution_id AND transfer_id = NEW.transfer_id) <> 0
        OR NOT EXISTS (SELECT FROM transfers WHERE institution_id = NEW.institution_id AND id = NEW.transfer_id) THEN
        RAISE EXCEPTION 'transfer % does not balance', NEW.transfer_id USING ERRCODE = 'check_violation';
    END IF;
    scope := as_ledger(scope);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balanced();

-- Reversed holds at every commit, too: a reversal takes back each entry of the
-- transfer that it names, and nothing else; and no reversal is itself reversed.
CREATE FUNCTION reversed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    IF NOT EXISTS (SELECT FROM transfers WHERE institution_id = NEW.institution_id AND id = NEW.reverses AND kind <> 'reversal')
        OR EXISTS (SELECT FROM entries WHERE institution_id = NEW.institution_id AND transfer_id IN (NEW.id, NEW.reverses)
            GROUP BY account, contract_id HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'transfer % is not reversed by %', NEW.reverses, NEW.id USING ERRCODE = 'check_violation';
    END IF;
    scope := as_ledger(scope);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER reversed AFTER INSERT ON transfers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.reverses IS NOT NULL) EXECUTE FUNCTION reversed();

-- Nobody rewrites the ledger. The service's role owns these tables, as it migrates
-- them; it takes the right from itself, so that only new DDL could give it back.
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE DELETE OR TRUNCATE ON balances FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
REVOKE UPDATE, DELETE, TRUNCATE ON transfers, entries FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON balances FROM CURRENT_USER;

-- open_accounts makes the accounts of an institution and, if there is one, of a
-- contract. What is posted needs its account opened before.
CREATE FUNCTION open_accounts(institution text, contract text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    INSERT INTO balances (institution_id, account, contract_id)
    SELECT institution, account, CASE account WHEN 'held' THEN contract ELSE '' END
    FROM unnest(ARRAY['custody', 'deposit', 'differences', 'frozen', 'held', 'receivable', 'refunds', 'released']) account
    WHERE account <> 'held' OR contract <> ''
    ON CONFLICT DO NOTHING;
    scope := as_ledger(scope);
END
$$;

-- post books transfers, each with its entries, and is how everything is booked. Who
-- may have it booked was asked before: a parent's confirmation moves money of the
-- institution's, whose accounts no parent sees. Balances are locked in the order of
-- their keys, so that no two bookings wait for each other.
CREATE FUNCTION post(
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
    PERFORM FROM balances b
        JOIN (SELECT DISTINCT * FROM unnest(e_institutions, e_accounts, e_contracts)) AS x (institution_id, account, contract_id) USING (institution_id, account, contract_id)
        ORDER BY b.institution_id, b.account, b.contract_id FOR UPDATE OF b;
    GET DIAGNOSTICS found = ROW_COUNT;
    SELECT count(*) INTO named FROM (SELECT DISTINCT * FROM unnest(e_institutions, e_accounts, e_contracts)) x;
    IF found <> named THEN
        RAISE EXCEPTION 'posted to % accounts, % of them open', named, found USING ERRCODE = 'foreign_key_violation';
    END IF;
    UPDATE balances b SET balance = b.balance + x.amount
    FROM (SELECT institution_id, account, contract_id, sum(amount)::bigint AS amount
        FROM unnest(e_institutions, e_accounts, e_contracts, e_amounts) AS y (institution_id, account, contract_id, amount) GROUP BY 1, 2, 3) x
    WHERE b.institution_id = x.institution_id AND b.account = x.account AND b.contract_id = x.contract_id;
    scope := as_ledger(scope);
END
$$;

-- An institution's accounts are seen by its manager and its officials, a contract's
-- also by its parent; a transfer by who sees one of its entries.
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['balances', 'entries', 'transfers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['balances', 'entries'] LOOP
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker''
            OR (contract_id <> '''' AND EXISTS (SELECT FROM contracts c WHERE c.institution_id = %I.institution_id AND c.id = %I.contract_id))
            OR EXISTS (SELECT FROM institutions i WHERE i.id = %I.institution_id AND in_scope(i.jurisdiction, ARRAY[''education''], ARRAY[i.manager])))', t, t, t, t);
    END LOOP;
END
$$;
CREATE POLICY scope ON transfers USING (current_setting('app.scope', true) = 'worker'
    OR EXISTS (SELECT FROM entries e WHERE e.institution_id = transfers.institution_id AND e.transfer_id = transfers.id));
-- +goose StatementEnd
