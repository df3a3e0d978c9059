-- +goose Up
-- +goose StatementBegin
CREATE TABLE sessions (
    hash         bytea PRIMARY KEY, -- SHA-256 of the cookie's value
    listener     text        NOT NULL CHECK (listener IN ('public', 'staff')),
    subject      text        NOT NULL,
    roles        text[]      NOT NULL,
    agency       text        NOT NULL,
    jurisdiction text        NOT NULL,
    institution  text        NOT NULL,
    created_at   timestamptz NOT NULL, -- machine time, as all of these
    seen_at      timestamptz NOT NULL
);
CREATE INDEX sessions_created ON sessions (created_at);

-- logins are logins under way: sent to the provider, not yet back.
CREATE TABLE logins (
    hash       bytea PRIMARY KEY, -- SHA-256 of the state
    browser    bytea       NOT NULL, -- SHA-256 of the browser's login cookie
    listener   text        NOT NULL,
    nonce      text        NOT NULL,
    verifier   text        NOT NULL, -- PKCE
    target     text        NOT NULL, -- page to return to
    created_at timestamptz NOT NULL
);
CREATE INDEX logins_created ON logins (created_at);

-- grams is each character of a text and each pair of neighbours, once. A text
-- contains another only if its grams contain the other's; pg_trgm would need
-- three characters, and Chinese names are looked for by two, or one.
CREATE FUNCTION grams(words text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(words, i, n)), '{}') FROM generate_series(1, length(words)) i, generate_series(1, 2) n
$$;

-- institutions is the public directory: a copy of what licensing published.
-- Who manages an institution is not in it.
CREATE TABLE institutions (
    id             text PRIMARY KEY,
    name           text NOT NULL,
    jurisdiction   text NOT NULL,
    address        text NOT NULL,
    category       text NOT NULL,
    item           text NOT NULL,
    kind           text NOT NULL,
    mode           text NOT NULL,
    status         text NOT NULL,
    status_since   date,
    licence_number text NOT NULL,
    valid_from     date,
    valid_until    date,
    issued_by      text NOT NULL,
    uscc           text NOT NULL,
    legal_form     text NOT NULL,
    capacity       integer NOT NULL,
    list           text NOT NULL, -- WHITE, BLACK or ''
    list_since     date,
    list_until     date,
    list_basis     text NOT NULL,
    list_by        text NOT NULL,
    list_objection text NOT NULL,
    words          text NOT NULL, -- what a search looks at, normalised
    grams          text[] NOT NULL GENERATED ALWAYS AS (grams(words)) STORED,
    changed_at     timestamptz NOT NULL -- when this copy was last brought up to date
);
CREATE INDEX institutions_grams ON institutions USING gin (grams);
CREATE INDEX institutions_place ON institutions (jurisdiction text_pattern_ops);
CREATE INDEX institutions_order ON institutions (name COLLATE "C", id);
CREATE INDEX institutions_changed ON institutions (changed_at);
-- +goose StatementEnd
