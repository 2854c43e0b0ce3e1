-- What was refused, in observe mode what would have been, and changes of backstop.mode. Written by a background worker,
-- so that it outlives the rollback of what was refused; with pg_backstop in shared_preload_libraries only.
CREATE SEQUENCE backstop.rejection_id_seq;

CREATE TABLE backstop.rejection (
    rejection_id bigint NOT NULL,
    at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    rule text NOT NULL,
    message text NOT NULL,
    query text,
    session_role name NOT NULL,
    role name NOT NULL,
    application_name text,
    client_addr inet,
    pid int NOT NULL,
    relation text,
    rows_seen bigint
);
CREATE INDEX rejection_at ON backstop.rejection (at);
-- No key: while a dump is restored, what is observed and changes of the mode are written under numbers that the dump's rows
-- have too. It can be published all the same: prune() deletes from it.
ALTER TABLE backstop.rejection REPLICA IDENTITY FULL;

SELECT pg_catalog.pg_extension_config_dump('backstop.rejection', '');
SELECT pg_catalog.pg_extension_config_dump('backstop.rejection_id_seq', '');
