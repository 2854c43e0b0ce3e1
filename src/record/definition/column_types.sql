-- What it takes to give columns $3 (smallint[]) of the tables $2 (oid[]) the types back that they have now: those of the
-- table $1 (oid[] of one) that ALTER TABLE names, and of its children, whose types go with it. The values that this makes are
-- replaced by the recorded ones. A change of type resets how the values are stored.
WITH a AS (
    SELECT c.oid = ANY ($1::oid[]) AS named, format('%I.%I', n.nspname, c.relname) AS full_name, x.attname, x.attgenerated, x.attnotnull,
           x.attstorage, x.attcompression, y.typstorage,
           -- Since 18 it is known whose it is.
           EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[x.attnum] AND NOT k.conislocal) AS only_inherited,
           (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = x.attrelid AND d.adnum = x.attnum) AS expr,
           format_type(x.atttypid, x.atttypmod) AS type_name,
           CASE WHEN x.attcollation <> 0 AND x.attcollation <> y.typcollation
                THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation AS co
                      JOIN pg_namespace AS cn ON cn.oid = co.collnamespace WHERE co.oid = x.attcollation) ELSE '' END AS collation_text
    FROM unnest($2::oid[], $3::smallint[]) AS altered(relid, attnum)
    JOIN pg_class AS c ON c.oid = altered.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS x ON x.attrelid = c.oid AND x.attnum = altered.attnum AND NOT x.attisdropped
    JOIN pg_type AS y ON y.oid = x.atttypid
), command(rank, named, object, kind, name, definition) AS (
    SELECT 40, named, full_name, 'column default', attname::text, format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', full_name, attname)
    FROM a WHERE named AND attgenerated = '' AND expr IS NOT NULL
    UNION ALL
    SELECT 41, named, full_name, 'column type', attname::text,
           format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE %3$s%4$s', full_name, attname, type_name, collation_text)
           || CASE attgenerated WHEN '' THEN format(' USING %I::text::%s', attname, type_name) ELSE '' END
    FROM a WHERE named
    UNION ALL
    SELECT 101, named, full_name, 'column settings', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET %s', full_name, attname, x.clause)
    FROM a JOIN LATERAL (VALUES
        (attstorage <> typstorage, 'STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
        (attcompression <> '', 'COMPRESSION ' || CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END)) AS x(is_set, clause) ON x.is_set
    UNION ALL
    SELECT 103, named, full_name, 'not null', attname::text, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname)
    FROM a WHERE attnotnull AND NOT only_inherited
    UNION ALL
    SELECT 102, named, full_name, 'default', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE expr IS NOT NULL AND attgenerated = ''
)
SELECT rank, CASE WHEN named THEN 0 ELSE 1 END, ($1::oid[])[1], object, kind, name, definition
FROM command ORDER BY rank, named DESC, object, name, definition
