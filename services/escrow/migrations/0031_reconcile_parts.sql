-- +goose Up
-- +goose StatementBegin
-- A bank's day is reconciled in parts, several at a time: each has institutions of its own,
-- those whose hash leaves its number when divided by the parts.
SET LOCAL app.scope = 'worker';

CREATE TABLE bank_day_parts (
    bank     text COLLATE "C" NOT NULL,
    day      date NOT NULL,
    part     int  NOT NULL CHECK (part >= 0 AND part < parts),
    parts    int  NOT NULL,
    after_id text COLLATE "C" NOT NULL DEFAULT '', -- its institution up to which it is reconciled
    done     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bank, day, part),
    FOREIGN KEY (bank, day) REFERENCES bank_days
);
CREATE INDEX bank_day_parts_open ON bank_day_parts (day, bank, part) WHERE NOT done;

INSERT INTO bank_day_parts (bank, day, part, parts, after_id) SELECT bank, day, 0, 1, after_id FROM bank_days WHERE state = 'RECEIVED';
ALTER TABLE bank_days DROP COLUMN after_id;
-- +goose StatementEnd
