-- +goose Up
-- +goose StatementBegin
-- What is watched of an institution's money: floors, alerts, and what other
-- authorities have ordered.
SET LOCAL app.scope = 'worker';

-- Floors is the least balance that an authority has set for one institution
-- (按机构核定); the newest of those in force counts.
CREATE TABLE floors (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             text COLLATE "C" NOT NULL,
    amount         bigint NOT NULL CHECK (amount >= 0),
    since          date   NOT NULL,
    reason         text   NOT NULL,
    set_by         text   NOT NULL,
    ground         jsonb  NOT NULL,
    PRIMARY KEY (institution_id, id)
);

-- Alerts is every yellow and red alert. A standing one, of a balance, is closed by a
-- fact; one of a movement by an official who has looked into it.
CREATE TABLE alerts (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction   text   NOT NULL,
    manager        text   NOT NULL,
    day            date   NOT NULL,
    kind           text   NOT NULL CHECK (kind IN ('custody_floor', 'deposit_floor', 'rolling_floor', 'fixed_floor', 'balance', 'cover', 'day_out', 'week_out', 'large', 'late_file')),
    level          text   NOT NULL CHECK (level IN ('YELLOW', 'RED')),
    words          text   NOT NULL,
    ground         jsonb  NOT NULL,
    raised_on      date   NOT NULL,
    due            date   NOT NULL,
    provisional    boolean NOT NULL,
    state          text   NOT NULL CHECK (state IN ('OPEN', 'CLOSED')),
    closed_on      date,
    closed_by      text   NOT NULL DEFAULT '', -- '' is the system
    reason         text   NOT NULL DEFAULT '',
    PRIMARY KEY (institution_id, id),
    CHECK ((state = 'CLOSED') = (closed_on IS NOT NULL AND reason <> ''))
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (institution_id, kind, level) WHERE state = 'OPEN';
CREATE INDEX alerts_due ON alerts (jurisdiction text_pattern_ops, due, id);
CREATE INDEX alerts_manager ON alerts (manager, id);

-- Freezes records another authority's order (冻结): it is not ours to make or to end.
CREATE TABLE freezes (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction   text NOT NULL,
    manager        text NOT NULL,
    account        text COLLATE "C" NOT NULL CHECK (account IN ('custody', 'deposit')),
    authority      text NOT NULL,
    document_no    text NOT NULL,
    amount         bigint NOT NULL CHECK (amount >= 0), -- 0 is all
    since          date NOT NULL,
    until          date CHECK (until >= since),
    lifted_by      text NOT NULL DEFAULT '', -- number of the document that ended it
    PRIMARY KEY (institution_id, id),
    UNIQUE (authority, document_no, institution_id),
    CHECK ((until IS NULL) = (lifted_by = ''))
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['alerts', 'freezes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (in_scope(jurisdiction, ARRAY[''education''], ARRAY[manager]))', t);
    END LOOP;
END
$$;
ALTER TABLE floors ENABLE ROW LEVEL SECURITY;
ALTER TABLE floors FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON floors USING (current_setting('app.scope', true) = 'worker'
    OR EXISTS (SELECT FROM institutions i WHERE i.id = institution_id AND in_scope(i.jurisdiction, ARRAY['education'], ARRAY[i.manager])));
-- +goose StatementEnd
