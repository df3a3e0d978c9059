-- +goose Up
-- Tips is the tip-offs about institutions, as tipoff publishes them: that there is
-- one, and since when. Merged is part of another.
CREATE TABLE tips (
    id             text COLLATE "C" PRIMARY KEY,
    institution_id text COLLATE "C" NOT NULL, -- '' once it is about no institution
    received_on    date NOT NULL,
    merged         boolean NOT NULL DEFAULT false
);
CREATE INDEX tips_institution ON tips (institution_id, received_on) WHERE NOT merged;

ALTER TABLE tips ENABLE ROW LEVEL SECURITY;
ALTER TABLE tips FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tips USING (current_setting('app.scope', true) = 'worker');

-- Warning_runs is how far each day's scoring has come.
CREATE TABLE warning_runs (
    on_date  date PRIMARY KEY,
    after_id text COLLATE "C" NOT NULL DEFAULT '',
    done     boolean NOT NULL DEFAULT false
);

-- Warning_arms is which institutions are kept free of the score, by a lot that is
-- drawn once for each, under the rule that was in force then.
CREATE TABLE warning_arms (
    institution_id text COLLATE "C" PRIMARY KEY REFERENCES institutions,
    control        boolean NOT NULL,
    ground         jsonb   NOT NULL,
    assigned_on    date    NOT NULL
);

-- Warnings is the last score of each institution; warning_changes is when its band
-- changed, for ever. Of those kept free of the score only workers see them.
CREATE TABLE warnings (
    institution_id text COLLATE "C" PRIMARY KEY REFERENCES warning_arms,
    control        boolean NOT NULL,
    on_date        date    NOT NULL,
    points         int     NOT NULL CHECK (points >= 0),
    band           text    NOT NULL CHECK (band IN ('NONE', 'YELLOW', 'RED')),
    since          date    NOT NULL CHECK (since <= on_date),
    reasons        jsonb   NOT NULL
);
CREATE TABLE warning_changes (
    institution_id text COLLATE "C" NOT NULL REFERENCES warning_arms,
    on_date        date    NOT NULL,
    control        boolean NOT NULL,
    points         int     NOT NULL,
    band           text    NOT NULL CHECK (band IN ('NONE', 'YELLOW', 'RED')),
    was            text    NOT NULL CHECK (was <> band),
    reasons        jsonb   NOT NULL,
    PRIMARY KEY (institution_id, on_date)
);
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON warning_changes FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- +goose StatementBegin
DO $$
DECLARE t text; free text;
BEGIN
    FOREACH t IN ARRAY ARRAY['warning_arms', 'warnings', 'warning_changes'] LOOP
        free := CASE t WHEN 'warning_arms' THEN '' ELSE 'NOT control AND ' END;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I USING (current_setting(''app.scope'', true) = ''worker'' OR (%s EXISTS (
            SELECT FROM institutions i WHERE i.id = institution_id AND in_scope(i.jurisdiction, ARRAY[''education''], ARRAY[i.manager]))))', t, free);
    END LOOP;
END
$$;
-- +goose StatementEnd
