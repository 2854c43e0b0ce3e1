-- What goes and sits on relations that stay: keys that reference what goes, checks, indexes, statistics, triggers, rules,
-- policies, defaults. $1, $2 and $3 are the classes, OIDs and columns of everything that goes, $4 (oid[]) the tables whose
-- record it belongs to: the one it sits on, one that it depends on, or the first.
WITH gone(classid, oid, attnum) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[], $3::int[])
), whole AS (
    SELECT classid, oid FROM gone WHERE attnum = 0
), r AS NOT MATERIALIZED (
    SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
), enabled(code, clause) AS (
    VALUES ('O', 'ENABLE'), ('D', 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')
), part(rank, classid, oid, holder, kind, name, what, definition) AS (
    SELECT CASE k.contype WHEN 'f' THEN 185 ELSE 106 END, w.classid, k.oid, k.conrelid,
           CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, k.conname::text, format('CONSTRAINT %I ON %s', k.conname, r.full_name),
           format('ALTER TABLE %s ADD CONSTRAINT %I ', r.full_name, k.conname) || pg_get_constraintdef(k.oid)
    FROM whole AS w JOIN pg_constraint AS k ON w.classid = 'pg_constraint'::regclass AND k.oid = w.oid JOIN r ON r.oid = k.conrelid
    -- Those of partitions that are indexes keep their names: they come first, and the parent's takes them in.
    WHERE (k.contype IN ('p', 'u', 'x', 'c') AND (k.conislocal OR k.conparentid <> 0) OR k.contype = 'f' AND k.conparentid = 0)
        -- Of those that reference a table that goes, the table's own record tells.
        AND NOT (k.contype = 'f' AND k.confrelid = ANY ($4)
                 AND EXISTS (SELECT FROM whole AS x WHERE x.classid = 'pg_class'::regclass AND x.oid = k.confrelid))
    UNION ALL
    SELECT 108, w.classid, ic.oid, r.oid, 'index', ir.full_name, format('INDEX %s', ir.full_name),
           CASE WHEN r.relkind = 'p' THEN replace(pg_get_indexdef(ic.oid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(ic.oid) END
    FROM whole AS w JOIN pg_class AS ic ON w.classid = 'pg_class'::regclass AND ic.oid = w.oid JOIN pg_index AS i ON i.indexrelid = ic.oid
    JOIN r ON r.oid = i.indrelid JOIN r AS ir ON ir.oid = ic.oid
    WHERE r.relkind <> 't' AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = ic.oid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 130 + x.later, w.classid, e.oid, e.stxrelid, x.kind, format('%I.%I', n.nspname, e.stxname),
           CASE x.later WHEN 0 THEN format('STATISTICS %I.%I', n.nspname, e.stxname) END, x.definition
    FROM whole AS w JOIN pg_statistic_ext AS e ON w.classid = 'pg_statistic_ext'::regclass AND e.oid = w.oid
    JOIN pg_namespace AS n ON n.oid = e.stxnamespace CROSS JOIN LATERAL (
        SELECT 0 AS later, 'statistics' AS kind, pg_get_statisticsobjdef(e.oid) AS definition
        UNION ALL
        SELECT 1, 'owner', format('ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, e.stxname, pg_get_userbyid(e.stxowner))
        UNION ALL
        SELECT 1, 'statistics target', format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, e.stxname, to_jsonb(e) ->> 'stxstattarget')
        WHERE (to_jsonb(e) ->> 'stxstattarget')::int >= 0
    ) AS x
    UNION ALL
    SELECT 140, w.classid, g.oid, g.tgrelid, 'trigger', g.tgname::text, format('TRIGGER %I ON %s', g.tgname, r.full_name), pg_get_triggerdef(g.oid)
    FROM whole AS w JOIN pg_trigger AS g ON w.classid = 'pg_trigger'::regclass AND g.oid = w.oid JOIN r ON r.oid = g.tgrelid
    WHERE NOT g.tgisinternal AND g.tgparentid = 0
    UNION ALL
    -- Until 14 a partition's copy of its parent's trigger passes for internal, as those of foreign keys do.
    SELECT 141, w.classid, g.oid, g.tgrelid, 'trigger state', g.tgname::text, CASE WHEN g.tgparentid <> 0 THEN format('TRIGGER %I ON %s', g.tgname, r.full_name) END,
           format('ALTER TABLE ONLY %s %s TRIGGER %I', r.full_name, e.clause, g.tgname)
    FROM whole AS w JOIN pg_trigger AS g ON w.classid = 'pg_trigger'::regclass AND g.oid = w.oid JOIN r ON r.oid = g.tgrelid
    JOIN enabled AS e ON e.code = g.tgenabled::text
    WHERE (NOT g.tgisinternal OR NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.oid = g.tgconstraint AND k.contype <> 't'))
        AND (g.tgparentid <> 0 OR NOT g.tgisinternal AND e.code <> 'O')
    UNION ALL
    SELECT 145, w.classid, u.oid, u.ev_class, 'rule', u.rulename::text, format('RULE %I ON %s', u.rulename, r.full_name), pg_get_ruledef(u.oid)
    FROM whole AS w JOIN pg_rewrite AS u ON w.classid = 'pg_rewrite'::regclass AND u.oid = w.oid JOIN r ON r.oid = u.ev_class
    WHERE u.rulename <> '_RETURN'
    UNION ALL
    SELECT 146, w.classid, u.oid, u.ev_class, 'rule state', u.rulename::text, NULL,
           format('ALTER TABLE %s %s RULE %I', r.full_name, e.clause, u.rulename)
    FROM whole AS w JOIN pg_rewrite AS u ON w.classid = 'pg_rewrite'::regclass AND u.oid = w.oid JOIN r ON r.oid = u.ev_class
    JOIN enabled AS e ON e.code = u.ev_enabled::text AND e.code <> 'O' WHERE u.rulename <> '_RETURN'
    UNION ALL
    SELECT 160, w.classid, p.oid, p.polrelid, 'policy', p.polname::text, format('POLICY %I ON %s', p.polname, r.full_name),
           format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, r.full_name,
                  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  (SELECT string_agg(CASE WHEN o = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END, ', ') FROM unnest(p.polroles) AS o))
           || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
           || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
    FROM whole AS w JOIN pg_policy AS p ON w.classid = 'pg_policy'::regclass AND p.oid = w.oid JOIN r ON r.oid = p.polrelid
    UNION ALL
    SELECT 102, w.classid, d.oid, d.adrelid, 'dependent default', a.attname::text, NULL,
           format('ALTER %s %s ALTER COLUMN %I SET DEFAULT %s', CASE r.relkind WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE ONLY' ELSE 'TABLE ONLY' END,
                  r.full_name, a.attname, pg_get_expr(d.adbin, d.adrelid))
    FROM whole AS w JOIN pg_attrdef AS d ON w.classid = 'pg_attrdef'::regclass AND d.oid = w.oid JOIN r ON r.oid = d.adrelid
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated = '' AND NOT EXISTS (
        SELECT FROM gone AS g WHERE g.classid = 'pg_class'::regclass AND g.oid = d.adrelid AND g.attnum = d.adnum)
), staying AS (
    SELECT p.*, r.full_name AS object,
           coalesce((SELECT t FROM unnest($4::oid[]) AS t WHERE t = p.holder),
                    (SELECT d.refobjid FROM pg_depend AS d WHERE d.classid = p.classid AND d.objid = p.oid
                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($4) ORDER BY d.refobjid LIMIT 1),
                    ($4::oid[])[1]) AS relid
    FROM part AS p JOIN r ON r.oid = p.holder
    WHERE NOT EXISTS (SELECT FROM whole AS w WHERE w.classid = 'pg_class'::regclass AND w.oid = p.holder)
), command(rank, depth, relid, object, kind, name, definition) AS (
    SELECT rank, CASE WHEN kind IN ('index', 'constraint') THEN -(SELECT count(*)::int FROM pg_partition_ancestors(holder)) ELSE 0 END,
           relid, object, kind, name, definition
    FROM staying
    UNION ALL
    SELECT 190, 0, s.relid, s.object, 'comment', s.name, format('COMMENT ON %s IS %L', s.what, d.description)
    FROM staying AS s JOIN pg_description AS d ON d.classoid = s.classid AND d.objoid = s.oid AND d.objsubid = 0
    WHERE s.what IS NOT NULL
    UNION ALL
    SELECT 190, 0, s.relid, s.object, 'comment', r.full_name, format('COMMENT ON INDEX %s IS %L', r.full_name, d.description)
    FROM staying AS s JOIN pg_constraint AS k ON s.classid = 'pg_constraint'::regclass AND k.oid = s.oid AND k.contype IN ('p', 'u', 'x')
    JOIN r ON r.oid = k.conindid JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = k.conindid AND d.objsubid = 0
)
SELECT rank, depth, relid, object, kind, name, definition FROM command ORDER BY rank, depth, object, name, definition
