-- What it takes to make the tables $1 (oid[]) again: one SQL command per row, in the order of "rank". search_path is
-- pg_catalog, so that every name PostgreSQL prints is qualified.
WITH RECURSIVE chosen(oid) AS (
    SELECT unnest($1::oid[])
), lineage(oid, depth) AS (
    SELECT oid, 0 FROM chosen
    UNION
    SELECT i.inhrelid, l.depth + 1 FROM lineage AS l JOIN pg_inherits AS i ON i.inhparent = l.oid
    WHERE i.inhrelid IN (SELECT oid FROM chosen) AND l.depth < 1000
), t AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name,
           (SELECT max(depth) FROM lineage AS l WHERE l.oid = c.oid) AS depth
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT oid FROM chosen)
), owned AS (
    SELECT t.oid AS relid, t.depth, t.full_name, s.seqrelid, d.deptype, d.refobjsubid AS attnum, sc.relname AS seqname,
           format('%I.%I', sn.nspname, sc.relname) AS seq_full_name, sc.relpersistence,
           format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s', s.seqstart, s.seqincrement,
                  s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS options,
           format_type(s.seqtypid, NULL) AS seqtype
    FROM t JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid > 0
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class AS sc ON sc.oid = d.objid AND sc.relkind = 'S'
    JOIN pg_namespace AS sn ON sn.oid = sc.relnamespace
    JOIN pg_sequence AS s ON s.seqrelid = sc.oid
), a AS (
    SELECT t.full_name, t.depth, t.relkind, t.reloftype, t.relispartition, x.*, ad.expr,
           t.relispartition OR x.attislocal AS own, y.typstorage, (to_jsonb(x) ->> 'attstattarget')::int AS stattarget,
           -- The two that users set: the server keeps notes of its own there.
           (SELECT string_agg(o, ', ') FROM unnest(x.attoptions) AS o WHERE o LIKE 'n\_distinct%') AS settings,
           format_type(x.atttypid, x.atttypmod)
           || CASE WHEN x.attcollation <> 0 AND x.attcollation <> y.typcollation
                   THEN format(' COLLATE %I.%I', cn.nspname, co.collname) ELSE '' END AS type_text,
           o.options, o.seq_full_name,
           -- From 18 on the constraint has a name, and may be the parent's alone.
           CASE WHEN NOT x.attnotnull OR k.conislocal = false AND NOT t.relispartition OR k.convalidated = false THEN ''
                ELSE coalesce(' CONSTRAINT ' || quote_ident(k.conname), '') || ' NOT NULL'
                     || CASE WHEN k.connoinherit THEN ' NO INHERIT' ELSE '' END END AS not_null,
           k.conname AS not_null_name
    FROM t JOIN pg_attribute AS x ON x.attrelid = t.oid AND x.attnum > 0 AND NOT x.attisdropped
    JOIN pg_type AS y ON y.oid = x.atttypid
    LEFT JOIN pg_collation AS co ON co.oid = x.attcollation
    LEFT JOIN pg_namespace AS cn ON cn.oid = co.collnamespace
    LEFT JOIN LATERAL (SELECT pg_get_expr(d.adbin, d.adrelid) AS expr FROM pg_attrdef AS d
                       WHERE d.adrelid = x.attrelid AND d.adnum = x.attnum) AS ad ON true
    LEFT JOIN owned AS o ON o.relid = x.attrelid AND o.attnum = x.attnum AND o.deptype = 'i'
    LEFT JOIN pg_constraint AS k ON k.conrelid = x.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[x.attnum]
), columns AS (
    -- A child's own constraint on a parent's column has its name from the beginning: later the parent's is there.
    SELECT attrelid, string_agg(CASE WHEN NOT own THEN format('CONSTRAINT %I NOT NULL %I', not_null_name, attname) ELSE
        format('%I %s', attname, type_text)
        || CASE WHEN attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', expr)
                WHEN attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', expr)
                WHEN options IS NOT NULL THEN format(' GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
                    CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seq_full_name, options)
                WHEN expr IS NOT NULL THEN format(' DEFAULT %s', expr) ELSE '' END
        || not_null END, ', ' ORDER BY attnum) AS list
    FROM a WHERE (own OR not_null_name IS NOT NULL AND not_null <> '') AND reloftype = 0 GROUP BY attrelid
), command(rank, depth, relid, object, kind, name, definition) AS (
    SELECT 30, depth, relid, full_name, 'sequence', seq_full_name,
           format('CREATE SEQUENCE %s AS %s %s', seq_full_name, seqtype, options)
    FROM owned WHERE deptype = 'a'
    UNION ALL
    SELECT 40, t.depth, t.oid, t.full_name, 'table', t.full_name,
           format('CREATE %sTABLE %s', CASE WHEN t.relpersistence = 'u' THEN 'UNLOGGED ' ELSE '' END, t.full_name)
           || CASE WHEN t.reloftype <> 0 THEN format(' OF %s', format_type(t.reloftype, NULL))
                   ELSE format(' (%s)', coalesce(c.list, '')) END
           || CASE WHEN NOT t.relispartition THEN coalesce((
                   SELECT format(' INHERITS (%s)', string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno))
                   FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
                   JOIN pg_namespace AS pn ON pn.oid = p.relnamespace WHERE i.inhrelid = t.oid HAVING count(*) > 0), '') ELSE '' END
           || CASE WHEN t.relkind = 'p' THEN format(' PARTITION BY %s', pg_get_partkeydef(t.oid)) ELSE '' END
           || CASE WHEN t.relkind = 'r' AND am.amname <> 'heap' THEN format(' USING %I', am.amname) ELSE '' END
           || CASE WHEN t.reloptions IS NOT NULL OR toast.reloptions IS NOT NULL THEN format(' WITH (%s)', array_to_string(
                   t.reloptions || ARRAY(SELECT 'toast.' || o FROM unnest(toast.reloptions) AS o), ', ')) ELSE '' END
           || coalesce((SELECT format(' TABLESPACE %I', ts.spcname) FROM pg_tablespace AS ts WHERE ts.oid = t.reltablespace), '')
    FROM t LEFT JOIN columns AS c ON c.attrelid = t.oid LEFT JOIN pg_am AS am ON am.oid = t.relam
    LEFT JOIN pg_class AS toast ON toast.oid = t.reltoastrelid
    UNION ALL
    SELECT 45, depth, relid, full_name, 'sequence owner', seq_full_name, format('ALTER SEQUENCE %s OWNED BY %s.%I',
           seq_full_name, full_name, (SELECT attname FROM pg_attribute WHERE attrelid = relid AND attnum = owned.attnum))
    FROM owned WHERE deptype = 'a'
    UNION ALL
    SELECT 47, depth, attrelid, full_name, 'default', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE (NOT own OR reloftype <> 0) AND expr IS NOT NULL AND attgenerated = ''
    UNION ALL
    -- A child that has none of its own is made with its parent's.
    SELECT 47, depth, attrelid, full_name, 'default', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I DROP DEFAULT', full_name, attname)
    FROM a WHERE expr IS NULL AND attidentity = '' AND NOT relispartition AND EXISTS (
        SELECT FROM pg_inherits AS i JOIN pg_attribute AS p ON p.attrelid = i.inhparent AND p.attname = a.attname AND p.atthasdef
        WHERE i.inhrelid = a.attrelid AND p.attgenerated = '')
    UNION ALL
    SELECT 47, depth, attrelid, full_name, 'not null', attname::text,
           CASE WHEN not_null_name IS NOT NULL THEN format('ALTER TABLE %s ADD CONSTRAINT %I NOT NULL %I', full_name, not_null_name, attname)
                ELSE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname) END
    FROM a WHERE (NOT own AND not_null_name IS NULL OR reloftype <> 0) AND not_null <> ''
    UNION ALL
    SELECT 48, depth, attrelid, full_name, 'column storage', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STORAGE %s', full_name, attname,
                  CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END)
    FROM a WHERE attstorage <> typstorage
    UNION ALL
    SELECT 48, depth, attrelid, full_name, 'column compression', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I SET COMPRESSION %s', full_name, attname,
                  CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END)
    FROM a WHERE attcompression <> ''
    UNION ALL
    SELECT 48, depth, attrelid, full_name, 'column statistics', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', full_name, attname, stattarget)
    FROM a WHERE stattarget >= 0
    UNION ALL
    SELECT 48, depth, attrelid, full_name, 'column options', attname::text,
           format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', full_name, attname, settings)
    FROM a WHERE settings IS NOT NULL
    UNION ALL
    -- Rows that one that is not validated would not let in were there before it.
    SELECT CASE WHEN k.convalidated THEN 50 ELSE 106 END, t.depth, t.oid, t.full_name, 'constraint', k.conname::text,
           format('ALTER TABLE %s ADD CONSTRAINT %I ', t.full_name, k.conname) || pg_get_constraintdef(k.oid)
    FROM t JOIN pg_constraint AS k ON k.conrelid = t.oid AND (k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'n' AND NOT k.convalidated)
        AND (k.conislocal OR t.relispartition)
    UNION ALL
    SELECT 55, t.depth, t.oid, t.full_name, 'index', format('%I.%I', n.nspname, ic.relname),
           CASE WHEN t.relkind = 'p' THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
                ELSE pg_get_indexdef(i.indexrelid) END
    FROM t JOIN pg_index AS i ON i.indrelid = t.oid JOIN pg_class AS ic ON ic.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = ic.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 60, t.depth, t.oid, format('%I.%I', pn.nspname, p.relname), 'partition', t.full_name,
           format('ALTER TABLE %I.%I ATTACH PARTITION %s %s', pn.nspname, p.relname, t.full_name,
                  pg_get_expr(t.relpartbound, t.oid))
    FROM t JOIN pg_inherits AS i ON i.inhrelid = t.oid JOIN pg_class AS p ON p.oid = i.inhparent
    JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
    WHERE t.relispartition
    UNION ALL
    -- The owner at once: what he wrote (constraints, indexes, expressions) runs as the table's owner, never as the one who
    -- restores.
    SELECT 46, depth, oid, full_name, 'owner', full_name,
           format('ALTER TABLE %s OWNER TO %I', full_name, pg_get_userbyid(relowner))
    FROM t
    UNION ALL
    SELECT 185, coalesce(t.depth, 0), coalesce(t.oid, k.confrelid), format('%I.%I', n.nspname, c.relname), 'foreign key',
           k.conname::text, format('ALTER TABLE %I.%I ADD CONSTRAINT %I ', n.nspname, c.relname, k.conname)
           || pg_get_constraintdef(k.oid)
    FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN t ON t.oid = k.conrelid
    WHERE k.contype = 'f' AND k.conparentid = 0
        AND (k.conrelid IN (SELECT oid FROM chosen) OR k.confrelid IN (SELECT oid FROM chosen))
    UNION ALL
    SELECT 190, 0, k.confrelid, format('%I.%I', n.nspname, c.relname), 'comment', k.conname::text,
           format('COMMENT ON CONSTRAINT %I ON %I.%I IS %L', k.conname, n.nspname, c.relname, d.description)
    FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_description AS d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM chosen) AND k.conrelid NOT IN (SELECT oid FROM chosen)
    UNION ALL
    SELECT 150, t.depth, t.oid, t.full_name, 'row security', t.full_name, format('ALTER TABLE %s %s', t.full_name, x.clause)
    FROM t JOIN LATERAL (VALUES (t.relrowsecurity, 'ENABLE ROW LEVEL SECURITY'),
        (t.relforcerowsecurity, 'FORCE ROW LEVEL SECURITY')) AS x(is_on, clause) ON x.is_on
    UNION ALL
    SELECT 160, t.depth, t.oid, t.full_name, 'policy', p.polname::text,
           format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, t.full_name,
                  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
                   FROM unnest(p.polroles) AS r))
           || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
           || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
    FROM t JOIN pg_policy AS p ON p.polrelid = t.oid
)
SELECT rank, depth, relid, object, kind, name, definition FROM command
ORDER BY rank, depth, relid::bigint, name, definition
