-- What it takes to give columns $2 (smallint[]) of the table $1 (oid[] of one) the types back that they have now. The
-- values that this makes are replaced by the recorded ones.
WITH a AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS full_name, x.attname, x.attgenerated, x.attnotnull,
           (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = x.attrelid AND d.adnum = x.attnum) AS expr,
           format_type(x.atttypid, x.atttypmod) AS type_name,
           CASE WHEN x.attcollation <> 0 AND x.attcollation <> y.typcollation
                THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation AS co
                      JOIN pg_namespace AS cn ON cn.oid = co.collnamespace WHERE co.oid = x.attcollation) ELSE '' END AS collation_text
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS x ON x.attrelid = c.oid AND x.attnum = ANY ($2) AND NOT x.attisdropped
    JOIN pg_type AS y ON y.oid = x.atttypid
    WHERE c.oid = ANY ($1::oid[])
), command(rank, object, kind, name, definition) AS (
    SELECT 40, full_name, 'column default', attname::text, format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', full_name, attname)
    FROM a WHERE attgenerated = '' AND expr IS NOT NULL
    UNION ALL
    SELECT 41, full_name, 'column type', attname::text,
           format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE %3$s%4$s', full_name, attname, type_name, collation_text)
           || CASE attgenerated WHEN '' THEN format(' USING %I::text::%s', attname, type_name) ELSE '' END
    FROM a
    UNION ALL
    SELECT 103, full_name, 'not null', attname::text, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname)
    FROM a WHERE attnotnull
    UNION ALL
    SELECT 102, full_name, 'default', attname::text, format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE expr IS NOT NULL AND attgenerated = ''
)
SELECT rank, 0, ($1::oid[])[1], object, kind, name, definition FROM command ORDER BY rank, name, definition
