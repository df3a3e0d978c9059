-- +goose Up
-- +goose StatementBegin
-- What banks report of supervised accounts, what they are told to pay, and how the
-- two and the suite's own books compare.
SET LOCAL app.scope = 'worker';

-- Banks is those that hold supervised accounts (监管代理银行) and report them. Who
-- speaks for one is an account of its own.
CREATE TABLE banks (
    name          text COLLATE "C" PRIMARY KEY,
    subject       text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction  text NOT NULL, -- of who registered it: whose rules its files come by
    since         date NOT NULL, -- the first day that it reports
    registered_by text NOT NULL
);

-- An institution has an account in custody, or one for its risk deposit, or both. A
-- bank knows each by the number of the supervision agreement.
CREATE TABLE bank_accounts (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    account        text COLLATE "C" NOT NULL CHECK (account IN ('custody', 'deposit')),
    bank           text COLLATE "C" NOT NULL,
    agreement_no   text COLLATE "C" NOT NULL,
    account_tail   text NOT NULL CHECK (account_tail ~ '^[0-9]{4}$'),
    opened_on      date NOT NULL,
    reported_on    date NOT NULL,
    settle_on      date NOT NULL, -- custody: the day on which payouts are ordered next
    settled_to     timestamptz NOT NULL DEFAULT '-infinity', -- all that was released before is ordered
    PRIMARY KEY (institution_id, account)
);
CREATE INDEX bank_accounts_agreement ON bank_accounts (bank, agreement_no, account);
CREATE INDEX bank_accounts_settle ON bank_accounts (settle_on, institution_id) WHERE account = 'custody';
INSERT INTO bank_accounts (institution_id, account, bank, agreement_no, account_tail, opened_on, reported_on, settle_on)
SELECT institution, mode, bank, agreement_no, account_tail, opened_on, reported_on, reported_on + 1 FROM accounts;

-- One row for each day of each bank. LATE: its last day passed without a whole file.
CREATE TABLE bank_days (
    bank        text COLLATE "C" NOT NULL REFERENCES banks,
    day         date NOT NULL,
    due         date NOT NULL,
    provisional boolean NOT NULL,
    state       text NOT NULL CHECK (state IN ('EXPECTED', 'LATE', 'RECEIVED', 'RECONCILED')),
    after_id    text COLLATE "C" NOT NULL DEFAULT '', -- the institution up to which it is reconciled
    PRIMARY KEY (bank, day)
);
CREATE INDEX bank_days_open ON bank_days (bank, day) WHERE state <> 'RECONCILED';

CREATE TABLE bank_files (
    bank        text COLLATE "C" NOT NULL,
    day         date NOT NULL,
    part        int  NOT NULL CHECK (part BETWEEN 1 AND parts),
    parts       int  NOT NULL,
    id          text COLLATE "C" NOT NULL UNIQUE,
    layout      text NOT NULL,
    charset     text NOT NULL,
    records     int  NOT NULL,
    sum_in      bigint NOT NULL,
    sum_out     bigint NOT NULL,
    digest      text NOT NULL,
    received_at timestamptz NOT NULL, -- legal time
    PRIMARY KEY (bank, day, part),
    FOREIGN KEY (bank, day) REFERENCES bank_days
);

-- Staged is files as they come in: a file counts once it is in bank_files, whole and
-- right; what was staged of any other is swept away.
CREATE TABLE staged (
    file           text COLLATE "C" NOT NULL,
    line           int  NOT NULL,
    institution_id text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    txn            text COLLATE "C" NOT NULL, -- '' is a balance
    amount         bigint NOT NULL,           -- into the account; a balance as it is
    at             timestamptz,
    purpose        text NOT NULL,
    reference      text COLLATE "C" NOT NULL,
    staged         timestamptz NOT NULL DEFAULT now(), -- machine time
    PRIMARY KEY (file, line)
);
CREATE INDEX staged_txn ON staged (institution_id, txn);

-- Movements is what moved, as banks say.
CREATE TABLE movements (
    institution_id text COLLATE "C" NOT NULL,
    bank           text COLLATE "C" NOT NULL,
    txn            text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    day            date   NOT NULL, -- of the file
    amount         bigint NOT NULL CHECK (amount <> 0), -- into the account
    at             timestamptz NOT NULL,
    purpose        text   NOT NULL,
    reference      text COLLATE "C" NOT NULL,
    file           text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id, bank, txn)
);
CREATE INDEX movements_reference ON movements (institution_id, reference);
CREATE INDEX movements_day ON movements (institution_id, day);

