-- How indexes are kept, besides what their own commands print, and what is known of relations' columns: of every index of the
-- relations $1 (oid[]: tables and views), and of those that go ($2, oid[]: everything that goes) from relations that stay. $3
-- (oid[]): the tables whose record it belongs to.
WITH x AS (
    SELECT ic.*, i.indrelid, i.indisclustered, i.indisreplident, h.relreplident AS identity,
           format('%I.%I', hn.nspname, h.relname) AS object, format('%I.%I', n.nspname, ic.relname) AS full_name,
           coalesce((SELECT t FROM unnest($3::oid[]) AS t WHERE t = h.oid), ($3::oid[])[1]) AS relid
    FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = ic.relnamespace
    JOIN pg_class AS h ON h.oid = i.indrelid JOIN pg_namespace AS hn ON hn.oid = h.relnamespace
    WHERE h.relkind <> 't' AND (h.oid = ANY ($1::oid[]) OR (ic.oid = ANY ($2::oid[]) AND h.oid <> ALL ($2::oid[])))
), r AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])
), s AS (
    SELECT r.oid AS relid, r.full_name AS object, e.*, format('%I.%I', n.nspname, e.stxname) AS full_name
    FROM r JOIN pg_statistic_ext AS e ON e.stxrelid = r.oid JOIN pg_namespace AS n ON n.oid = e.stxnamespace
), command(rank, relid, object, kind, name, definition) AS (
    SELECT 138, relid, object, 'index tablespace', full_name, format('ALTER INDEX %s SET TABLESPACE %I', full_name, ts.spcname)
    FROM x JOIN pg_tablespace AS ts ON ts.oid = x.reltablespace
    UNION ALL
    SELECT 139, relid, object, 'index options', full_name,
           format('ALTER INDEX %s SET (%s)', full_name, array_to_string(reloptions, ', '))
    FROM x WHERE reloptions IS NOT NULL AND relkind = 'i'
        AND EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = x.oid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 139, relid, object, 'index statistics', full_name,
           format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', full_name, a.attnum, to_jsonb(a) ->> 'attstattarget')
    FROM x JOIN pg_attribute AS a ON a.attrelid = x.oid AND a.attnum > 0 WHERE (to_jsonb(a) ->> 'attstattarget')::int >= 0
    UNION ALL
    SELECT 139, relid, object, 'cluster', relname::text, format('ALTER TABLE %s CLUSTER ON %I', object, relname) FROM x WHERE indisclustered
    UNION ALL
    SELECT 139, relid, object, 'replica identity', relname::text,
           format('ALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %I', object, relname) FROM x WHERE indisreplident AND identity = 'i'
    UNION ALL
    SELECT 139, oid, full_name, 'replica identity', full_name, format('ALTER TABLE ONLY %s REPLICA IDENTITY %s', full_name,
           CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
    FROM r WHERE relreplident IN ('n', 'f') AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 138, relid, object, 'statistics', full_name, pg_get_statisticsobjdef(oid) FROM s
    UNION ALL
    SELECT 139, relid, object, 'owner', full_name, format('ALTER STATISTICS %s OWNER TO %I', full_name, pg_get_userbyid(stxowner)) FROM s
    UNION ALL
    SELECT 139, relid, object, 'statistics target', full_name,
           format('ALTER STATISTICS %s SET STATISTICS %s', full_name, to_jsonb(s) ->> 'stxstattarget')
    FROM s WHERE (to_jsonb(s) ->> 'stxstattarget')::int >= 0
    UNION ALL
    SELECT 139, r.oid, r.full_name, 'view column settings', a.attname::text,
           format('ALTER MATERIALIZED VIEW %s ALTER COLUMN %I SET %s', r.full_name, a.attname, v.clause)
    FROM r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type AS y ON y.oid = a.atttypid
    CROSS JOIN LATERAL (VALUES
        (a.attstorage <> y.typstorage, 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
        (a.attcompression <> '', 'COMPRESSION ' || CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END),
        ((to_jsonb(a) ->> 'attstattarget')::int >= 0, 'STATISTICS ' || (to_jsonb(a) ->> 'attstattarget')),
        (EXISTS (SELECT FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%'),
            (SELECT '(' || string_agg(o, ', ') || ')' FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%')))
        AS v(is_set, clause)
    WHERE r.relkind = 'm' AND v.is_set
)
SELECT rank, 0, relid, object, kind, name, definition FROM command ORDER BY rank, object, name, definition
