-- +goose Up
-- +goose StatementBegin
-- How far what stands behind an institution's prepayments covers them, as the public
-- may know it: a band and since when, no figure.
CREATE TABLE cover_bands (
    institution_id text COLLATE "C" PRIMARY KEY REFERENCES institutions,
    band           text NOT NULL CHECK (band IN ('', 'ENOUGH', 'LOW', 'SHORT')), -- '' is none: nothing is prepaid
    since          date NOT NULL -- the day whose reconciliation showed it
);
-- +goose StatementEnd
