-- What a change of type takes from columns $3 (smallint[]) of the tables $2 (oid[]) besides: how statistics over them are kept,
-- and their tables' long values, where no column is left that has any. It belongs to the record of the table $1 (oid[] of one).
WITH a AS (
    SELECT DISTINCT relid, attnum FROM unnest($2::oid[], $3::smallint[]) AS x(relid, attnum)
), t AS (
    SELECT c.oid, c.reltoastrelid, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid IN (SELECT relid FROM a)
)
SELECT 139, 0, ($1::oid[])[1], t.full_name, x.kind, format('%I.%I', n.nspname, e.stxname),
       format('ALTER STATISTICS %I.%I %s', n.nspname, e.stxname, x.clause)
FROM t JOIN pg_statistic_ext AS e ON e.stxrelid = t.oid JOIN pg_namespace AS n ON n.oid = e.stxnamespace
CROSS JOIN LATERAL (
    SELECT 'statistics target' AS kind, format('SET STATISTICS %s', to_jsonb(e) ->> 'stxstattarget') AS clause
    WHERE (to_jsonb(e) ->> 'stxstattarget')::int >= 0
    UNION ALL
    -- Releases up to 18.4 and its contemporaries give it to who converts.
    SELECT 'owner', format('OWNER TO %I', pg_get_userbyid(e.stxowner))
) AS x
WHERE EXISTS (
    SELECT FROM a JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relid AND d.refobjsubid = a.attnum
    WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = e.oid)
UNION ALL
SELECT 139, 0, ($1::oid[])[1], t.full_name, 'toast options', t.full_name,
       format('ALTER TABLE %s SET (%s)', t.full_name, (SELECT string_agg('toast.' || o, ', ') FROM unnest(c.reloptions) AS o))
FROM t JOIN pg_class AS c ON c.oid = t.reltoastrelid WHERE c.reloptions IS NOT NULL
