-- +goose Up
-- +goose StatementBegin
-- institutions is what licensing publishes of them.
CREATE TABLE institutions (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    jurisdiction text NOT NULL,
    address      text NOT NULL,
    category     text NOT NULL,
    item         text NOT NULL,
    status       text NOT NULL,
    manager      text NOT NULL,
    list         text NOT NULL
);
CREATE INDEX institutions_place ON institutions (jurisdiction text_pattern_ops, status);

-- tips is what tipoff publishes of them: facts, never who told.
CREATE TABLE tips (
    id             text COLLATE "C" PRIMARY KEY,
    number         text NOT NULL,
    jurisdiction   text NOT NULL,
    state          text NOT NULL,
    category       text NOT NULL,
    summary        text NOT NULL,
    subject_kind   text NOT NULL,
    institution_id text NOT NULL,
    place_name     text NOT NULL,
    place_address  text NOT NULL,
    owner          text NOT NULL, -- agency
    received_on    date,
    due            date,
    merged_into    text NOT NULL DEFAULT ''
);
ALTER TABLE tips ENABLE ROW LEVEL SECURITY;
ALTER TABLE tips FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tips USING (in_scope(jurisdiction, ARRAY[owner], '{}'));

-- holds is what escrow publishes of them, by the list entry that caused them. It
-- is kept for the case that it comes before the entry itself.
CREATE TABLE holds (
    cause_id       text COLLATE "C" PRIMARY KEY,
    institution_id text NOT NULL,
    held           boolean NOT NULL,
    resumed        boolean NOT NULL
);

-- items is the bill of check items (抽查事项清单): each agency's own, with its legal basis.
CREATE TABLE items (
    code   text COLLATE "C" PRIMARY KEY,
    agency text NOT NULL,
    title  text NOT NULL,
    basis  text NOT NULL,
    level  text NOT NULL CHECK (level IN ('key', 'general')) -- 重点检查事项, 一般检查事项
);

-- officers is the library of enforcement officers (执法检查人员名录库). All offices
-- of a place draw from it together; each keeps its own rows.
CREATE TABLE officers (
    id           text COLLATE "C" PRIMARY KEY,
    agency       text NOT NULL,
    jurisdiction text NOT NULL,
    office       text NOT NULL,
    certificate  text NOT NULL UNIQUE,
    valid_until  date NOT NULL,
    scope        text[] NOT NULL, -- check items; none is all of the agency's
    conflicts    jsonb  NOT NULL,
    active       boolean NOT NULL,
    updated_by   text NOT NULL,
    updated_on   date NOT NULL
);
ALTER TABLE officers ENABLE ROW LEVEL SECURITY;
ALTER TABLE officers FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON officers FOR SELECT USING (in_scope(jurisdiction, ARRAY['education', 'culture', 'market', 'fire'], ARRAY[id]));
CREATE POLICY own_added ON officers FOR INSERT WITH CHECK (in_scope(jurisdiction, ARRAY[agency], '{}'));
CREATE POLICY own_changed ON officers FOR UPDATE USING (in_scope(jurisdiction, ARRAY[agency], '{}'));

CREATE TABLE tasks (
    id             text COLLATE "C" PRIMARY KEY,
    jurisdiction   text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('RANDOM', 'JOINT', 'SWEEP')),
    state          text NOT NULL,
    since          timestamptz NOT NULL, -- legal time
    title          text NOT NULL,
    lead           text NOT NULL,
    agencies       text[] NOT NULL,
    tips           text[] NOT NULL,
    institution_id text NOT NULL,
    subject_name   text NOT NULL, -- of the institution, or the signboard
    street         text NOT NULL, -- of a place: no house or room
    reason         text NOT NULL,
    plan           jsonb NOT NULL, -- of a random draw
    planned_by     text NOT NULL,
    planned_on     date NOT NULL,
    visit_on       date NOT NULL,
    visited_on     date,
    publish_due    date,
    provisional    boolean NOT NULL DEFAULT false,
    publish_ground jsonb,
    outcome        text NOT NULL DEFAULT '',
    result         text NOT NULL DEFAULT '',
    published_on   date,
    CHECK (lead = ANY (agencies)),
    CHECK ((state IN ('PUBLISHED', 'WITHDRAWN')) <= (published_on IS NOT NULL AND result <> ''))
);
CREATE INDEX tasks_place ON tasks (jurisdiction text_pattern_ops, state);
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tasks USING (in_scope(jurisdiction, agencies, '{}'));

-- targets is what a task inspects: one of a joint task, those drawn of a random one.
CREATE TABLE targets (
    task_id        text COLLATE "C" NOT NULL REFERENCES tasks,
    round          int  NOT NULL,
    institution_id text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    stratum        text NOT NULL,
    officers       text[] NOT NULL, -- as drawn; none is free choice
    PRIMARY KEY (task_id, round, institution_id)
);

