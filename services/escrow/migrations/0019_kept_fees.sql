-- +goose Up
-- +goose StatementBegin
-- A fee that a parent objects to stays where it is, unless the bank was told already to
-- pay it out: then it is the institution's to give back.
SET LOCAL app.scope = 'worker';

-- Kept is what of the lessons' fees waits on frozen, and not on held.
ALTER TABLE refunds ADD COLUMN kept bigint NOT NULL DEFAULT 0 CHECK (kept >= 0);

-- keep books that a fee which was released waits again.
DO $$
DECLARE kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'transfers'::regclass AND conname = 'transfers_kind_check');
BEGIN
    ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
    EXECUTE 'ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check ' || replace(kinds, $q$'reversal'::text$q$, $q$'reversal'::text, 'keep'::text$q$);
END
$$;

-- keep_back takes the fee of a lesson off what the bank is to pay out: it is never
-- ordered or, if it was and the bank was not told, not any more. False if the bank was
-- told. A parent, who asks for it, sees none of these rows.
CREATE FUNCTION keep_back(institution text, contract text, lesson int, fee bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    scope text := as_ledger('worker');
    again text := 'resume/' || contract || '/' || lesson;
    released uuid;
    kept boolean := false;
BEGIN
    SELECT t.id INTO released FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id AND e.account = 'released' AND e.amount = -fee
    WHERE t.institution_id = institution
        AND (t.reference IN ('lesson/' || contract || '/' || lesson, again) OR t.reference >= again || '/' AND t.reference < again || '0')
    ORDER BY t.at DESC, t.id DESC LIMIT 1;
    IF released IS NOT NULL THEN
        INSERT INTO instructed (institution_id, transfer_id, instruction_id) VALUES (institution, released, '') ON CONFLICT DO NOTHING;
        kept := FOUND;
        IF NOT kept THEN
            UPDATE instructions i SET amount = i.amount - fee FROM instructed d
            WHERE d.institution_id = institution AND d.transfer_id = released AND i.institution_id = institution AND i.id = d.instruction_id
                AND i.settlement = '' AND i.amount > fee;
            kept := FOUND;
        END IF;
        IF NOT kept THEN
            DELETE FROM instructions i USING instructed d
            WHERE d.institution_id = institution AND d.transfer_id = released AND i.institution_id = institution AND i.id = d.instruction_id
                AND i.settlement = '' AND i.amount = fee;
            kept := FOUND;
        END IF;
        IF kept THEN
            UPDATE instructed SET instruction_id = '' WHERE institution_id = institution AND transfer_id = released;
        END IF;
    END IF;
    scope := as_ledger(scope);
    RETURN kept;
END
$$;
-- +goose StatementEnd
