-- +goose Up
-- +goose StatementBegin
-- Object_by is the last day on which a parent may say that a lesson, which silence
-- confirmed, was not given. Its refund is then the id of the refund that was asked for;
-- the lesson stays confirmed, for what was paid out stays paid out.
ALTER TABLE lessons
    ADD COLUMN object_by date,
    ADD CHECK (object_by IS NULL OR by_silence);
ALTER TABLE refunds
    DROP CONSTRAINT refunds_basis_check,
    ADD CONSTRAINT refunds_basis_check CHECK (basis IN ('not_given', 'contract_free', 'cooling_off', 'operator', 'consumer'));
-- +goose StatementEnd
