-- +goose Up
-- +goose StatementBegin
-- applications is requests to open an institution. Its deadlines are dates on the
-- row itself; clocks keeps, for each, where it was counted from and by which rule.
CREATE TABLE applications (
    id             uuid PRIMARY KEY,
    institution_id uuid NOT NULL UNIQUE,
    jurisdiction   text NOT NULL CHECK (jurisdiction ~ '^[0-9]{6}$'),
    principal      text NOT NULL,
    name           text NOT NULL,
    category       text NOT NULL,
    item           text NOT NULL,
    kind           text NOT NULL,
    mode           text NOT NULL,
    address        text NOT NULL,
    area_m2        double precision NOT NULL CHECK (area_m2 > 0),
    capacity       integer NOT NULL CHECK (capacity > 0),
    legal_form     text NOT NULL,
    sponsor        jsonb NOT NULL,
    state          text NOT NULL CHECK (state IN
        ('SUBMITTED', 'RETURNED', 'NOT_ACCEPTED', 'ACCEPTED', 'PUBLIC_NOTICE', 'GRANTED', 'REFUSED', 'WITHDRAWN')),
    received_on    date NOT NULL,
    correct_by     date NOT NULL,
    returned       boolean NOT NULL DEFAULT false,
    missing        text[] NOT NULL DEFAULT '{}',
    accepted_on    date,
    deemed         boolean NOT NULL DEFAULT false,
    decide_by      date,
    notice_from    date,
    notice_until   date,
    decided_on     date,
    issue_by       date,
    reason         text NOT NULL DEFAULT '',
    licence_number text NOT NULL DEFAULT '',
    clocks         jsonb NOT NULL,
    grounds        jsonb NOT NULL,
    CHECK ((accepted_on IS NULL) = (decide_by IS NULL)),
    CHECK ((notice_from IS NULL) = (notice_until IS NULL)),
    CHECK (state NOT IN ('ACCEPTED', 'PUBLIC_NOTICE', 'GRANTED', 'REFUSED') OR accepted_on IS NOT NULL),
    CHECK (state NOT IN ('PUBLIC_NOTICE', 'GRANTED') OR notice_until IS NOT NULL),
    CHECK ((state = 'GRANTED') = (licence_number <> '')),
    CHECK (state <> 'GRANTED' OR decided_on > notice_until)
);
CREATE INDEX applications_due ON applications (correct_by) WHERE state = 'SUBMITTED';
CREATE INDEX applications_provisional ON applications (id)
    WHERE state IN ('SUBMITTED', 'ACCEPTED', 'PUBLIC_NOTICE', 'GRANTED') AND jsonb_path_exists(clocks, '$.* ? (@.provisional == true)');
CREATE INDEX applications_place ON applications (jurisdiction text_pattern_ops, state);
CREATE INDEX applications_principal ON applications (principal);
ALTER TABLE applications ENABLE ROW LEVEL SECURITY;
ALTER TABLE applications FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON applications USING (in_scope(jurisdiction,
    ARRAY['education', 'culture', 'sport', 'science', 'market', 'fire'], ARRAY[principal]));

-- opinions is what the office of the category says; the last one counts.
CREATE TABLE opinions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id uuid    NOT NULL REFERENCES applications,
    agency         text    NOT NULL,
    office         text    NOT NULL,
    officer        text    NOT NULL,
    agree          boolean NOT NULL,
    text           text    NOT NULL,
    given_on       date    NOT NULL
);
CREATE INDEX opinions_of ON opinions (application_id, id);
ALTER TABLE opinions ENABLE ROW LEVEL SECURITY;
ALTER TABLE opinions FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON opinions USING (EXISTS (SELECT FROM applications a WHERE a.id = application_id));

-- site_checks is what each officer saw and signed for. Who found a place wanting
-- may look again; who passed it has said so once.
CREATE TABLE site_checks (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id uuid    NOT NULL REFERENCES applications,
    agency         text    NOT NULL,
    office         text    NOT NULL,
    officer        text    NOT NULL,
    certificate    text    NOT NULL,
    passed         boolean NOT NULL,
    area_m2        double precision NOT NULL CHECK (area_m2 > 0),
    note           text    NOT NULL,
    checked_on     date    NOT NULL
);
CREATE INDEX site_checks_of ON site_checks (application_id, id);
CREATE UNIQUE INDEX site_checks_once ON site_checks (application_id, officer) WHERE passed;
ALTER TABLE site_checks ENABLE ROW LEVEL SECURITY;
ALTER TABLE site_checks FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON site_checks USING (EXISTS (SELECT FROM applications a WHERE a.id = application_id));

-- serials is the last licence serial of each county. A grant holds its row, so
-- that numbers have no gap.
CREATE TABLE serials (
    jurisdiction text PRIMARY KEY,
    last         integer NOT NULL CHECK (last BETWEEN 1 AND 999999)
);

