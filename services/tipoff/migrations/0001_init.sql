-- +goose Up
-- +goose StatementBegin
-- may_see is the scope of a tip-off: the intake office of its place, the agency
-- that owns it, and the education office of the city above, which arbitrates.
CREATE FUNCTION may_see(jurisdiction text, owner text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT in_scope(jurisdiction, ARRAY['intake', owner], '{}')
        OR length(current_setting('app.division', true)) < 6 AND in_scope(jurisdiction, ARRAY['education'], '{}')
$$;

-- tips is the facts of tip-offs. Nothing in it says who told, or when on the day.
CREATE TABLE tips (
    id               text PRIMARY KEY,
    number           text NOT NULL UNIQUE,
    jurisdiction     text NOT NULL CHECK (jurisdiction ~ '^[0-9]{6}$'),
    channel          text NOT NULL,
    source_id        text NOT NULL DEFAULT '', -- the channel's own id
    import_id        text NOT NULL DEFAULT '', -- and the line of its file
    state            text NOT NULL CHECK (state IN
        ('RECEIVED', 'TRIAGED', 'DISPATCHED', 'RETURNED', 'DISPATCHED_AGAIN', 'ARBITRATION', 'ASSIGNED',
         'HANDLING', 'WAITING', 'ANSWERED', 'CLOSED', 'MERGED', 'NOT_TRAINING')),
    history          boolean NOT NULL DEFAULT false, -- answered before it came to us
    nature           text NOT NULL CHECK (nature IN ('REPORT', 'COMPLAINT', 'BOTH', 'PETITION')),
    received_on      date NOT NULL,
    happened_on      date,
    subject_kind     text NOT NULL CHECK (subject_kind IN ('INSTITUTION', 'PLACE', 'PERSON')),
    institution      text NOT NULL,
    institution_name text NOT NULL,
    place_address    text NOT NULL,
    place_signboard  text NOT NULL,
    place_phone      text NOT NULL,
    person           text NOT NULL,
    subject_keys     text[] NOT NULL,
    title            text NOT NULL,
    text             text NOT NULL CHECK (length(text) <= 20000),
    suggested        text NOT NULL, -- category that the words suggest
    words            text[] NOT NULL,
    category         text NOT NULL, -- as the intake officer says
    summary          text NOT NULL,
    owner            text NOT NULL DEFAULT '',
    suggested_owner  text NOT NULL DEFAULT '',
    returns          integer NOT NULL DEFAULT 0 CHECK (returns BETWEEN 0 AND 2),
    reason           text NOT NULL DEFAULT '',
    merged_into      text NOT NULL DEFAULT '',
    paused_on        date,
    extended         boolean NOT NULL DEFAULT false,
    has_identity     boolean NOT NULL DEFAULT false,
    answered_on      date,
    CHECK ((state = 'MERGED') = (merged_into <> '')),
    CHECK ((state = 'WAITING') = (paused_on IS NOT NULL)),
    CHECK (owner <> '' OR state NOT IN ('DISPATCHED', 'DISPATCHED_AGAIN', 'ASSIGNED', 'HANDLING', 'WAITING'))
);
CREATE UNIQUE INDEX tips_source ON tips (channel, source_id) WHERE source_id <> '';
CREATE INDEX tips_place ON tips (jurisdiction text_pattern_ops, state, received_on);
CREATE INDEX tips_owner ON tips (owner, jurisdiction text_pattern_ops) WHERE owner <> '';
CREATE INDEX tips_subject ON tips USING gin (subject_keys);
CREATE INDEX tips_merged ON tips (merged_into) WHERE merged_into <> '';
ALTER TABLE tips ENABLE ROW LEVEL SECURITY;
ALTER TABLE tips FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tips USING (may_see(jurisdiction, owner));

-- receipts opens a tip-off to who has its number and code. The code is not here:
-- hash is HMAC-SHA-256 of both under a key that is not in the database.
CREATE TABLE receipts (
    number text  NOT NULL,
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32),
    tip_id text  NOT NULL REFERENCES tips,
    PRIMARY KEY (number, hash)
);
ALTER TABLE receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY workers ON receipts USING (in_scope('', '{}', '{}'));

-- clocks is the legal dates of a tip-off. All run from a day, by a rule; what is
-- added by an extension or while the reporter is asked is counted apart.
CREATE TABLE clocks (
    tip_id      text NOT NULL REFERENCES tips,
    name        text NOT NULL,
    from_on     date NOT NULL,
    amount      integer NOT NULL,
    unit        text NOT NULL,
    extra       integer NOT NULL DEFAULT 0,
    paused      integer NOT NULL DEFAULT 0,
    due         date NOT NULL,
    provisional boolean NOT NULL,
    ground      jsonb NOT NULL,
    met_on      date,
    overdue_on  date, -- when the passing of due was noted
    PRIMARY KEY (tip_id, name)
);
CREATE INDEX clocks_due ON clocks (due) WHERE met_on IS NULL AND overdue_on IS NULL;
ALTER TABLE clocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE clocks FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON clocks USING (EXISTS (SELECT FROM tips t WHERE t.id = tip_id));