-- draws is every round, also those that a redraw replaced. file is what was
-- frozen and, once revealed, what came of it.
CREATE TABLE draws (
    id          text COLLATE "C" PRIMARY KEY,
    task_id     text COLLATE "C" NOT NULL REFERENCES tasks,
    round       int  NOT NULL,
    nonce       bytea NOT NULL CHECK (octet_length(nonce) = 32),
    committed   text NOT NULL CHECK (committed = encode(sha256(nonce), 'hex')),
    drawn_by    text NOT NULL,
    revealed_by text NOT NULL DEFAULT '',
    file        json NOT NULL,
    UNIQUE (task_id, round)
);

CREATE TABLE visits (
    id             text COLLATE "C" PRIMARY KEY,
    task_id        text COLLATE "C" NOT NULL REFERENCES tasks,
    jurisdiction   text NOT NULL,
    agencies       text[] NOT NULL,
    people         text[] NOT NULL DEFAULT '{}', -- the manager, once every agency signed
    institution_id text NOT NULL,
    name           text NOT NULL,
    address        text NOT NULL,
    place          boolean NOT NULL, -- an unlicensed one, without an account here
    state          text NOT NULL,
    on_day         date NOT NULL,
    signed         text[] NOT NULL DEFAULT '{}',
    problems       int  NOT NULL DEFAULT 0,
    opened_by      text NOT NULL,
    ending         jsonb, -- the institution's signature, or its refusal
    completed_on   date,
    published      boolean NOT NULL DEFAULT false,
    UNIQUE (task_id, institution_id)
);
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
ALTER TABLE visits FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON visits USING (in_scope(jurisdiction, agencies, people));

-- visit_officers is who was there: one officer once, with the certificate as shown.
CREATE TABLE visit_officers (
    visit_id    text COLLATE "C" NOT NULL REFERENCES visits,
    id          text COLLATE "C" NOT NULL,
    agency      text NOT NULL,
    office      text NOT NULL,
    certificate text NOT NULL,
    valid_until date NOT NULL,
    PRIMARY KEY (visit_id, id)
);

-- parts is what each agency keeps to itself until publication; the institution
-- reads all of them when it is asked to sign.
CREATE TABLE parts (
    visit_id     text COLLATE "C" NOT NULL REFERENCES visits,
    agency       text NOT NULL,
    jurisdiction text NOT NULL,
    state        text NOT NULL,
    note         text NOT NULL DEFAULT '',
    signed_by    text NOT NULL DEFAULT '',
    signed_on    date,
    PRIMARY KEY (visit_id, agency)
);

CREATE TABLE findings (
    visit_id     text COLLATE "C" NOT NULL,
    agency       text NOT NULL,
    jurisdiction text NOT NULL,
    item         text NOT NULL REFERENCES items,
    title        text NOT NULL,
    basis        text NOT NULL,
    problem      boolean NOT NULL,
    detail       text NOT NULL,
    recorded_by  text NOT NULL,
    recorded_on  date NOT NULL,
    PRIMARY KEY (visit_id, item),
    FOREIGN KEY (visit_id, agency) REFERENCES parts
);

CREATE TABLE rectifications (
    id             text COLLATE "C" PRIMARY KEY,
    task_id        text COLLATE "C" NOT NULL REFERENCES tasks,
    visit_id       text COLLATE "C" NOT NULL REFERENCES visits,
    jurisdiction   text NOT NULL,
    agencies       text[] NOT NULL,
    people         text[] NOT NULL,
    institution_id text NOT NULL,
    name           text NOT NULL,
    agency         text NOT NULL, -- that ordered it
    state          text NOT NULL,
    items          text[] NOT NULL CHECK (cardinality(items) > 0),
    demand         text NOT NULL,
    ordered_by     text NOT NULL,
    ordered_on     date NOT NULL,
    due            date NOT NULL,
    provisional    boolean NOT NULL,
    ground         jsonb NOT NULL,
    submission     text NOT NULL DEFAULT '',
    submitted_on   date,
    late           boolean NOT NULL DEFAULT false,
    verified_by    text NOT NULL DEFAULT '',
    verified_on    date,
    officers       text[] NOT NULL DEFAULT '{}', -- at the re-inspection
    verdict        text NOT NULL DEFAULT '',
    CHECK ((state IN ('PASSED', 'FAILED')) = (verified_on IS NOT NULL))
);
CREATE UNIQUE INDEX rectifications_one_open ON rectifications (visit_id, agency) WHERE state IN ('ORDERED', 'SUBMITTED', 'OVERDUE');
CREATE INDEX rectifications_due ON rectifications (due) WHERE state = 'ORDERED';
CREATE INDEX rectifications_task ON rectifications (task_id);
ALTER TABLE rectifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE rectifications FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON rectifications USING (in_scope(jurisdiction, agencies, people));

