-- +goose Up
-- +goose StatementBegin
-- Holds is every stop of payouts (暂停拨付), each by one list entry, once. until is
-- the last day; it is null while the hold stands.
CREATE TABLE holds (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             text COLLATE "C" NOT NULL UNIQUE,
    jurisdiction   text  NOT NULL,
    manager        text  NOT NULL,
    cause_id       text COLLATE "C" NOT NULL UNIQUE, -- the list entry
    clause         text  NOT NULL CHECK (clause <> ''),
    ground         jsonb NOT NULL,                   -- the rule that the clause is from
    decided_by     text  NOT NULL,                   -- the office
    since          date  NOT NULL,
    until          date  CHECK (until >= since),
    PRIMARY KEY (institution_id, id)
);
CREATE INDEX holds_open ON holds (institution_id) WHERE until IS NULL;
CREATE INDEX holds_jurisdiction ON holds (jurisdiction text_pattern_ops, id);
CREATE INDEX holds_manager ON holds (manager, id);

-- An entry that ended before escrow heard of it holds nothing any more.
CREATE TABLE ended_entries (
    id text COLLATE "C" PRIMARY KEY
);

-- Payouts is the institutions that were ever held, and since when they are; null
-- is: what waited is paid out. It is no secret: the list is public. Who pays out
-- holds payouts_lock in share, who opens or ends a hold holds it alone; it is
-- taken before any contract is locked.
CREATE TABLE payouts (
    institution_id text COLLATE "C" PRIMARY KEY REFERENCES institutions,
    held_since     date
);
CREATE FUNCTION payouts_lock(institution text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(current_schema() || ' payouts ' || institution, 0)
$$;

-- A confirmed lesson waits while its fee is not paid out because of a hold.
ALTER TABLE lessons ADD COLUMN waits boolean NOT NULL DEFAULT false CHECK (NOT waits OR (state = 'CONFIRMED' AND fee > 0));
CREATE INDEX lessons_held ON lessons (institution_id, contract_id, n) WHERE waits;

-- Account_timeline is the history of an institution's account.
CREATE TABLE account_timeline (
    institution_id text COLLATE "C" NOT NULL REFERENCES institutions,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             timestamptz NOT NULL, -- legal time
    actor          text NOT NULL,
    action         text NOT NULL,
    summary        text NOT NULL,
    recorded       timestamptz NOT NULL DEFAULT now(), -- machine time
    PRIMARY KEY (institution_id, id)
);
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON account_timeline FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- Republications is requests to publish the accounts and holds anew, and how far
-- each has come.
CREATE TABLE republications (
    id       text COLLATE "C" PRIMARY KEY,
    after_id text COLLATE "C" NOT NULL DEFAULT '',
    done     boolean NOT NULL DEFAULT false
);

ALTER TABLE holds ENABLE ROW LEVEL SECURITY;
ALTER TABLE holds FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON holds USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[manager]));
ALTER TABLE account_timeline ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_timeline FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON account_timeline USING (EXISTS (
    SELECT FROM institutions i WHERE i.id = institution_id AND in_scope(i.jurisdiction, ARRAY['education'], ARRAY[i.manager])));
-- +goose StatementEnd
