-- +goose Up
-- +goose StatementBegin
-- Institutions is what licensing publishes of them.
CREATE TABLE institutions (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    jurisdiction text NOT NULL,
    kind         text NOT NULL,
    category     text NOT NULL,
    item         text NOT NULL,
    status       text NOT NULL,
    valid_until  date,
    manager      text NOT NULL,
    list         text NOT NULL
);

CREATE TABLE accounts (
    institution  text COLLATE "C" PRIMARY KEY REFERENCES institutions,
    id           text NOT NULL,
    jurisdiction text NOT NULL,
    manager      text NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('custody', 'deposit')),
    bank         text NOT NULL,
    account_tail text NOT NULL CHECK (account_tail ~ '^[0-9]{4}$'),
    agreement_no text NOT NULL,
    opened_on    date NOT NULL,
    reported_on  date NOT NULL
);

-- The big tables carry institution_id in every key, so that they can be
-- partitioned or distributed by it. Only contracts, and the flags and refunds
-- that have a page of their own, are also found by their id alone.
CREATE TABLE contracts (
    institution_id text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    jurisdiction   text   NOT NULL,
    manager        text   NOT NULL,
    parent         text   NOT NULL,
    pupil          text   NOT NULL,
    course         text   NOT NULL,
    basket         text COLLATE "C" NOT NULL,
    state          text   NOT NULL CHECK (state IN ('OFFERED', 'SIGNED', 'PAID', 'FINISHED', 'CANCELLED')),
    lessons        int    NOT NULL CHECK (lessons > 0),
    gift_lessons   int    NOT NULL CHECK (gift_lessons >= 0),
    first_lesson   date   NOT NULL,
    last_lesson    date   NOT NULL CHECK (last_lesson >= first_lesson),
    price          bigint NOT NULL CHECK (price >= lessons),
    paid           bigint NOT NULL DEFAULT 0 CHECK (paid IN (0, price)),
    released       bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    refunded       bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    open           int    NOT NULL CHECK (open >= 0),
    watched        boolean NOT NULL DEFAULT false,
    offered_on     date   NOT NULL,
    paid_at        timestamptz,
    PRIMARY KEY (institution_id, id),
    CHECK (released + refunded <= paid),
    CHECK ((state IN ('PAID', 'FINISHED')) = (paid > 0) AND (paid > 0) = (paid_at IS NOT NULL)),
    CHECK (state <> 'FINISHED' OR (open = 0 AND released + refunded = paid))
);
CREATE INDEX contracts_id ON contracts (id);
CREATE INDEX contracts_basket ON contracts (institution_id, basket);
CREATE INDEX contracts_parent ON contracts (parent, id);
CREATE INDEX contracts_manager ON contracts (manager, id);
CREATE INDEX contracts_jurisdiction ON contracts (jurisdiction text_pattern_ops, id);

CREATE TABLE lessons (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    n              int     NOT NULL CHECK (n > 0),
    gift           boolean NOT NULL,
    on_date        date    NOT NULL,
    fee            bigint  NOT NULL CHECK (fee >= 0 AND (NOT gift OR fee = 0)),
    state          text    NOT NULL CHECK (state IN ('SCHEDULED', 'TAUGHT', 'CONFIRMED', 'DISPUTED', 'REFUNDING', 'REFUNDED', 'CANCELLED')),
    taught_on      date,
    asked_on       date,
    confirm_by     date,
    provisional    boolean NOT NULL DEFAULT false,
    by_silence     boolean NOT NULL DEFAULT false,
    confirmed_on   date,
    reason         text    NOT NULL DEFAULT '',
    refund         text    NOT NULL DEFAULT '',
    PRIMARY KEY (institution_id, contract_id, n),
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts
);
CREATE INDEX lessons_confirm_by ON lessons (confirm_by) WHERE state = 'TAUGHT';
CREATE INDEX lessons_waiting ON lessons (institution_id, contract_id) WHERE state IN ('TAUGHT', 'DISPUTED');

