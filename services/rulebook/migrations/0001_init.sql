-- +goose Up
-- +goose StatementBegin
-- A series is one key at one place. Its row is locked while a version is added,
-- so versions count up without a gap and events keep their order.
CREATE TABLE series (
    id           int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL CHECK (key ~ '^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$'),
    jurisdiction text NOT NULL CHECK (jurisdiction ~ '^[0-9]{6}$'),
    UNIQUE (key, jurisdiction)
);

CREATE TABLE rules (
    series         int   NOT NULL REFERENCES series,
    version        int   NOT NULL CHECK (version > 0),
    value          jsonb NOT NULL CHECK (value <> 'null'),
    unit           text  NOT NULL,
    effective_from date  NOT NULL,
    -- The last day in force; NULL is open. The day before effective_from says
    -- that the version was replaced before its time came.
    effective_to   date  CHECK (effective_to >= effective_from - 1),
    source         text  NOT NULL CHECK (source <> ''),
    provenance     text  NOT NULL CHECK (provenance IN ('V', 'P', 'S', 'L', 'memory', 'D')),
    PRIMARY KEY (series, version),
    -- One version at a time. A range of one id stands for equality, which GiST
    -- knows only from an extension.
    CONSTRAINT rules_overlap EXCLUDE USING gist (
        int4range(series, series, '[]') WITH &&,
        daterange(effective_from, effective_to + 1) WITH &&)
);

CREATE TABLE calendars (
    year    int   NOT NULL CHECK (year BETWEEN 2000 AND 2999),
    version int   NOT NULL CHECK (version > 0),
    source  text  NOT NULL CHECK (source <> ''),
    days    jsonb NOT NULL,
    PRIMARY KEY (year, version)
);

-- audit is who changed what, when and why; rows are only ever added.
CREATE TABLE audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(), -- the machine's time
    legal_date   date NOT NULL,
    actor        text NOT NULL CHECK (actor <> ''),
    agency       text NOT NULL,
    place        text NOT NULL, -- the actor's jurisdiction
    action       text NOT NULL CHECK (action IN ('enact', 'repeal', 'publish', 'republish')),
    key          text NOT NULL, -- a rule's, or calendar/ and the year, or '' for all
    jurisdiction text NOT NULL,
    version      int  NOT NULL,
    reason       text NOT NULL CHECK (reason <> '')
);
CREATE INDEX audit_of ON audit (key, jurisdiction, version);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION refuse_change();
-- +goose StatementEnd
