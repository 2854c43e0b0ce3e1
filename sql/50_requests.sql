-- Requests: what a preview showed, who decided on it, and whether it was run. Like the record, plain tables.

CREATE SEQUENCE backstop.request_id_seq;

CREATE TABLE backstop.request_log (
    request_id bigint NOT NULL,
    requested_at timestamptz NOT NULL,
    session_role text NOT NULL,
    role text NOT NULL,
    application_name text,
    client_addr inet,
    pid int NOT NULL,
    reason text,
    statement text NOT NULL,
    parameters jsonb,
    -- The weakest kind of approval that the tables it destroys rows of accept.
    kind text NOT NULL,
    rows bigint NOT NULL,
    expendable_rows bigint NOT NULL,
    -- An undecided request is open until then.
    expires_at timestamptz NOT NULL,
    -- The secret under which the rows' fingerprints were made: nobody who knows the rows can make others that fit.
    fingerprint_key bytea NOT NULL,
    -- approved or denied, and by whom.
    decision text,
    decided_at timestamptz,
    decided_by text,
    decision_reason text,
    -- SHA-256 of the token; the token itself is stored nowhere.
    token_hash bytea,
    token_kind text,
    token_expires_at timestamptz,
    used_at timestamptz,
    used_statement_id bigint,
    CONSTRAINT request_log_pkey PRIMARY KEY (request_id)
);

-- One row per relation, operation and cause, in cascade order. For a sequence, sample says from where to where.
CREATE TABLE backstop.request_step (
    request_id bigint NOT NULL,
    step int NOT NULL,
    relation text NOT NULL,
    relid oid NOT NULL,
    operation text NOT NULL,
    cause text,
    rows bigint NOT NULL,
    expendable_rows bigint NOT NULL,
    columns text[] NOT NULL,
    cleared_columns text[] NOT NULL,
    rules text[] NOT NULL,
    sample jsonb,
    CONSTRAINT request_step_pkey PRIMARY KEY (request_id, step)
);

-- Row images as in backstop.image_chunk. fingerprints holds 16 bytes for each row, in order.
CREATE TABLE backstop.request_chunk (
    request_id bigint NOT NULL,
    chunk_number bigint NOT NULL,
    step int NOT NULL,
    row_count int NOT NULL,
    key_count smallint NOT NULL,
    columns text[] NOT NULL,
    images bytea NOT NULL,
    fingerprints bytea NOT NULL,
    CONSTRAINT request_chunk_pkey PRIMARY KEY (request_id, chunk_number)
);

-- Images are compressed already, and hashes do not compress.
ALTER TABLE backstop.request_chunk ALTER COLUMN images SET STORAGE EXTERNAL;
ALTER TABLE backstop.request_chunk ALTER COLUMN fingerprints SET STORAGE EXTERNAL;

SELECT pg_catalog.pg_extension_config_dump('backstop.request_log', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.request_step', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.request_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.request_id_seq', '');

CREATE FUNCTION backstop.preview(statement text, reason text DEFAULT NULL)
RETURNS TABLE (request_id bigint, step int, relation text, operation text, cause text, rows bigint,
    expendable_rows bigint, columns text[], cleared_columns text[], rules text[], sample jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview';

-- A statement with parameters. A function of its own, as in the other places where an argument is our addition: a GRANT
-- names a function by all of its arguments.
CREATE FUNCTION backstop.preview(statement text, reason text, parameters jsonb)
RETURNS TABLE (request_id bigint, step int, relation text, operation text, cause text, rows bigint,
    expendable_rows bigint, columns text[], cleared_columns text[], rules text[], sample jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview';

CREATE FUNCTION backstop.approve(request_id bigint, reason text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_approve';

CREATE FUNCTION backstop.run(token text)
RETURNS TABLE (relation text, operation text, rows bigint, statement_id bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_run';

REVOKE ALL ON FUNCTION backstop.approve(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backstop.preview(text, text), backstop.preview(text, text, jsonb), backstop.run(text) TO PUBLIC;
