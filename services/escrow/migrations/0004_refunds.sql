-- +goose Up
-- +goose StatementBegin
-- What GF-2021-2604 has the parties fill in and only the rules read: it stays out of
-- the rows that every confirmation locks. What was signed is never changed; prior is
-- what the records know at that moment, teacher what the parties agreed since.
SET LOCAL app.scope = 'worker';

CREATE TABLE contract_terms (
    institution_id   text COLLATE "C" NOT NULL,
    contract_id      text COLLATE "C" NOT NULL,
    billing          text   NOT NULL DEFAULT 'lesson' CHECK (billing IN ('lesson', 'period')),
    form             text   NOT NULL DEFAULT 'lessons' CHECK (form IN ('lessons', 'top_up', 'card')),
    list_price       bigint NOT NULL DEFAULT 0 CHECK (list_price >= 0), -- before discount; 0 is none
    gift             bigint NOT NULL DEFAULT 0 CHECK (gift >= 0),       -- amount given on top
    free_days_before int    CHECK (free_days_before >= 0),
    free_days_after  int    CHECK (free_days_after >= 0),
    penalty_percent  int    NOT NULL DEFAULT 0 CHECK (penalty_percent BETWEEN 0 AND 100),
    repay_days       int    CHECK (repay_days > 0),
    prior            text   NOT NULL DEFAULT 'none' CHECK (prior IN ('none', 'this', 'other')),
    cycle            text   NOT NULL DEFAULT 'lesson' CHECK (cycle IN ('lesson', 'week', 'month')),
    teacher          text   NOT NULL DEFAULT '',
    instalments      jsonb  NOT NULL DEFAULT '[]',
    loan             boolean NOT NULL DEFAULT false,
    online           boolean NOT NULL DEFAULT false,
    class_size       int    NOT NULL DEFAULT 0 CHECK (class_size >= 0),
    lesson_minutes   int    NOT NULL DEFAULT 0 CHECK (lesson_minutes >= 0),
    interest_ppm     bigint NOT NULL DEFAULT 0, -- of the supervised account, when the contract was made
    PRIMARY KEY (institution_id, contract_id),
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts
);
INSERT INTO contract_terms (institution_id, contract_id) SELECT institution_id, id FROM contracts;

-- Instalments: a contract may be paid in part.
ALTER TABLE contracts DROP CONSTRAINT contracts_check2, ADD CONSTRAINT contracts_paid_check CHECK (paid BETWEEN 0 AND price);

-- The year's interest on the supervised account, in millionths, as the bank agreed it.
ALTER TABLE accounts ADD COLUMN interest_ppm bigint NOT NULL DEFAULT 0 CHECK (interest_ppm BETWEEN 0 AND 1000000);

-- amount is what the parent gets: from what is held (amount - owed), and from the
-- institution (owed). deducted is what of the lessons' fees is the institution's.
ALTER TABLE refunds
    DROP CONSTRAINT refunds_state_check,
    DROP CONSTRAINT refunds_lessons_check,
    DROP CONSTRAINT refunds_amount_check,
    ADD CONSTRAINT refunds_state_check CHECK (state IN ('REQUESTED', 'REJECTED', 'MEDIATION', 'UNSETTLED', 'WITHDRAWN', 'AGREED', 'PAID')),
    ADD CONSTRAINT refunds_lessons_check CHECK (lessons >= 0 AND lessons + gift_lessons > 0),
    ADD CONSTRAINT refunds_amount_check CHECK (amount >= 0),
    ADD COLUMN whole       boolean NOT NULL DEFAULT false,
    ADD COLUMN fault       text    NOT NULL DEFAULT 'consumer' CHECK (fault IN ('consumer', 'operator')),
    ADD COLUMN ground      text    NOT NULL DEFAULT '',
    ADD COLUMN stopped_on  date,
    ADD COLUMN basis       text    NOT NULL DEFAULT 'consumer' CHECK (basis IN ('contract_free', 'cooling_off', 'operator', 'consumer')),
    ADD COLUMN owed        bigint  NOT NULL DEFAULT 0 CHECK (owed BETWEEN 0 AND amount),
    ADD COLUMN deducted    bigint  NOT NULL DEFAULT 0 CHECK (deducted >= 0),
    ADD COLUMN penalty     bigint  NOT NULL DEFAULT 0 CHECK (penalty >= 0),
    ADD COLUMN waits       boolean NOT NULL DEFAULT false CHECK (NOT waits OR deducted > 0),
    ADD COLUMN clauses     jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN answer      text    NOT NULL DEFAULT '', -- why it was rejected, or not settled; for the two parties
    ADD COLUMN mediate_by  date,
    ADD COLUMN agreed_on   date;
