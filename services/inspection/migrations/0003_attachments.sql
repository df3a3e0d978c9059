-- +goose Up
-- +goose StatementBegin
-- attachments is what pkg/attach keeps of photos. bound_to is the visit, and item
-- the finding of it; or the rectification; '' before either says so, and then only
-- who sent it sees it.
CREATE TABLE attachments (
    id       text COLLATE "C" PRIMARY KEY,
    bound_to text COLLATE "C" NOT NULL DEFAULT '',
    item     text NOT NULL DEFAULT '',
    sum      text NOT NULL CHECK (sum ~ '^[0-9a-f]{64}$'),
    sent     text NOT NULL CHECK (sent ~ '^[0-9a-f]{64}$'), -- as the device kept it: evidence
    size     integer NOT NULL CHECK (size > 0),
    width    integer NOT NULL CHECK (width > 0),
    height   integer NOT NULL CHECK (height > 0),
    added_on date NOT NULL,
    added_by text NOT NULL CHECK (added_by <> ''),
    stored   boolean NOT NULL DEFAULT false,
    CHECK (bound_to = '' OR stored)
);
CREATE INDEX attachments_of ON attachments (bound_to, item, id) WHERE bound_to <> '';
CREATE INDEX attachments_waiting ON attachments (added_on) WHERE bound_to = '';
ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON attachments USING (in_scope('', '{}', '{}')
    OR bound_to = '' AND added_by = current_setting('app.person', true)
    OR EXISTS (SELECT FROM findings f WHERE f.visit_id = bound_to AND f.item = attachments.item)
    OR item = '' AND EXISTS (SELECT FROM rectifications r WHERE r.id = bound_to));
-- +goose StatementEnd
