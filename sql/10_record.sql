-- The record: what destructive statements destroyed. Plain tables and plain SQL views, so that it can be read, dumped and
-- restored where this extension's library cannot be loaded. Long images are zstd frames: the views need a function that
-- reads those, which rescue/unpacked.sql has in PL/pgSQL.

GRANT USAGE ON SCHEMA backstop TO PUBLIC;

CREATE SEQUENCE backstop.statement_id_seq;
CREATE SEQUENCE backstop.chunk_id_seq;

-- One row for every root statement that destroyed something. A statement that destroyed few rows of one relation keeps
-- their images here (the image_* columns), so that a single-row UPDATE costs one heap insert; others use image_chunk.
CREATE TABLE backstop.statement_log (
    statement_id bigint NOT NULL,
    at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    session_role text NOT NULL,
    role text NOT NULL,
    application_name text,
    client_addr inet,
    pid int NOT NULL,
    query text,
    parameters jsonb,
    operations text[] NOT NULL,
    relations text[] NOT NULL,
    rows bigint NOT NULL,
    approval jsonb,
    reverts bigint,
    image_chunk_id bigint,
    image_relid oid,
    image_operation text,
    image_cause text,
    image_row_count int,
    image_key_count smallint,
    image_columns text[],
    images bytea,
    reverts_since timestamptz,
    CONSTRAINT statement_log_pkey PRIMARY KEY (statement_id)
);

-- What happened since then: every question to the record begins with a time. A BRIN index costs a single-row statement
-- next to nothing (a btree on "at" was measured at a fifth more of its CPU time); relations and keys are looked for in
-- what it leaves.
CREATE INDEX statement_log_at ON backstop.statement_log USING brin (at);

-- Row images, many to a chunk. chunk_id is drawn when the chunk is written, while the rows' locks are still held: for
-- any one row, chunk order is the order in which it was really changed. images is a JSON array with one array per row:
-- [number, column values in the order of "columns" ..., for an UPDATE an object of changed columns]. A row's ordinal within
-- the statement is its number and the rows before it in the chunk.
-- first_ordinal is that of its first row.
-- A value is a JSON number or boolean where that is lossless, else the text PostgreSQL prints for it; SQL NULL is null.
-- The array is stored as it is (it begins with "[") or, where it is long, as a zstd frame.
CREATE TABLE backstop.image_chunk (
    chunk_id bigint NOT NULL,
    statement_id bigint NOT NULL,
    relation text NOT NULL,
    relid oid NOT NULL,
    operation text NOT NULL,
    cause text,
    first_ordinal bigint NOT NULL,
    row_count int NOT NULL,
    key_count smallint NOT NULL,
    columns text[] NOT NULL,
    images bytea NOT NULL,
    CONSTRAINT image_chunk_pkey PRIMARY KEY (statement_id, chunk_id)
);

CREATE TABLE backstop.sequence_change (
    statement_id bigint NOT NULL,
    sequence text NOT NULL,
    operation text NOT NULL,
    old_value bigint,
    old_is_called boolean,
    new_value bigint,
    new_is_called boolean,
    -- From the sequence of the chunks: the order of the changes.
    change_id bigint
);
CREATE INDEX sequence_change_statement_id ON backstop.sequence_change (statement_id);

-- What became of the columns of recorded tables, in the order of the changes (change_id is of the sequence of the chunks):
-- their new names, NULL for a column that was dropped (by statement_id, where that is recorded). Where both names are the same,
-- a restore brought back the column that statement_id had dropped. Without a column it is what became of the table itself, in the
-- same words: relid is what it has been since. Where converted_by is there, that statement changed the column's type, undoing what
-- statement_id, if any, had made of it; as_written: its values are read from images of before as the conversion left them.
-- The images of before have the former names. Never pruned.
CREATE TABLE backstop.column_change (
    change_id bigint NOT NULL,
    relation text NOT NULL,
    relid oid NOT NULL,
    column_name text,
    new_name text,
    statement_id bigint,
    converted_by bigint,
    as_written boolean,
    CONSTRAINT column_change_pkey PRIMARY KEY (change_id)
);