UPDATE refunds SET agreed_on = paid_on WHERE state = 'PAID';
ALTER TABLE refunds ADD CHECK ((state IN ('AGREED', 'PAID')) = (agreed_on IS NOT NULL));
CREATE INDEX refunds_waiting ON refunds (institution_id) WHERE waits;

-- A payback is one leg of a refund: by the route of one payment, or from the
-- institution's own money. It may come back (退票), and is tried again.
CREATE TABLE paybacks (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    refund_id      text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL UNIQUE,
    route          text   NOT NULL, -- the payment's reference; '' is the institution's own money
    amount         bigint NOT NULL CHECK (amount > 0),
    interest       bigint NOT NULL DEFAULT 0 CHECK (interest >= 0),
    state          text   NOT NULL CHECK (state IN ('WAITING', 'PAID', 'RETURNED')),
    attempts       int    NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    transfer_id    uuid,            -- of the last attempt
    paid_on        date,
    retry_on       date,            -- when the next attempt is due; none is by a person's word
    reason         text   NOT NULL DEFAULT '',
    PRIMARY KEY (institution_id, contract_id, refund_id, id),
    FOREIGN KEY (institution_id, contract_id, refund_id) REFERENCES refunds,
    CHECK ((state = 'PAID') = (paid_on IS NOT NULL)),
    CHECK (route <> '' OR interest = 0)
);
CREATE INDEX paybacks_retry ON paybacks (retry_on) WHERE state = 'RETURNED';
CREATE INDEX paybacks_transfer ON paybacks (institution_id, transfer_id);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['contract_terms', 'paybacks'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker'' OR EXISTS (
            SELECT FROM contracts c WHERE c.institution_id = %I.institution_id AND c.id = %I.contract_id))', t, t, t);
    END LOOP;
END
$$;

-- Two accounts more: what an institution owes to parents beyond what is held for
-- them, and the interest of what is paid back late.
ALTER TABLE balances
    DROP CONSTRAINT balances_account_check,
    DROP CONSTRAINT balances_check1,
    ADD CONSTRAINT balances_account_check CHECK (account IN ('custody', 'deposit', 'receivable', 'held', 'released', 'frozen', 'refunds', 'differences', 'owed', 'interest')),
    ADD CONSTRAINT balances_side_check CHECK (CASE WHEN account IN ('custody', 'deposit', 'receivable', 'owed', 'interest') THEN balance >= 0 WHEN account = 'differences' THEN true ELSE balance <= 0 END);
ALTER TABLE transfers
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check CHECK (kind IN ('hold', 'post', 'void', 'resume', 'payback', 'difference', 'reversal', 'owe', 'interest'));

-- open_refund_accounts makes the two for an institution that has none yet.
CREATE FUNCTION open_refund_accounts(institution text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE scope text := as_ledger('worker');
BEGIN
    INSERT INTO balances (institution_id, account) SELECT institution, unnest(ARRAY['interest', 'owed']) ON CONFLICT DO NOTHING;
    scope := as_ledger(scope);
END
$$;
-- +goose StatementEnd