-- institutions is what was ever licensed, as it is now.
CREATE TABLE institutions (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL UNIQUE REFERENCES applications,
    jurisdiction   text NOT NULL,
    manager        text NOT NULL,
    name           text NOT NULL,
    address        text NOT NULL,
    category       text NOT NULL,
    item           text NOT NULL,
    kind           text NOT NULL,
    mode           text NOT NULL,
    area_m2        double precision NOT NULL,
    capacity       integer NOT NULL,
    legal_form     text NOT NULL,
    status         text NOT NULL CHECK (status IN ('ACTIVE', 'SUSPENDED', 'REVOKED', 'CANCELLED')),
    status_since   date NOT NULL,
    licence_number text NOT NULL UNIQUE,
    valid_from     date NOT NULL,
    valid_until    date NOT NULL CHECK (valid_until > valid_from),
    issued_by      text NOT NULL,
    uscc           text NOT NULL DEFAULT '',
    registered_on  date,
    CHECK ((uscc = '') = (registered_on IS NULL))
);
CREATE UNIQUE INDEX institutions_uscc ON institutions (uscc) WHERE uscc <> '' AND status IN ('ACTIVE', 'SUSPENDED');
CREATE INDEX institutions_due ON institutions (valid_until) WHERE status IN ('ACTIVE', 'SUSPENDED');
CREATE INDEX institutions_place ON institutions (jurisdiction text_pattern_ops, status);
CREATE INDEX institutions_manager ON institutions (manager);
ALTER TABLE institutions ENABLE ROW LEVEL SECURITY;
ALTER TABLE institutions FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON institutions USING (in_scope(jurisdiction,
    ARRAY['education', 'market', 'culture', 'sport', 'science', 'fire', 'civil', 'police'], ARRAY[manager]));

-- institution_history is each attribute of an institution with the days it held.
CREATE TABLE institution_history (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    attribute      text NOT NULL,
    value          text NOT NULL,
    since          date NOT NULL,
    until          date -- the last day; NULL is now
);
CREATE UNIQUE INDEX institution_history_now ON institution_history (institution_id, attribute) WHERE until IS NULL;
ALTER TABLE institution_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE institution_history FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON institution_history USING (EXISTS (SELECT FROM institutions i WHERE i.id = institution_id));

-- list_entries is white and black list entries, from proposal to removal.
CREATE TABLE list_entries (
    id              uuid PRIMARY KEY,
    institution_id  uuid NOT NULL REFERENCES institutions,
    jurisdiction    text NOT NULL,
    manager         text NOT NULL,
    list            text NOT NULL CHECK (list IN ('WHITE', 'BLACK')),
    state           text NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REFUSED', 'PUBLISHED', 'REMOVED')),
    facts           text NOT NULL,
    basis           text NOT NULL,
    proposed_on     date NOT NULL,
    proposed_by     text NOT NULL,
    office          text NOT NULL,
    office_agency   text NOT NULL,
    office_place    text NOT NULL,
    statement_until date,
    decided_on      date,
    decided_account text NOT NULL DEFAULT '',
    decided_by      text NOT NULL DEFAULT '',
    reason          text NOT NULL DEFAULT '',
    since           date,
    until           date,
    removed_on      date,
    objection       text NOT NULL DEFAULT '',
    clocks          jsonb NOT NULL,
    grounds         jsonb NOT NULL,
    CHECK (decided_account <> proposed_by),                         -- four eyes
    CHECK ((state IN ('PUBLISHED', 'REMOVED')) = (since IS NOT NULL)),
    CHECK ((since IS NULL) = (until IS NULL)),
    CHECK (list = 'WHITE' OR decided_on IS NULL OR state = 'PROPOSED' OR decided_on > statement_until)
);
CREATE UNIQUE INDEX list_entries_in_force ON list_entries (institution_id) WHERE state = 'PUBLISHED';
CREATE UNIQUE INDEX list_entries_pending ON list_entries (institution_id, list) WHERE state IN ('PROPOSED', 'APPROVED');
CREATE INDEX list_entries_due ON list_entries (until) WHERE state = 'PUBLISHED';
CREATE INDEX list_entries_place ON list_entries (jurisdiction text_pattern_ops, state);
ALTER TABLE list_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE list_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON list_entries USING (in_scope(jurisdiction,
    ARRAY['education', 'market', 'culture', 'sport', 'science', 'fire'], ARRAY[manager]));

-- audit is who did what to which case, and on what grounds. It only grows.
CREATE TABLE audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    about        text NOT NULL CHECK (about IN ('application', 'institution', 'list_entry')),
    case_id      uuid NOT NULL,
    jurisdiction text NOT NULL,
    manager      text NOT NULL,
    account      text NOT NULL, -- '' is the system
    agency       text NOT NULL,
    office       text NOT NULL,
    action       text NOT NULL,
    label        text NOT NULL,
    from_state   text NOT NULL,
    to_state     text NOT NULL,
    note         text NOT NULL,
    basis        text NOT NULL,
    grounds      jsonb NOT NULL,
    legal_at     timestamptz NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_of ON audit (case_id, id);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON audit USING (in_scope(jurisdiction, CASE about
    WHEN 'application' THEN ARRAY['education', 'culture', 'sport', 'science', 'market', 'fire']
    WHEN 'list_entry'  THEN ARRAY['education', 'market', 'culture', 'sport', 'science', 'fire']
    ELSE ARRAY['education', 'market', 'culture', 'sport', 'science', 'fire', 'civil', 'police'] END, ARRAY[manager]));

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- republications is requests to publish the state of every institution anew, and
-- how far each has come.
CREATE TABLE republications (
    id         uuid PRIMARY KEY,
    after_id   uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    published  integer NOT NULL DEFAULT 0,
    done       boolean NOT NULL DEFAULT false
);

-- seed is the day that the demo data are relative to. While it is not done the
-- timers rest: they would act on cases that the seed is in the middle of.
CREATE TABLE seed (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    base date    NOT NULL,
    done boolean NOT NULL DEFAULT false
);
-- +goose StatementEnd