-- A payment's business reference is unique for ever, over all institutions: it
-- has a table of its own, which stays whole when payments are partitioned.
CREATE TABLE payment_references (
    reference      text COLLATE "C" PRIMARY KEY,
    institution_id text NOT NULL,
    contract_id    text NOT NULL
);

CREATE TABLE payments (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    reference      text   NOT NULL REFERENCES payment_references,
    amount         bigint NOT NULL CHECK (amount > 0),
    at             timestamptz NOT NULL,
    PRIMARY KEY (institution_id, contract_id, id),
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts
);

CREATE TABLE releases (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    n              int    NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    at             timestamptz NOT NULL,
    PRIMARY KEY (institution_id, contract_id, n),
    FOREIGN KEY (institution_id, contract_id, n) REFERENCES lessons
);

CREATE TABLE refunds (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    state          text   NOT NULL CHECK (state IN ('REQUESTED', 'AGREED', 'PAID')),
    lessons        int    NOT NULL CHECK (lessons > 0),
    gift_lessons   int    NOT NULL CHECK (gift_lessons >= 0),
    amount         bigint NOT NULL CHECK (amount > 0),
    reason         text   NOT NULL,
    requested_on   date   NOT NULL,
    answer_by      date   NOT NULL,
    provisional    boolean NOT NULL,
    by_silence     boolean NOT NULL DEFAULT false,
    paid_on        date,
    PRIMARY KEY (institution_id, contract_id, id),
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts
);
CREATE INDEX refunds_id ON refunds (id);
CREATE INDEX refunds_answer_by ON refunds (answer_by) WHERE state = 'REQUESTED';

CREATE TABLE flags (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    jurisdiction   text  NOT NULL,
    manager        text  NOT NULL,
    parent         text  NOT NULL,
    state          text  NOT NULL CHECK (state IN ('OPEN', 'CLEARED')),
    rule_key       text  NOT NULL,
    ground         jsonb NOT NULL,
    explanation    text  NOT NULL,
    raised_on      date  NOT NULL,
    due            date  NOT NULL,
    provisional    boolean NOT NULL,
    cleared_on     date,
    cleared_by     text  NOT NULL DEFAULT '',
    PRIMARY KEY (institution_id, contract_id, id),
    FOREIGN KEY (institution_id, contract_id) REFERENCES contracts,
    CHECK ((state = 'CLEARED') = (cleared_on IS NOT NULL AND cleared_by <> ''))
);
CREATE UNIQUE INDEX flags_one_open ON flags (institution_id, contract_id, rule_key) WHERE state = 'OPEN';
CREATE INDEX flags_id ON flags (id);
CREATE INDEX flags_due ON flags (jurisdiction text_pattern_ops, due, id);

-- Timeline is the history of a contract.
CREATE TABLE timeline (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             timestamptz NOT NULL, -- legal time
    actor          text NOT NULL,        -- 家长, 机构, 系统
    account        text NOT NULL,        -- account id of the actor, '' for the system; not shown
    action         text NOT NULL,
    summary        text NOT NULL,
    recorded       timestamptz NOT NULL DEFAULT now(), -- machine time
    PRIMARY KEY (institution_id, contract_id, id)
);

CREATE FUNCTION unchangeable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON timeline FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON payments FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_references FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON releases FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- The second wall. Rows below a contract are seen by who sees the contract.
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON accounts USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager]));
ALTER TABLE contracts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contracts FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON contracts USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager, parent]));
ALTER TABLE flags ENABLE ROW LEVEL SECURITY;
ALTER TABLE flags FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON flags USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager, parent]));
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['lessons', 'payments', 'releases', 'refunds', 'timeline'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker'' OR EXISTS (
            SELECT FROM contracts c WHERE c.institution_id = %I.institution_id AND c.id = %I.contract_id))', t, t, t);
    END LOOP;
END
$$;

-- Seed is the demo data's own day: what is played again after a crash says the same.
CREATE TABLE seed (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    day  date    NOT NULL,
    done boolean NOT NULL DEFAULT false
);
-- +goose StatementEnd
