-- +goose Up
-- +goose StatementBegin
-- wanted_by is the inspection's request that an entry comes of: one entry for each.
-- superseded_by is the entry on the other list that ended this one, to which it
-- gives way again if that is set aside.
ALTER TABLE list_entries
    ADD COLUMN wanted_by         text NOT NULL DEFAULT '',
    ADD COLUMN statement         text NOT NULL DEFAULT '',
    ADD COLUMN stated_on         date,
    ADD COLUMN set_aside         boolean NOT NULL DEFAULT false,
    ADD COLUMN set_aside_account text NOT NULL DEFAULT '',
    ADD COLUMN set_aside_by      text NOT NULL DEFAULT '',
    ADD COLUMN document          text NOT NULL DEFAULT '',
    ADD COLUMN superseded_by     uuid REFERENCES list_entries,
    ADD CHECK ((stated_on IS NULL) = (statement = '')),
    ADD CHECK (list = 'BLACK' OR stated_on IS NULL),
    ADD CHECK (NOT set_aside OR state = 'REMOVED' AND document <> '' AND set_aside_account <> decided_account), -- other eyes
    ADD CHECK (superseded_by IS NULL OR state = 'REMOVED');
CREATE UNIQUE INDEX list_entries_wanted ON list_entries (wanted_by) WHERE wanted_by <> '';
CREATE UNIQUE INDEX list_entries_superseded ON list_entries (superseded_by) WHERE superseded_by IS NOT NULL;

-- Entries that were ended by another before this was kept: the one that began on
-- that day, if there was only one.
SELECT set_config('app.scope', 'worker', true);
UPDATE list_entries AS old SET superseded_by = (
    SELECT min(new.id::text)::uuid FROM list_entries AS new
    WHERE new.institution_id = old.institution_id AND new.list <> old.list AND new.since = old.removed_on
    HAVING count(*) = 1)
WHERE state = 'REMOVED' AND reason = '列入另一名单，原列入终止'
  AND 1 = (SELECT count(*) FROM list_entries AS other WHERE other.institution_id = old.institution_id
      AND other.removed_on = old.removed_on AND other.reason = old.reason);
-- +goose StatementEnd
