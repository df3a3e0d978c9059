-- +goose Up
-- +goose StatementBegin
-- stream counts the events of each key, so that who applies them can tell a gap.
CREATE TABLE stream (
    topic   text   NOT NULL,
    key     text   NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 70);

ALTER TABLE outbox ADD COLUMN version bigint NOT NULL DEFAULT 0; -- 0: from before events were counted

-- progress is how far a consumer is with each key.
CREATE TABLE progress (
    consumer text   NOT NULL,
    topic    text   NOT NULL,
    key      text   NOT NULL,
    last     bigint NOT NULL,                                  -- version of the last event applied or discarded; 0: none yet
    parked   int    NOT NULL DEFAULT 0 CHECK (parked >= 0),    -- rows in parked; while there are any the key is halted
    PRIMARY KEY (consumer, topic, key)
) WITH (fillfactor = 70);

ALTER TABLE parked
    ADD COLUMN version   bigint NOT NULL DEFAULT 0,
    ADD COLUMN stack     text   NOT NULL DEFAULT '',
    ADD COLUMN partition int    NOT NULL DEFAULT -1,
    ADD COLUMN position  bigint NOT NULL DEFAULT -1; -- its offset
INSERT INTO progress (consumer, topic, key, last, parked) SELECT consumer, topic, key, 0, count(*) FROM parked GROUP BY 1, 2, 3;
DROP INDEX parked_key;
CREATE INDEX parked_key ON parked (consumer, topic, key, version, id);

CREATE FUNCTION count_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO progress (consumer, topic, key, last, parked) VALUES (NEW.consumer, NEW.topic, NEW.key, 0, 1)
        ON CONFLICT (consumer, topic, key) DO UPDATE SET parked = progress.parked + 1;
    ELSE
        UPDATE progress SET parked = parked - 1 WHERE consumer = OLD.consumer AND topic = OLD.topic AND key = OLD.key;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_parked AFTER INSERT OR DELETE ON parked FOR EACH ROW EXECUTE FUNCTION count_parked();

-- What is pruned or sent again is found by its age.
CREATE INDEX outbox_at ON outbox USING brin (at);
CREATE INDEX inbox_at ON inbox USING brin (at);
CREATE INDEX once_at ON once USING brin (at);

-- mending is what was asked for by one operator: to release or to discard what is
-- parked under a key. mended is how that ended, by the word of another. Neither is
-- ever changed.
CREATE TABLE mending (
    id       uuid        PRIMARY KEY,
    consumer text        NOT NULL,
    topic    text        NOT NULL,
    key      text        NOT NULL,
    deed     text        NOT NULL CHECK (deed IN ('RELEASE', 'DISCARD', 'RESEND')),
    event    text        NOT NULL, -- the one that halted the key when it was asked
    reason   text        NOT NULL CHECK (reason <> ''),
    asked_by text        NOT NULL CHECK (asked_by <> ''),
    at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, asked_by)
);
CREATE TABLE mended (
    mending  uuid        PRIMARY KEY,
    asked_by text        NOT NULL,
    ended_by text        NOT NULL CHECK (ended_by <> ''),
    result   text        NOT NULL CHECK (result IN ('DONE', 'FAILED', 'REFUSED')),
    why      text        NOT NULL, -- it failed or was refused
    events   int         NOT NULL, -- how many took effect, or were sent again
    data     bytea,                -- of the event that was discarded
    at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (mending, asked_by) REFERENCES mending (id, asked_by),
    CONSTRAINT four_eyes CHECK (result = 'REFUSED' OR ended_by <> asked_by)
);

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mending FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mended FOR EACH STATEMENT EXECUTE FUNCTION append_only();
-- +goose StatementEnd
