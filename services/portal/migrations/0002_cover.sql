-- +goose Up
-- +goose StatementBegin
-- covers is how far each institution's prepayments are covered, in a band, as escrow
-- published it. It may come before the institution itself does.
CREATE TABLE covers (
    institution text PRIMARY KEY,
    band        text NOT NULL, -- '' is none
    since       date NOT NULL
);
-- +goose StatementEnd
