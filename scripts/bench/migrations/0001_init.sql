-- +goose Up
CREATE TABLE applied (
    contract text NOT NULL,
    lesson   int  NOT NULL,
    PRIMARY KEY (contract, lesson)
);

CREATE TABLE bare (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    data bytea NOT NULL
);
