-- What DDL took away besides rows, as the SQL that brings it back, in the order of "ordinal": what stands before the rows
-- are put back, and what is added after them. Written by PostgreSQL's own printing functions, readable without this library.
CREATE TABLE backstop.definition (
    statement_id bigint NOT NULL,
    ordinal int NOT NULL,
    relation text NOT NULL,
    operation text NOT NULL,
    phase text NOT NULL,
    object text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    definition text NOT NULL,
    CONSTRAINT definition_pkey PRIMARY KEY (statement_id, ordinal)
);
COMMENT ON TABLE backstop.definition IS 'definitions of what recorded DDL took away';

SELECT pg_catalog.pg_extension_config_dump('backstop.definition', '');
