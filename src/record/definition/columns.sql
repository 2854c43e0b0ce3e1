-- What it takes to give the table $1 (oid[] of one) its columns $2 (smallint[]) back, with the objects $3 (oid[]) that go
-- with them. The column comes back bare, its values are put back, then what depends on them follows.
WITH t AS (
    SELECT c.oid, c.relkind, c.relowner, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])
), owned AS (
    SELECT d.refobjsubid AS attnum, d.deptype, format('%I.%I', sn.nspname, sc.relname) AS seq_full_name,
           format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s', s.seqstart, s.seqincrement,
                  s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS options,
           format_type(s.seqtypid, NULL) AS seqtype
    FROM t JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = ANY ($2)
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class AS sc ON sc.oid = d.objid AND sc.relkind = 'S'
    JOIN pg_namespace AS sn ON sn.oid = sc.relnamespace
    JOIN pg_sequence AS s ON s.seqrelid = sc.oid
), a AS (
    SELECT t.full_name, t.oid AS relid, x.*, y.typstorage, (to_jsonb(x) ->> 'attstattarget')::int AS stattarget,
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
    SELECT 102, full_name, 'default', attname::text, format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', full_name, attname, expr)
    FROM a WHERE expr IS NOT NULL AND attgenerated = ''
    UNION ALL
    SELECT 103, full_name, 'not null', attname::text, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', full_name, attname)
    FROM a WHERE attnotnull
    UNION ALL
    SELECT 104, full_name, 'identity', attname::text, format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
           full_name, attname, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seq_full_name, options)
    FROM a JOIN owned AS o USING (attnum) WHERE o.deptype = 'i'
    UNION ALL
    SELECT 104, full_name, 'sequence owner', seq_full_name, format('ALTER SEQUENCE %s OWNED BY %s.%I', seq_full_name, full_name, attname)
    FROM a JOIN owned AS o USING (attnum) WHERE o.deptype = 'a'
    UNION ALL
    SELECT CASE k.contype WHEN 'f' THEN 185 ELSE 106 END, format('%I.%I', n.nspname, c.relname),
           CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, k.conname::text,
           format('ALTER TABLE %I.%I ADD CONSTRAINT %I ', n.nspname, c.relname, k.conname) || pg_get_constraintdef(k.oid)
    FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE k.oid = ANY ($3) AND k.conparentid = 0 AND k.contype IN ('p', 'u', 'x', 'c', 'f') AND (k.conislocal OR k.contype = 'f')
    UNION ALL
    SELECT 108, format('%I.%I', n.nspname, c.relname), 'index', format('%I.%I', xn.nspname, ic.relname),
           CASE WHEN c.relkind = 'p' THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(i.indexrelid) END
    FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_namespace AS xn ON xn.oid = ic.relnamespace
    JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indexrelid = ANY ($3) AND NOT ic.relispartition AND c.relkind <> 't'
        AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 130, format('%I.%I', n.nspname, c.relname), 'statistics', format('%I.%I', sn.nspname, e.stxname), pg_get_statisticsobjdef(e.oid)
    FROM pg_statistic_ext AS e JOIN pg_class AS c ON c.oid = e.stxrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_namespace AS sn ON sn.oid = e.stxnamespace WHERE e.oid = ANY ($3)
    UNION ALL
    SELECT 131, format('%I.%I', n.nspname, c.relname), 'owner', format('%I.%I', sn.nspname, e.stxname),
           format('ALTER STATISTICS %I.%I OWNER TO %I', sn.nspname, e.stxname, pg_get_userbyid(e.stxowner))
    FROM pg_statistic_ext AS e JOIN pg_class AS c ON c.oid = e.stxrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_namespace AS sn ON sn.oid = e.stxnamespace WHERE e.oid = ANY ($3)
    UNION ALL
    SELECT 131, format('%I.%I', n.nspname, c.relname), 'statistics target', format('%I.%I', sn.nspname, e.stxname),
           format('ALTER STATISTICS %I.%I SET STATISTICS %s', sn.nspname, e.stxname, to_jsonb(e) ->> 'stxstattarget')
    FROM pg_statistic_ext AS e JOIN pg_class AS c ON c.oid = e.stxrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_namespace AS sn ON sn.oid = e.stxnamespace
    WHERE e.oid = ANY ($3) AND (to_jsonb(e) ->> 'stxstattarget')::int >= 0
    UNION ALL
    SELECT 140, format('%I.%I', n.nspname, c.relname), 'trigger', g.tgname::text, pg_get_triggerdef(g.oid)
    FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE g.oid = ANY ($3) AND NOT g.tgisinternal AND g.tgparentid = 0
    UNION ALL
    SELECT 145, format('%I.%I', n.nspname, c.relname), 'rule', r.rulename::text, pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.oid = ANY ($3) AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT 160, format('%I.%I', n.nspname, c.relname), 'policy', p.polname::text,
           format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', p.polname, n.nspname, c.relname,
                  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r))
           || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
           || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
    FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.oid = ANY ($3)
    UNION ALL
    SELECT 170, full_name, 'comment', attname::text, format('COMMENT ON COLUMN %s.%I IS %L', full_name, attname, d.description)
    FROM a JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.relid AND d.objsubid = a.attnum
    UNION ALL
    SELECT 181, full_name, 'privileges', attname::text,
           format('GRANT %s ON TABLE %s TO %s%s', string_agg(format('%s (%I)', e.privilege_type, attname), ', ' ORDER BY e.privilege_type), full_name,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM a CROSS JOIN LATERAL aclexplode(a.attacl) AS e GROUP BY full_name, attname, e.grantee, e.is_grantable
    UNION ALL
    SELECT 211, full_name, 'protection', attname::text,
           format('SELECT backstop.protect_columns(%L, %L, %L)', full_name, ARRAY[attname::text], r.upstream)
    FROM a JOIN backstop.registered_column AS r ON r.relation = a.relid AND r.column_name = a.attname::text
)
SELECT rank, CASE kind WHEN 'column' THEN (SELECT attnum::int FROM a WHERE a.attname = command.name::name) ELSE 0 END,
       (SELECT oid FROM t), object, kind, name, definition
FROM command ORDER BY rank, name, definition
