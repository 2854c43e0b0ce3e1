-- What is protected. Readable by everyone; written only by the policy functions.

CREATE TABLE backstop.registered_table (
    relation regclass PRIMARY KEY,
    key_columns text[] NOT NULL,
    max_rows bigint CHECK (max_rows >= 0),
    expendable text,
    require text NOT NULL CHECK (require IN ('over_limit', 'always')),
    approval text NOT NULL CHECK (approval IN ('session', 'preview', 'second_person')),
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    registered_by text NOT NULL DEFAULT SESSION_USER
);

CREATE TABLE backstop.registered_column (
    relation regclass NOT NULL,
    column_name text NOT NULL,
    upstream text NOT NULL,
    PRIMARY KEY (relation, column_name)
);

CREATE TABLE backstop.registered_sequence (
    sequence regclass PRIMARY KEY,
    max_step bigint NOT NULL CHECK (max_step >= 0),
    min_value bigint,
    max_value bigint,
    allow_backward boolean NOT NULL
);

-- Rows inserted by anything but the policy functions (pg_restore, say) must reach every session's cache too. Changing and
-- removing rows is refused to everything else.
CREATE FUNCTION backstop.registry_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_registry_changed';

CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON backstop.registered_table
FOR EACH STATEMENT EXECUTE FUNCTION backstop.registry_changed();
ALTER TABLE backstop.registered_table ENABLE ALWAYS TRIGGER registry_changed;
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON backstop.registered_column
FOR EACH STATEMENT EXECUTE FUNCTION backstop.registry_changed();
ALTER TABLE backstop.registered_column ENABLE ALWAYS TRIGGER registry_changed;
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON backstop.registered_sequence
FOR EACH STATEMENT EXECUTE FUNCTION backstop.registry_changed();
ALTER TABLE backstop.registered_sequence ENABLE ALWAYS TRIGGER registry_changed;

CREATE VIEW backstop.protected_table AS
SELECT relation, key_columns, max_rows, expendable, require, approval, registered_at, registered_by
FROM backstop.registered_table;

CREATE VIEW backstop.protected_column AS
SELECT relation, column_name, upstream FROM backstop.registered_column;

CREATE VIEW backstop.protected_sequence AS
SELECT sequence, max_step, min_value, max_value, allow_backward FROM backstop.registered_sequence;

-- Tables that rows of a protected table take down with them, with the foreign key that does it.
CREATE VIEW backstop.follower AS
WITH RECURSIVE member(relation) AS (
    SELECT relation::oid FROM backstop.registered_table
    UNION
    SELECT i.inhrelid FROM member AS m JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.relation
), edge(child, parent, constraint_oid) AS (
    SELECT conrelid, confrelid, oid FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
), reached(relation, parent, constraint_oid) AS (
    SELECT e.child, e.parent, e.constraint_oid FROM edge AS e JOIN member AS m ON e.parent = m.relation
    UNION
    SELECT e.child, e.parent, e.constraint_oid FROM reached AS r JOIN edge AS e ON e.parent = r.relation
)
SELECT r.relation::regclass AS relation, r.parent::regclass AS parent, c.conname AS constraint_name,
       c.confdeltype AS on_delete, c.confupdtype AS on_update
FROM reached AS r JOIN pg_catalog.pg_constraint AS c ON c.oid = r.constraint_oid
-- A key's copies for partitions go with it, save where it is the partition that is protected.
WHERE NOT EXISTS (SELECT FROM reached AS whole WHERE whole.constraint_oid = c.conparentid);

-- What is gone (dropped while the mode was off) has no name left: its number would be another relation's where the dump is
-- loaded.
SELECT pg_catalog.pg_extension_config_dump('backstop.registered_table',
    'WHERE relation OPERATOR(pg_catalog.=) ANY (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('backstop.registered_column',
    'WHERE relation OPERATOR(pg_catalog.=) ANY (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('backstop.registered_sequence',
    'WHERE sequence OPERATOR(pg_catalog.=) ANY (SELECT oid FROM pg_catalog.pg_class)');

GRANT SELECT ON backstop.registered_table, backstop.registered_column, backstop.registered_sequence,
    backstop.protected_table, backstop.protected_column, backstop.protected_sequence, backstop.follower TO PUBLIC;