-- answers is what reporters read. The answer to the follow-up of a decision is
-- there once, and once more if the decision was set aside.
CREATE TABLE answers (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tip_id       text NOT NULL REFERENCES tips,
    text         text NOT NULL,
    office       text NOT NULL,
    given_on     date NOT NULL,
    follow_up_id text NOT NULL DEFAULT '',
    amended      boolean NOT NULL DEFAULT false
);
CREATE INDEX answers_of ON answers (tip_id, id);
CREATE UNIQUE INDEX answers_once ON answers (tip_id, follow_up_id, amended) WHERE follow_up_id <> '';
ALTER TABLE answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE answers FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON answers USING (EXISTS (SELECT FROM tips t WHERE t.id = tip_id));

-- questions is what the reporter was asked, by way of the receipt, and said.
CREATE TABLE questions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tip_id      text NOT NULL REFERENCES tips,
    text        text NOT NULL,
    asked_on    date NOT NULL,
    answer      text NOT NULL DEFAULT '',
    answered_on date
);
CREATE INDEX questions_of ON questions (tip_id, id);
ALTER TABLE questions ENABLE ROW LEVEL SECURITY;
ALTER TABLE questions FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON questions USING (EXISTS (SELECT FROM tips t WHERE t.id = tip_id));

-- identity_requests is each asking to open a sealed identity: by one intake
-- officer, approved by another, read once.
CREATE TABLE identity_requests (
    id           text PRIMARY KEY,
    tip_id       text NOT NULL REFERENCES tips,
    jurisdiction text NOT NULL,
    reason       text NOT NULL,
    requested_by text NOT NULL,
    requested_on date NOT NULL,
    approved_by  text NOT NULL DEFAULT '',
    open_until   timestamptz,
    read_on      date,
    CHECK (approved_by <> requested_by), -- four eyes
    CHECK ((approved_by = '') = (open_until IS NULL)),
    CHECK (read_on IS NULL OR approved_by <> '')
);
CREATE INDEX identity_requests_of ON identity_requests (tip_id, requested_on);
ALTER TABLE identity_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON identity_requests USING (in_scope(jurisdiction, ARRAY['intake'], '{}'));

-- identities is who told, sealed to the intake office's key. It belongs to a role
-- of its own, <service role>_identity, which scripts/up makes and which the
-- service's role may SET ROLE to but does not inherit from: by itself the service
-- can add an identity and cannot read one. Even that role sees a row only while a
-- second officer's approval of this caller's request is open and unread.
CREATE TABLE identities (
    tip_id text  PRIMARY KEY,
    sealed bytea NOT NULL
);
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY put ON identities FOR INSERT WITH CHECK (true);
CREATE POLICY open ON identities FOR SELECT USING (EXISTS (
    SELECT FROM identity_requests r WHERE r.tip_id = identities.tip_id AND r.approved_by <> '' AND r.read_on IS NULL
    AND r.requested_by = current_setting('app.person', true)));
DO $$
DECLARE
    service text := current_user;
    keeper  text := current_user || '_identity';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = keeper) THEN
        RAISE EXCEPTION 'role % is missing: scripts/up makes it', keeper;
    END IF;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', current_schema(), keeper);
    EXECUTE format('GRANT SELECT ON identity_requests TO %I', keeper);
    EXECUTE format('ALTER TABLE identities OWNER TO %I', keeper);
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', current_schema(), keeper);
    EXECUTE format('SET LOCAL ROLE %I', keeper);
    EXECUTE format('GRANT INSERT ON identities TO %I', service);
    RESET ROLE;
    IF has_table_privilege(service, 'identities', 'SELECT') THEN
        RAISE EXCEPTION 'role % inherits from %: it must be NOINHERIT', service, keeper;
    END IF;
END
$$;

-- imports is each file that was taken in, by who sent it and their key.
CREATE TABLE imports (
    id       text PRIMARY KEY,
    account  text NOT NULL,
    key      text NOT NULL,
    channel  text NOT NULL,
    sum      bytea,
    answer   json, -- NULL while it is not finished
    UNIQUE (account, key)
);

-- institutions is what licensing says: for tying a tip-off to its subject.
CREATE TABLE institutions (
    id             text PRIMARY KEY,
    name           text NOT NULL,
    name_key       text NOT NULL,
    jurisdiction   text NOT NULL,
    address        text NOT NULL,
    status         text NOT NULL,
    licence_number text NOT NULL
);
CREATE INDEX institutions_name ON institutions (name_key);

-- audit is who did what to which tip-off. It only grows.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tip_id     text NOT NULL REFERENCES tips,
    account    text NOT NULL, -- '' is the system, or a reporter
    office     text NOT NULL,
    action     text NOT NULL,
    label      text NOT NULL,
    from_state text NOT NULL,
    to_state   text NOT NULL,
    note       text NOT NULL,
    basis      text NOT NULL,
    grounds    jsonb NOT NULL,
    on_day     date NOT NULL,
    at         timestamptz -- NULL where it would say when a reporter was here
);
CREATE INDEX audit_of ON audit (tip_id, id);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON audit USING (EXISTS (SELECT FROM tips t WHERE t.id = tip_id));
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A call without a caller is a reporter's: the table of answered calls must not
-- say at what time it came.
CREATE FUNCTION forget_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.at := date_trunc('day', NEW.at, 'Asia/Shanghai');
    RETURN NEW;
END
$$;
CREATE TRIGGER once_forgets_time BEFORE INSERT ON once FOR EACH ROW WHEN (NEW.caller = '') EXECUTE FUNCTION forget_time();
-- +goose StatementEnd