CREATE TABLE bank_balances (
    institution_id text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    day            date   NOT NULL,
    balance        bigint NOT NULL CHECK (balance >= 0), -- at the end of the day
    file           text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id, account, day)
);

-- Instructions is what banks are told to pay out of custody: releases to the
-- institution, refunds to parents. settlement is the file that told; '' is none yet.
CREATE TABLE instructions (
    institution_id text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    bank           text COLLATE "C" NOT NULL,
    agreement_no   text COLLATE "C" NOT NULL,
    purpose        text   NOT NULL CHECK (purpose IN ('release', 'refund')),
    amount         bigint NOT NULL CHECK (amount > 0),
    reference      text COLLATE "C" NOT NULL, -- the lesson, the week or the refund
    original       text COLLATE "C" NOT NULL, -- of a refund: the payment that it goes back on
    made_on        date   NOT NULL,
    settlement     text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (institution_id, id)
);
CREATE INDEX instructions_untold ON instructions (bank, institution_id, id) WHERE settlement = '';
CREATE INDEX instructions_settlement ON instructions (settlement, institution_id, id) WHERE settlement <> '';
CREATE INDEX instructions_made ON instructions (institution_id, made_on);

-- Each transfer of the ledger is ordered once.
CREATE TABLE instructed (
    institution_id text COLLATE "C" NOT NULL,
    transfer_id    uuid NOT NULL,
    instruction_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id, transfer_id)
);

CREATE TABLE settlements (
    id      text COLLATE "C" PRIMARY KEY,
    bank    text COLLATE "C" NOT NULL REFERENCES banks,
    day     date NOT NULL,
    layout  text NOT NULL,
    charset text NOT NULL,
    records int  NOT NULL,
    sum_out bigint NOT NULL,
    digest  text NOT NULL
);

-- Discrepancies is every difference that was found (对账差异). What was found stays as
-- it was; only what became of it is written.
CREATE TABLE discrepancies (
    institution_id text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction   text NOT NULL,
    manager        text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('missing_in', 'missing_out', 'unknown_in', 'unknown_out', 'amount', 'duplicate', 'balance', 'lessons', 'orders')),
    account        text COLLATE "C" NOT NULL,
    reference      text COLLATE "C" NOT NULL,
    txn            text COLLATE "C" NOT NULL, -- '' where there is no movement
    day            date   NOT NULL,
    expected       bigint NOT NULL, -- into the account; '0' where nothing was expected
    actual         bigint NOT NULL CHECK (actual <> expected),
    owner          text   NOT NULL CHECK (owner IN ('bank', 'institution', 'bureau')),
    raised_on      date   NOT NULL,
    due            date   NOT NULL,
    provisional    boolean NOT NULL,
    ground         jsonb  NOT NULL, -- the rule that due counts by
    state          text   NOT NULL CHECK (state IN ('OPEN', 'EXPLAINED', 'CLOSED')),
    explained_by   text   NOT NULL DEFAULT '',
    explanation    text   NOT NULL DEFAULT '',
    closed_by      text   NOT NULL DEFAULT '', -- '' is the system
    closed_on      date,
    closed_how     text   NOT NULL DEFAULT '' CHECK (closed_how IN ('', 'movement', 'booking', 'reversal', 'explanation')),
    closed_with    text COLLATE "C" NOT NULL DEFAULT '', -- the movement, or the transfer
    PRIMARY KEY (institution_id, id),
    CHECK ((state = 'CLOSED') = (closed_on IS NOT NULL AND closed_how <> '')),
    CHECK (state <> 'EXPLAINED' OR (explained_by <> '' AND explanation <> '')),
    CHECK (closed_how <> 'explanation' OR (explanation <> '' AND closed_by NOT IN ('', explained_by)))
);
-- A difference is found once.
CREATE UNIQUE INDEX discrepancies_found ON discrepancies (institution_id, kind, account, reference, txn, day);
CREATE INDEX discrepancies_open ON discrepancies (institution_id, reference) WHERE state <> 'CLOSED';
CREATE INDEX discrepancies_due ON discrepancies (jurisdiction text_pattern_ops, due, id);
CREATE INDEX discrepancies_manager ON discrepancies (manager, id);

