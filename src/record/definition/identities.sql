-- By what the relations $1 (oid[]) that definitions sit on are known again when they or their columns have other names: their
-- OIDs in this database of this cluster, their kinds, their owners, and a query for those of their columns that have other
-- names by then.
SELECT -1, 0, c.oid, format('%I.%I', n.nspname, c.relname), 'table identity',
       format('%s %s %s %s %s', c.oid, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()),
              (SELECT s.system_identifier FROM pg_control_system() AS s), c.relkind, pg_get_userbyid(c.relowner)),
       format('SELECT k.name::text, a.attname::text FROM (VALUES %s) AS k(attnum, name) JOIN pg_catalog.pg_attribute AS a ON a.attrelid = %s '
              || 'AND a.attnum = k.attnum AND a.attname <> k.name WHERE NOT a.attisdropped AND a.attinhcount = 0',
              (SELECT string_agg(format('(%s, %L::name)', a.attnum, a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), c.oid)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
