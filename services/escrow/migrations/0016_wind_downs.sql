-- +goose Up
-- +goose StatementBegin
-- The end of an institution (机构终止清退): who is owed what, and what became of it.
SET LOCAL app.scope = 'worker';

-- Wind_downs is every one that was begun. Round counts the drawings of its roster:
-- after_id is how far the present one has come. The sums are those of the last
-- sharing out: what there was, and what was claimed of it.
CREATE TABLE wind_downs (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction   text   NOT NULL,
    manager        text   NOT NULL,
    state          text   NOT NULL CHECK (state IN ('PROPOSED', 'OPEN', 'PAYING', 'DONE', 'WITHDRAWN')),
    ground         text   NOT NULL CHECK (ground IN ('list_decision', 'licence_revoked', 'closed_abnormal')),
    document_no    text   NOT NULL CHECK (document_no <> ''),
    reason         text   NOT NULL CHECK (reason <> ''),
    begun_on       date   NOT NULL,
    stopped_on     date,
    last_hand      text   NOT NULL, -- the official who began or corrected it last: another confirms
    confirmed_on   date,            -- the first time
    choose_by      date,
    provisional    boolean NOT NULL DEFAULT false,
    round          int    NOT NULL DEFAULT 1,
    after_id       text COLLATE "C" NOT NULL DEFAULT '',
    drawn          boolean NOT NULL DEFAULT false,
    custody_has    bigint NOT NULL DEFAULT 0,
    custody_claims bigint NOT NULL DEFAULT 0,
    deposit_has    bigint NOT NULL DEFAULT 0,
    deposit_claims bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (institution_id, id),
    CHECK (state NOT IN ('OPEN', 'PAYING', 'DONE') OR (confirmed_on IS NOT NULL AND choose_by IS NOT NULL))
);
CREATE UNIQUE INDEX wind_downs_one ON wind_downs (institution_id) WHERE state IN ('PROPOSED', 'OPEN', 'PAYING');
CREATE INDEX wind_downs_jurisdiction ON wind_downs (jurisdiction text_pattern_ops, id);

-- Takeovers is what other institutions offer to families of one.
CREATE TABLE takeovers (
    wind_down_id   text COLLATE "C" NOT NULL REFERENCES wind_downs (id),
    id             text COLLATE "C" NOT NULL UNIQUE,
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    manager        text NOT NULL,
    first_lesson   date NOT NULL,
    note           text NOT NULL,
    offered_on     date NOT NULL,
    PRIMARY KEY (wind_down_id, id),
    UNIQUE (wind_down_id, institution_id)
);

-- Families is the roster: one row for each contract with lessons to give back. What
-- was paid stays as it is.
CREATE TABLE families (
    institution_id text COLLATE "C" NOT NULL,
    wind_down_id   text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    round          int    NOT NULL,
    state          text   NOT NULL CHECK (state IN ('OPEN', 'PAID', 'VOID')),
    mode           text   NOT NULL CHECK (mode IN ('custody', 'deposit')),
    lessons        int    NOT NULL CHECK (lessons >= 0),
    gift_lessons   int    NOT NULL CHECK (gift_lessons >= 0),
    taken          int[]  NOT NULL,
    held           bigint NOT NULL CHECK (held >= 0),
    amount         bigint NOT NULL CHECK (amount >= 0),
    corrected      bigint CHECK (corrected >= 0),
    correction     text   NOT NULL DEFAULT '',
    share          bigint NOT NULL DEFAULT 0 CHECK (share BETWEEN 0 AND coalesce(corrected, amount)),
    basis          text   NOT NULL,
    clauses        jsonb  NOT NULL,
    choice         text   NOT NULL DEFAULT '' CHECK (choice IN ('', 'refund', 'transfer')),
    takeover       text COLLATE "C" NOT NULL DEFAULT '',
    refund_id      text COLLATE "C" NOT NULL DEFAULT '',
    new_contract   text COLLATE "C" NOT NULL DEFAULT '',
    paid_on        date,
    PRIMARY KEY (institution_id, wind_down_id, contract_id),
    FOREIGN KEY (institution_id, wind_down_id) REFERENCES wind_downs,
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts,
    CHECK ((state = 'PAID') = (paid_on IS NOT NULL AND refund_id <> '')),
    CHECK ((choice = 'transfer') = (takeover <> '')),
    CHECK ((corrected IS NULL) = (correction = ''))
);
CREATE INDEX families_contract ON families (contract_id);
CREATE FUNCTION paid_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what the family of % was paid stays', OLD.contract_id USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER paid_stays BEFORE UPDATE OR DELETE ON families FOR EACH ROW WHEN (OLD.state = 'PAID') EXECUTE FUNCTION paid_stays();

-- Wind_down_steps is the history of one, each step with the rules that it rests on.
CREATE TABLE wind_down_steps (
    institution_id text COLLATE "C" NOT NULL,
    wind_down_id   text COLLATE "C" NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             timestamptz NOT NULL, -- legal time
    actor          text  NOT NULL,
    account        text  NOT NULL,       -- account id of the actor, '' for the system; not shown
    action         text  NOT NULL,
    summary        text  NOT NULL,
    rules          jsonb NOT NULL,
    recorded       timestamptz NOT NULL DEFAULT now(), -- machine time
    PRIMARY KEY (institution_id, wind_down_id, id),
    FOREIGN KEY (institution_id, wind_down_id) REFERENCES wind_downs
);
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON wind_down_steps FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- Winding is no secret, either: begun, nothing more is taken in; frozen, refunds are
-- given by the roster alone. Who changes it holds payouts_lock alone.
ALTER TABLE payouts ADD COLUMN winding text NOT NULL DEFAULT '' CHECK (winding IN ('', 'begun', 'frozen'));

-- A family is refunded once. share is what of the refund there is money for; null is
-- all of what is supervised.
ALTER TABLE refunds ADD COLUMN wind_down text COLLATE "C" NOT NULL DEFAULT '', ADD COLUMN share bigint CHECK (share BETWEEN 0 AND amount);
CREATE UNIQUE INDEX refunds_wind_down ON refunds (institution_id, contract_id, wind_down) WHERE wind_down <> '';

-- A leg is paid out of the risk deposit, or becomes the payment of another contract.
ALTER TABLE paybacks ADD COLUMN source text NOT NULL DEFAULT '' CHECK (source IN ('', 'deposit')),
    ADD COLUMN new_contract text COLLATE "C" NOT NULL DEFAULT '';

-- The second wall. Once it was confirmed, a wind-down is known to whoever may offer
-- to take over, and to its families for ever; a family's row to who sees its contract.
ALTER TABLE families ENABLE ROW LEVEL SECURITY;
ALTER TABLE families FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON families USING (current_setting('app.scope', true) = 'worker' OR sees_contract(institution_id, contract_id));
ALTER TABLE wind_downs ENABLE ROW LEVEL SECURITY;
ALTER TABLE wind_downs FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON wind_downs USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager])
    OR (current_setting('app.scope', true) = 'person' AND confirmed_on IS NOT NULL
        AND (state IN ('PROPOSED', 'OPEN') OR EXISTS (SELECT FROM families f WHERE f.wind_down_id = wind_downs.id))));
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['takeovers', 'wind_down_steps'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker'' OR EXISTS (
            SELECT FROM wind_downs w WHERE w.id = %I.wind_down_id))', t, t);
    END LOOP;
END
$$;
-- +goose StatementEnd
