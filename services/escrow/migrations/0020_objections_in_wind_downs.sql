-- +goose Up
-- +goose StatementBegin
-- What a parent says of a lesson that silence confirmed is part of what the institution's
-- end owes to his family.
SET LOCAL app.scope = 'worker';

-- objections is the refunds by which the parent asks for such fees, objected what they
-- come to, of the amount, and kept what of held waits on frozen.
ALTER TABLE families
    ADD COLUMN objections text[] NOT NULL DEFAULT '{}',
    ADD COLUMN objected bigint NOT NULL DEFAULT 0 CHECK (objected >= 0),
    ADD COLUMN kept bigint NOT NULL DEFAULT 0 CHECK (kept BETWEEN 0 AND held);
CREATE INDEX refunds_objections ON refunds (institution_id, contract_id) WHERE basis = 'not_given' AND state IN ('REQUESTED', 'REJECTED', 'MEDIATION', 'UNSETTLED');

-- over: every family is paid, and what comes up now is for whoever liquidates.
ALTER TABLE payouts DROP CONSTRAINT payouts_winding_check, ADD CONSTRAINT payouts_winding_check CHECK (winding IN ('', 'begun', 'frozen', 'over'));
UPDATE payouts p SET winding = 'over' WHERE winding = 'begun'
    AND NOT EXISTS (SELECT FROM wind_downs w WHERE w.institution_id = p.institution_id AND w.state IN ('PROPOSED', 'OPEN', 'PAYING'));
-- +goose StatementEnd
