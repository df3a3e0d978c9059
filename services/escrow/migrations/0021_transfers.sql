-- +goose Up
-- +goose StatementBegin
-- What a family takes along to another institution is no refund: the bank is told whose
-- supervised account it goes to.
ALTER TABLE instructions
    DROP CONSTRAINT instructions_purpose_check,
    ADD CONSTRAINT instructions_purpose_check CHECK (purpose IN ('release', 'refund', 'transfer')),
    ADD COLUMN payee_bank text COLLATE "C" NOT NULL DEFAULT '',      -- of a transfer
    ADD COLUMN payee_agreement text COLLATE "C" NOT NULL DEFAULT '', -- of the other institution's account in custody
    ADD CHECK ((purpose = 'transfer') = (payee_bank <> '') AND (purpose = 'transfer') = (payee_agreement <> ''));
CREATE INDEX paybacks_transferred ON paybacks (route) WHERE new_contract <> '';
-- +goose StatementEnd
