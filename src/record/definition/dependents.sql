-- What sits on the columns $3 (smallint[]) of the tables $2 (oid[]) by an expression: checks, exclusion constraints, indexes,
-- statistics. ALTER COLUMN TYPE makes them anew from what they look like, without the casts that the new type makes
-- needless and with its operators: the way back is not the way there. An index of a partitioned table has its partitions' with
-- it, whatever it is made of, because PostgreSQL gives those other names. A child's part that is only inherited is its
-- parent's. It belongs to the record of the table $1 (oid[] of one). Besides the definition, its class and OID, and its index's.
WITH RECURSIVE a AS (
    SELECT DISTINCT relid, attnum FROM unnest($2::oid[], $3::smallint[]) AS x(relid, attnum)
), lineage(relid, depth) AS (
    SELECT relid, 0 FROM a
    UNION
    SELECT i.inhrelid, l.depth + 1 FROM lineage AS l JOIN pg_inherits AS i ON i.inhparent = l.relid
    WHERE i.inhrelid IN (SELECT relid FROM a) AND l.depth < 1000
), t AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS full_name, (SELECT max(l.depth) FROM lineage AS l WHERE l.relid = c.oid) AS depth
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid IN (SELECT relid FROM a)
), d AS (
    SELECT DISTINCT d.classid, d.objid FROM a JOIN pg_depend AS d
        ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relid AND d.refobjsubid = a.attnum
), i AS (
    SELECT x.*, ic.relkind, ic.relispartition, format('%I.%I', n.nspname, ic.relname) AS full_name, k.oid AS conid,
           t.full_name AS object, t.depth, x.indexprs IS NOT NULL OR x.indpred IS NOT NULL AS computes
    FROM t JOIN pg_index AS x ON x.indrelid = t.oid JOIN pg_class AS ic ON ic.oid = x.indexrelid
    JOIN pg_namespace AS n ON n.oid = ic.relnamespace
    LEFT JOIN pg_constraint AS k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')
    WHERE EXISTS (SELECT FROM a WHERE a.relid = t.oid AND a.attnum = ANY (x.indkey::smallint[]))
        OR EXISTS (SELECT FROM d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid)
), part(rank, depth, object, kind, name, definition, classid, oid, indexid) AS (
    -- A child's own joins its parent's.
    SELECT 43, t.depth, t.full_name, 'constraint', k.conname::text,
           format('ALTER TABLE %s ADD CONSTRAINT %I ', t.full_name, k.conname) || pg_get_constraintdef(k.oid),
           'pg_constraint'::regclass, k.oid, k.conindid
    FROM t JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype = 'c' AND k.conislocal
    WHERE EXISTS (SELECT FROM d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid)
    UNION ALL
    SELECT 43, i.depth, i.object, 'constraint', k.conname::text,
           format('ALTER TABLE %s ADD CONSTRAINT %I ', i.object, k.conname) || pg_get_constraintdef(k.oid),
           'pg_constraint'::regclass, k.oid, k.conindid
    FROM i JOIN pg_constraint AS k ON k.oid = i.conid AND k.contype = 'x' AND k.conparentid = 0
    WHERE i.computes
    UNION ALL
    -- The partitions' first: the parent's takes them in.
    SELECT 44, -i.depth, i.object, 'index', i.full_name,
           CASE WHEN i.relkind = 'I' AND i.indisvalid THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
                ELSE pg_get_indexdef(i.indexrelid) END,
           'pg_class'::regclass, i.indexrelid, i.indexrelid
    FROM i WHERE i.conid IS NULL AND (i.computes OR i.relkind = 'I' OR i.relispartition)
    UNION ALL
    SELECT 45, -i.depth, i.object, 'attachment', i.full_name, format('ALTER INDEX %s ATTACH PARTITION %s', p.full_name, i.full_name),
           'pg_class'::regclass, i.indexrelid, i.indexrelid
    FROM i JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid JOIN i AS p ON p.indexrelid = h.inhparent WHERE i.conid IS NULL AND p.conid IS NULL
    UNION ALL
    SELECT 46, 0, t.full_name, 'statistics', format('%I.%I', n.nspname, e.stxname), pg_get_statisticsobjdef(e.oid),
           'pg_statistic_ext'::regclass, e.oid, 0
    FROM t JOIN pg_statistic_ext AS e ON e.stxrelid = t.oid AND e.stxexprs IS NOT NULL JOIN pg_namespace AS n ON n.oid = e.stxnamespace
    WHERE EXISTS (SELECT FROM d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = e.oid)
)
SELECT rank, depth, ($1::oid[])[1], object, kind, name, definition, classid::oid, oid, indexid
FROM part ORDER BY rank, depth, object, name, definition
