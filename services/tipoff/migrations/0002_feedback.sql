-- +goose Up
-- +goose StatementBegin
-- A reporter may send a tip-off that was answered back once.
ALTER TABLE tips ADD COLUMN reopened_on date;

-- feedback is what reporters say of an answer: of how they were treated and of
-- whether the matter is settled, apart.
CREATE TABLE feedback (
    tip_id   text PRIMARY KEY REFERENCES tips,
    attitude text NOT NULL CHECK (attitude IN ('GOOD', 'FAIR', 'POOR')),
    solved   text NOT NULL CHECK (solved IN ('YES', 'PARTLY', 'NO')),
    given_on date NOT NULL
);
ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON feedback USING (EXISTS (SELECT FROM tips t WHERE t.id = tip_id));
-- +goose StatementEnd
