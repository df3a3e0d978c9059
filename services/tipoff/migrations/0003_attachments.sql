-- +goose Up
-- +goose StatementBegin
-- attachments is what pkg/attach keeps of photos: nothing of who sent them, and
-- of the time the day alone. bound_to is the tip-off, '' before it is sent.
CREATE TABLE attachments (
    id       text PRIMARY KEY,
    bound_to text NOT NULL DEFAULT '',
    item     text NOT NULL DEFAULT '',
    sum      text NOT NULL CHECK (sum ~ '^[0-9a-f]{64}$'),
    sent     text NOT NULL CHECK (sent = ''),
    size     integer NOT NULL CHECK (size > 0),
    width    integer NOT NULL CHECK (width > 0),
    height   integer NOT NULL CHECK (height > 0),
    added_on date NOT NULL,
    added_by text NOT NULL CHECK (added_by = ''),
    stored   boolean NOT NULL DEFAULT false,
    CHECK (bound_to = '' OR stored)
);
CREATE INDEX attachments_of ON attachments (bound_to, id) WHERE bound_to <> '';
CREATE INDEX attachments_waiting ON attachments (added_on) WHERE bound_to = '';
ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON attachments USING (in_scope('', '{}', '{}') OR EXISTS (SELECT FROM tips t WHERE t.id = bound_to));
-- +goose StatementEnd