-- sweeps is the ledger of unlicensed places (排查台账). The phone and the whole
-- address stay here.
CREATE TABLE sweeps (
    task_id     text COLLATE "C" PRIMARY KEY REFERENCES tasks,
    signboard   text NOT NULL,
    address     text NOT NULL,
    phone       text NOT NULL,
    demand      text NOT NULL DEFAULT '',
    ordered_by  text NOT NULL DEFAULT '',
    ordered_on  date,
    due         date,
    provisional boolean NOT NULL DEFAULT false,
    ground      jsonb,
    checks      jsonb NOT NULL DEFAULT '[]',
    closed_on   date
);

CREATE TABLE follow_ups (
    id             text COLLATE "C" PRIMARY KEY,
    task_id        text COLLATE "C" NOT NULL REFERENCES tasks,
    type           text NOT NULL,
    jurisdiction   text NOT NULL,
    agencies       text[] NOT NULL,
    institution_id text NOT NULL,
    name           text NOT NULL,
    state          text NOT NULL,
    since          timestamptz NOT NULL, -- legal time
    waiting_for    text[] NOT NULL,
    version        int NOT NULL,
    data           jsonb NOT NULL
);
CREATE UNIQUE INDEX follow_ups_one_open ON follow_ups (task_id, institution_id) WHERE state NOT IN ('REFUSED', 'UNDONE');
CREATE INDEX follow_ups_entry ON follow_ups ((data->>'entry_id'));
ALTER TABLE follow_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE follow_ups FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON follow_ups USING (in_scope(jurisdiction, agencies, '{}'));

-- commands is what a follow-up sent: each once, and how often an officer had it sent again.
CREATE TABLE commands (
    follow_up_id text COLLATE "C" NOT NULL REFERENCES follow_ups,
    command      text NOT NULL,
    at           timestamptz NOT NULL, -- legal time
    again        int NOT NULL DEFAULT 0,
    PRIMARY KEY (follow_up_id, command)
);

-- timeline is the history of a task, for the agencies named. It only grows.
CREATE TABLE timeline (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id      text COLLATE "C" NOT NULL,
    jurisdiction text NOT NULL,
    agencies     text[] NOT NULL,
    at           timestamptz NOT NULL, -- legal time
    actor        text NOT NULL,
    action       text NOT NULL,
    label        text NOT NULL,
    from_state   text NOT NULL,
    to_state     text NOT NULL,
    note         text NOT NULL,
    grounds      jsonb NOT NULL,
    recorded     timestamptz NOT NULL DEFAULT clock_timestamp() -- machine time
);
CREATE INDEX timeline_of ON timeline (task_id, id);
ALTER TABLE timeline ENABLE ROW LEVEL SECURITY;
ALTER TABLE timeline FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON timeline USING (in_scope(jurisdiction, agencies, '{}'));

-- Rows below a task are seen by who sees the task, those below a visit by who
-- sees the visit, and an agency's part as its table says.
DO $$
DECLARE r record;
BEGIN
    FOR r IN SELECT * FROM (VALUES ('targets', 'tasks', 'task_id'), ('draws', 'tasks', 'task_id'), ('sweeps', 'tasks', 'task_id'),
        ('visit_officers', 'visits', 'visit_id'), ('commands', 'follow_ups', 'follow_up_id')) v(t, above, key) LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', r.t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', r.t);
        EXECUTE format('CREATE POLICY scope ON %I USING (EXISTS (SELECT FROM %I a WHERE a.id = %I.%I))', r.t, r.above, r.t, r.key);
    END LOOP;
    FOR r IN SELECT * FROM (VALUES ('parts'), ('findings')) v(t) LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', r.t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', r.t);
        EXECUTE format('CREATE POLICY seen ON %I FOR SELECT USING (in_scope(jurisdiction, ARRAY[agency], ''{}'') OR EXISTS (
            SELECT FROM visits v WHERE v.id = %I.visit_id
            AND in_scope(v.jurisdiction, CASE WHEN v.published THEN v.agencies ELSE ''{}'' END, v.people)))', r.t, r.t);
        EXECUTE format('CREATE POLICY own_added ON %I FOR INSERT WITH CHECK (in_scope(jurisdiction, ARRAY[agency], ''{}''))', r.t);
        EXECUTE format('CREATE POLICY own_changed ON %I FOR UPDATE USING (in_scope(jurisdiction, ARRAY[agency], ''{}''))', r.t);
    END LOOP;
END
$$;

CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON timeline FOR EACH STATEMENT EXECUTE FUNCTION only_grows();
CREATE TRIGGER draws_stay BEFORE DELETE OR TRUNCATE ON draws FOR EACH STATEMENT EXECUTE FUNCTION only_grows();

-- seed is the day that the demo data are relative to. While it is not done the
-- timers rest: they would act on cases that the seed is in the middle of.
CREATE TABLE seed (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    base date    NOT NULL,
    done boolean NOT NULL DEFAULT false
);
-- +goose StatementEnd
