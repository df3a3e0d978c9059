-- +goose Up
-- +goose StatementBegin
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

-- Seen is what the fee rules saw when a contract was paid: the orders of its basket,
-- as they stood then. The past is judged anew from it, under the rules of then or
-- under others, however the contracts have moved on. It names nobody.
CREATE TABLE seen (
    institution_id text COLLATE "C" NOT NULL,
    contract_id    text COLLATE "C" NOT NULL,
    jurisdiction   text NOT NULL,
    kind           text NOT NULL, -- the institution's
    paid_on        date NOT NULL,
    orders         json NOT NULL, -- read whole, and by us alone
    PRIMARY KEY (institution_id, contract_id)
);
CREATE TRIGGER unchangeable BEFORE UPDATE OR DELETE OR TRUNCATE ON seen FOR EACH STATEMENT EXECUTE FUNCTION unchangeable();

-- What was seen before: the orders of the basket paid by then, each without the
-- lessons that were taught, and those that were given back, before that day.
SET LOCAL app.scope = 'worker';
INSERT INTO seen (institution_id, contract_id, jurisdiction, kind, paid_on, orders)
SELECT p.institution_id, p.id, p.jurisdiction, i.kind, p.on_day, (
    SELECT json_agg(o ORDER BY o.paid_at, o.contract) FROM (
        SELECT c.id AS contract, c.paid_at,
            count(*) FILTER (WHERE ahead AND NOT l.gift) AS lessons, count(*) FILTER (WHERE ahead AND l.gift) AS gift_lessons,
            min(l.on_date) FILTER (WHERE ahead) AS first, max(l.on_date) FILTER (WHERE ahead) AS last, bool_or(l.taught_on < p.on_day) AS begun,
            (c.price - coalesce(sum(l.fee) FILTER (WHERE l.confirmed_on < p.on_day OR r.paid_on < p.on_day), 0))::bigint AS held
        FROM contracts c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id
            LEFT JOIN refunds r ON r.institution_id = l.institution_id AND r.contract_id = l.contract_id AND r.id = l.refund,
            LATERAL (SELECT (l.taught_on IS NULL OR l.taught_on >= p.on_day) AND (r.paid_on IS NULL OR r.paid_on >= p.on_day) AS ahead) a
        WHERE c.institution_id = p.institution_id AND c.basket = p.basket AND (c.paid_at, c.id) <= (p.paid_at, p.id)
        GROUP BY c.institution_id, c.id
        HAVING bool_or(ahead) OR c.id = p.id OR sum(l.fee) FILTER (WHERE l.confirmed_on < p.on_day OR r.paid_on < p.on_day) < c.price
    ) o)
FROM (SELECT *, (paid_at AT TIME ZONE 'Asia/Shanghai')::date AS on_day FROM contracts WHERE paid_at IS NOT NULL) p
    JOIN institutions i ON i.id = p.institution_id;
ALTER TABLE seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE seen FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON seen FOR SELECT USING (in_scope(jurisdiction, ARRAY['education'], ARRAY[]::text[]));
CREATE POLICY pay ON seen FOR INSERT WITH CHECK (EXISTS (SELECT FROM contracts c WHERE c.institution_id = seen.institution_id AND c.id = seen.contract_id));
-- +goose StatementEnd