CREATE FUNCTION found_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.institution_id, OLD.id, OLD.kind, OLD.account, OLD.reference, OLD.txn, OLD.day, OLD.expected, OLD.actual, OLD.raised_on)
        IS DISTINCT FROM (NEW.institution_id, NEW.id, NEW.kind, NEW.account, NEW.reference, NEW.txn, NEW.day, NEW.expected, NEW.actual, NEW.raised_on)
        OR OLD.state = 'CLOSED' AND (NEW.state, NEW.explained_by, NEW.explanation, NEW.closed_by, NEW.closed_on, NEW.closed_how, NEW.closed_with)
            IS DISTINCT FROM (OLD.state, OLD.explained_by, OLD.explanation, OLD.closed_by, OLD.closed_on, OLD.closed_how, OLD.closed_with) THEN
        RAISE EXCEPTION 'what was found of % stays', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER found_stays BEFORE UPDATE ON discrepancies FOR EACH ROW EXECUTE FUNCTION found_stays();

-- Reconciliations is the three sides of an institution's day, in 分.
CREATE TABLE reconciliations (
    institution_id text COLLATE "C" NOT NULL,
    day        date   NOT NULL,
    bank       text COLLATE "C" NOT NULL,
    orders     bigint NOT NULL, -- paid into custody, says the suite
    lessons    bigint NOT NULL, -- released for lessons that day
    refunds    bigint NOT NULL, -- given back that day
    ordered    bigint NOT NULL, -- told the bank to pay that day
    bank_in    bigint NOT NULL,
    bank_out   bigint NOT NULL,
    opening    bigint, -- the bank's, of the day before; null if it was not told
    closing    bigint,
    deposit    bigint, -- on the deposit account
    ledger     bigint NOT NULL, -- on custody in the suite's books
    unconsumed bigint NOT NULL, -- of all contracts
    cycle      bigint NOT NULL, -- one charging cycle of contracts under the deposit
    open       int    NOT NULL, -- discrepancies
    PRIMARY KEY (institution_id, day)
);

-- What banks and people said is never written anew.
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON movements FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_balances FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_files FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliations FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE DELETE OR TRUNCATE ON discrepancies FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- payout books what the bank paid to the institution; pledge what it has as a
-- deposit, of which pledged is the other side.
-- What another migration has added stays.
DO $$
DECLARE
    kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'transfers'::regclass AND conname = 'transfers_kind_check');
    accounts text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'balances'::regclass AND conname = 'balances_account_check');
BEGIN
    ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
    EXECUTE 'ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check ' || replace(kinds, $q$'reversal'::text$q$, $q$'reversal'::text, 'payout'::text, 'pledge'::text$q$);
    ALTER TABLE balances DROP CONSTRAINT balances_account_check;
    EXECUTE 'ALTER TABLE balances ADD CONSTRAINT balances_account_check ' || replace(accounts, $q$'differences'::text$q$, $q$'differences'::text, 'pledged'::text$q$);
END
$$;
INSERT INTO balances (institution_id, account, contract_id) SELECT DISTINCT institution_id, 'pledged', '' FROM balances;
CREATE OR REPLACE FUNCTION open_accounts(institution text, contract text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    INSERT INTO balances (institution_id, account, contract_id)
    SELECT institution, account, CASE account WHEN 'held' THEN contract ELSE '' END
    FROM unnest(ARRAY['custody', 'deposit', 'differences', 'frozen', 'held', 'pledged', 'receivable', 'refunds', 'released']) account
    WHERE account <> 'held' OR contract <> ''
    ON CONFLICT DO NOTHING;
    scope := as_ledger(scope);
END
$$;

-- The second wall: an institution's rows are for its manager and its officials.
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bank_accounts', 'movements', 'bank_balances', 'instructions', 'reconciliations', 'staged'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker''
            OR EXISTS (SELECT FROM institutions i WHERE i.id = %I.institution_id AND in_scope(i.jurisdiction, ARRAY[''education''], ARRAY[i.manager])))', t, t);
    END LOOP;
END
$$;
ALTER TABLE discrepancies ENABLE ROW LEVEL SECURITY;
ALTER TABLE discrepancies FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON discrepancies USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager]));
-- +goose StatementEnd
