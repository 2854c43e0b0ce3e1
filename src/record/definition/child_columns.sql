-- What partitions and other children have of columns that go, and their parent $1 (oid[] of one) has otherwise or not at all:
-- columns $3 (smallint[]) of the tables $2 (oid[]). The parent's own commands, which reach them all, come first, save for
-- NOT NULL.
WITH a AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS full_name, c.relowner, x.*, y.typstorage, (to_jsonb(x) ->> 'attstattarget')::int AS stattarget,
           p.attnotnull AS parent_not_null,
           (SELECT k.conname FROM pg_constraint AS k WHERE k.conrelid = p.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[p.attnum]) AS parent_name,
           (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = x.attrelid AND d.adnum = x.attnum) AS expr
    FROM unnest($2::oid[], $3::smallint[]) AS child(relid, attnum)
    JOIN pg_attribute AS x ON x.attrelid = child.relid AND x.attnum = child.attnum AND NOT x.attisdropped
    JOIN pg_type AS y ON y.oid = x.atttypid
    JOIN pg_class AS c ON c.oid = child.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS p ON p.attrelid = ANY ($1) AND p.attname = x.attname AND NOT p.attisdropped
), command(rank, object, kind, name, definition) AS (
    SELECT 48, full_name, 'column settings', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET %s', full_name, attname, x.clause)
    FROM a JOIN LATERAL (VALUES
        (attstorage <> typstorage, 'STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
        (attcompression <> '', 'COMPRESSION ' || CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END),
        (stattarget >= 0, 'STATISTICS ' || stattarget),
        ((SELECT count(*) FROM unnest(attoptions) AS o WHERE o LIKE 'n\_distinct%') > 0,
            (SELECT '(' || string_agg(o, ', ') || ')' FROM unnest(attoptions) AS o WHERE o LIKE 'n\_distinct%')))
        AS x(is_set, clause) ON x.is_set
    UNION ALL
    SELECT 102, full_name, 'default', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE attgenerated = '' AND expr IS NOT NULL
    UNION ALL
    -- Since 18 it is a constraint with a name; one that is there already keeps it when the parent's comes.
    SELECT 103, full_name, 'not null', attname::text, CASE WHEN k.conname IS NULL
           THEN format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname)
           ELSE format('ALTER TABLE %s ADD CONSTRAINT %I ', full_name, k.conname) || pg_get_constraintdef(k.oid) END
    FROM a LEFT JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
    WHERE attnotnull AND (NOT parent_not_null OR k.conname <> parent_name)
    UNION ALL
    SELECT 170, full_name, 'comment', attname::text, format('COMMENT ON COLUMN %s.%I IS %L', full_name, attname, d.description)
    FROM a JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
    UNION ALL
    SELECT e.rank,
           full_name, 'privileges', attname::text,
           format('GRANT %s ON TABLE %s TO %s%s%s', string_agg(format('%s (%I)', e.privilege_type, attname), ', ' ORDER BY e.privilege_type), full_name,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
                  CASE WHEN e.grantor <> relowner THEN format(' GRANTED BY %I', pg_get_userbyid(e.grantor)) ELSE '' END)
    FROM a CROSS JOIN LATERAL (
        SELECT x.*, CASE WHEN x.grantor = a.relowner THEN 181
                         WHEN EXISTS (SELECT FROM aclexplode(a.attacl) AS y WHERE y.grantee = x.grantor AND y.grantor = a.relowner) THEN 182
                         ELSE 183 END AS rank FROM aclexplode(a.attacl) AS x
    ) AS e
    GROUP BY full_name, attname, relowner, e.grantor, e.grantee, e.is_grantable, e.rank
)
SELECT rank, CASE kind WHEN 'not null' THEN -1 ELSE 1 END, ($1::oid[])[1], object, kind, name, definition FROM command ORDER BY rank, object, name, definition
