-- What it takes to give the table $1 (oid[] of one) its columns $2 (smallint[]) back. The column comes back bare, its values
-- are put back, then what depends on them follows (parts.sql).
WITH t AS (
    SELECT c.oid, c.relkind, c.relowner, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])
), owned AS (
    SELECT d.refobjsubid AS attnum, d.deptype, format('%I.%I', sn.nspname, sc.relname) AS seq_full_name,
           -- A bound that is the type's own stays out: an older change of the column's type may be undone before it is made.
           concat_ws(' ', 'START WITH', s.seqstart, 'INCREMENT BY', s.seqincrement,
                     'MINVALUE ' || nullif(s.seqmin, CASE WHEN s.seqincrement > 0 THEN 1 ELSE -l.highest - 1 END),
                     'MAXVALUE ' || nullif(s.seqmax, CASE WHEN s.seqincrement > 0 THEN l.highest ELSE -1 END),
                     'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS options,
           format_type(s.seqtypid, NULL) AS seqtype
    FROM t JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = ANY ($2)
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class AS sc ON sc.oid = d.objid AND sc.relkind = 'S'
    JOIN pg_namespace AS sn ON sn.oid = sc.relnamespace
    JOIN pg_sequence AS s ON s.seqrelid = sc.oid
    CROSS JOIN LATERAL (SELECT CASE s.seqtypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647
                                               ELSE 9223372036854775807 END AS highest) AS l
), a AS (
    SELECT t.full_name, t.oid AS relid, t.relowner, x.*, y.typstorage, (to_jsonb(x) ->> 'attstattarget')::int AS stattarget,
           (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = x.attrelid AND d.adnum = x.attnum) AS expr,
           format_type(x.atttypid, x.atttypmod)
           || CASE WHEN x.attcollation <> 0 AND x.attcollation <> y.typcollation
                   THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation AS co
                         JOIN pg_namespace AS cn ON cn.oid = co.collnamespace WHERE co.oid = x.attcollation) ELSE '' END AS type_text
    FROM t JOIN pg_attribute AS x ON x.attrelid = t.oid AND x.attnum = ANY ($2) AND NOT x.attisdropped
    JOIN pg_type AS y ON y.oid = x.atttypid
), command(rank, object, kind, name, definition) AS (
    SELECT 30, (SELECT full_name FROM t), 'sequence', seq_full_name, format('CREATE SEQUENCE %s AS %s %s', seq_full_name, seqtype, options)
    FROM owned WHERE deptype = 'a'
    UNION ALL
    -- It can only be owned by a column whose table has the same owner.
    SELECT 31, full_name, 'owner', seq_full_name, format('ALTER SEQUENCE %s OWNER TO %I', seq_full_name, pg_get_userbyid(relowner))
    FROM owned, t WHERE deptype = 'a'
    UNION ALL
    SELECT 0, (SELECT full_name FROM t), 'owned sequence', seq_full_name, '' FROM owned
    UNION ALL
    SELECT CASE attgenerated WHEN '' THEN 40 ELSE 41 END, full_name, 'column', attname::text,
           format('ALTER TABLE %s ADD COLUMN %I %s', full_name, attname, type_text)
           || CASE WHEN attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', expr)
                   WHEN attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', expr) ELSE '' END
    FROM a
    UNION ALL
    SELECT 48, full_name, 'column settings', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET %s', full_name, attname, x.clause)
    FROM a JOIN LATERAL (VALUES
        (attstorage <> typstorage, 'STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END),
        (attcompression <> '', 'COMPRESSION ' || CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END),
        (stattarget >= 0, 'STATISTICS ' || stattarget),
        ((SELECT count(*) FROM unnest(attoptions) AS o WHERE o LIKE 'n\_distinct%') > 0,
            (SELECT '(' || string_agg(o, ', ') || ')' FROM unnest(attoptions) AS o WHERE o LIKE 'n\_distinct%')))
        AS x(is_set, clause) ON x.is_set
    UNION ALL
    -- Children have their own (child_columns.sql), those that keep the column too.
    SELECT 102, full_name, 'default', attname::text, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE expr IS NOT NULL AND attgenerated = ''
    UNION ALL
    -- Since 18 it is a constraint with a name.
    SELECT 103, full_name, 'not null', attname::text, coalesce((SELECT format('ALTER TABLE %s ADD CONSTRAINT %I ', full_name, k.conname)
           || pg_get_constraintdef(k.oid) FROM pg_constraint AS k WHERE k.conrelid = a.relid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]),
           format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname))
    FROM a WHERE attnotnull
    UNION ALL
    SELECT 104, full_name, 'identity', attname::text, format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
           full_name, attname, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seq_full_name, options)
    FROM a JOIN owned AS o USING (attnum) WHERE o.deptype = 'i'
    UNION ALL
    SELECT 104, full_name, 'sequence owner', seq_full_name, format('ALTER SEQUENCE %s OWNED BY %s.%I', seq_full_name, full_name, attname)
    FROM a JOIN owned AS o USING (attnum) WHERE o.deptype = 'a'
    UNION ALL
    SELECT 170, full_name, 'comment', attname::text, format('COMMENT ON COLUMN %s.%I IS %L', full_name, attname, d.description)
    FROM a JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.relid AND d.objsubid = a.attnum
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
    UNION ALL
    SELECT 211, full_name, 'protection', attname::text,
           format('SELECT backstop.protect_columns(%L, %L, %L)', full_name, ARRAY[attname::text], r.upstream)
    FROM a JOIN backstop.registered_column AS r ON r.relation = a.relid AND r.column_name = a.attname::text
)
SELECT rank, CASE kind WHEN 'column' THEN (SELECT attnum::int FROM a WHERE a.attname = command.name::name) ELSE 0 END,
       (SELECT oid FROM t), object, kind, name, definition
FROM command ORDER BY rank, name, definition
