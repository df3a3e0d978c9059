-- +goose Up
-- +goose StatementBegin
-- in_scope is the second wall: whether the transaction, as pg.InTx marked it,
-- may see a row of this jurisdiction and these people. Without a mark it may not.
CREATE FUNCTION in_scope(jurisdiction text, agencies text[], people text[]) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE current_setting('app.scope', true)
        WHEN 'worker'   THEN true
        WHEN 'official' THEN starts_with(jurisdiction, current_setting('app.division', true))
                         AND current_setting('app.agency', true) = ANY (agencies)
        WHEN 'person'   THEN current_setting('app.person', true) = ANY (people)
        ELSE false
    END
$$;

-- legal_clock is how far trial time is ahead of the machine's.
CREATE TABLE legal_clock (
    one   boolean  PRIMARY KEY DEFAULT true CHECK (one),
    ahead interval NOT NULL CHECK (ahead >= interval '0')
);

-- rule_copy and calendar_copy are this service's own copy of the rulebook.
CREATE TABLE rule_copy (
    key            text NOT NULL,
    jurisdiction   text NOT NULL,
    version        int  NOT NULL,
    value          jsonb NOT NULL,
    unit           text NOT NULL,
    effective_from date NOT NULL,
    effective_to   date,
    source         text NOT NULL,
    provenance     text NOT NULL,
    PRIMARY KEY (key, jurisdiction, version)
);

CREATE TABLE calendar_copy (
    year    int   PRIMARY KEY,
    version int   NOT NULL,
    source  text  NOT NULL,
    days    jsonb NOT NULL
);
-- +goose StatementEnd