-- When transactions committed that had written statements before: a row for each transaction block, naming the ids
-- between which its statements lie. A statement without one committed when it ended (statement_log.at).
CREATE TABLE backstop.committed (
    xid xid8 NOT NULL,
    first_statement_id bigint NOT NULL,
    last_statement_id bigint NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX committed_at ON backstop.committed (at);

-- What backstop.prune() removed: everything that was committed before up_to.
CREATE TABLE backstop.pruned (
    at timestamptz NOT NULL,
    role text NOT NULL,
    up_to timestamptz NOT NULL,
    statements bigint NOT NULL
);

-- Tables without a primary key can be published, too: prune() deletes from them.
ALTER TABLE backstop.sequence_change REPLICA IDENTITY FULL;
ALTER TABLE backstop.committed REPLICA IDENTITY FULL;
ALTER TABLE backstop.pruned REPLICA IDENTITY FULL;

-- What is worth compressing is compressed already.
ALTER TABLE backstop.statement_log ALTER COLUMN images SET STORAGE EXTERNAL;
ALTER TABLE backstop.image_chunk ALTER COLUMN images SET STORAGE EXTERNAL;

CREATE FUNCTION backstop.unpacked(images bytea) RETURNS json
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'backstop_unpacked';
COMMENT ON FUNCTION backstop.unpacked(bytea) IS 'the JSON array of row images that is stored as it is or as a zstd frame';
-- Said outright, because a database may have revoked PUBLIC's default.
GRANT EXECUTE ON FUNCTION backstop.unpacked(bytea) TO PUBLIC;

CREATE VIEW backstop.statement AS
SELECT statement_id, at, xid, session_role::name, role::name, application_name, client_addr, pid, query, parameters,
       operations, relations, rows, approval, reverts, reverts_since
FROM backstop.statement_log;

-- Every chunk, wherever it is kept.
CREATE VIEW backstop.chunk AS
SELECT image_chunk_id AS chunk_id, statement_id, relations[1] AS relation, image_relid AS relid,
       image_operation AS operation, image_cause AS cause,
       image_row_count AS row_count, image_key_count AS key_count, image_columns AS columns,
       backstop.unpacked(images) AS images
FROM backstop.statement_log
WHERE image_chunk_id IS NOT NULL
UNION ALL
SELECT chunk_id, statement_id, relation, relid, operation, cause, row_count, key_count, columns,
       backstop.unpacked(images)
FROM backstop.image_chunk;

-- One image becomes jsonb at a time. jsonb holds 256 MB: of a row that is larger, the large values are named by their
-- size, so that they hide no other value and no other row. backstop.chunk has them in full, and restore reads that.
CREATE VIEW backstop.preimage AS
SELECT c.statement_id, c.relation, c.operation, c.cause,
       (image.value ->> 0)::bigint + image.before AS ordinal,
       (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
        FROM pg_catalog.generate_series(1, c.key_count::int) AS n) AS key,
       CASE WHEN c.operation <> 'INSERT' THEN
           (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
            FROM pg_catalog.generate_series(1, pg_catalog.cardinality(c.columns)) AS n) END AS old_row,
       CASE c.operation
           WHEN 'UPDATE' THEN image.value -> (pg_catalog.cardinality(c.columns) + 1)
           WHEN 'INSERT' THEN
               (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
                FROM pg_catalog.generate_series(1, pg_catalog.cardinality(c.columns)) AS n)
       END AS new_values
FROM backstop.chunk AS c
CROSS JOIN LATERAL (
    SELECT CASE WHEN pg_catalog.octet_length(row_image::text) < 260000000 THEN row_image::jsonb ELSE
               (SELECT pg_catalog.jsonb_agg(
                           CASE WHEN pg_catalog.octet_length(part::text) < 80000 THEN part::jsonb
                                WHEN pg_catalog.json_typeof(part) = 'object' THEN
                                    (SELECT pg_catalog.jsonb_object_agg(key,
                                                CASE WHEN pg_catalog.octet_length(member::text) < 80000 THEN member::jsonb
                                                     ELSE pg_catalog.to_jsonb(pg_catalog.format('(%s bytes)',
                                                              pg_catalog.octet_length(member::text))) END)
                                     FROM pg_catalog.json_each(part) AS changed(key, member))
                                ELSE pg_catalog.to_jsonb(pg_catalog.format('(%s bytes)', pg_catalog.octet_length(part::text)))
                           END ORDER BY place)
                FROM pg_catalog.json_array_elements(row_image) WITH ORDINALITY AS member(part, place))
           END AS value, nth - 1 AS before
    FROM pg_catalog.json_array_elements(c.images) WITH ORDINALITY AS element(row_image, nth)
    OFFSET 0 -- one conversion per row, not one per column
) AS image;

SELECT pg_catalog.pg_extension_config_dump('backstop.statement_log', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.image_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.sequence_change', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.column_change', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.committed', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.pruned', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.statement_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.chunk_id_seq', '');
