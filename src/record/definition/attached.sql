-- What sits on the relations $1 (oid[]: tables and views) besides their shape: triggers, rules, comments, privileges.
WITH t AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::oid[])
), enabled(code, clause) AS (
    VALUES ('O', 'ENABLE'), ('D', 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')
), trigger_of AS (
    -- Until 14 a partition's copy of its parent's trigger passes for internal, as those of foreign keys do.
    SELECT g.* FROM pg_trigger AS g WHERE g.tgrelid = ANY ($1::oid[]) AND g.tgname NOT IN ('backstop_capture', 'backstop_guard_truncate')
        AND (NOT g.tgisinternal OR g.tgparentid <> 0
             AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.oid = g.tgconstraint AND k.contype <> 't'))
), grants(relid, object, column_list, acl, owner) AS (
    SELECT oid, full_name, '', relacl, relowner FROM t WHERE relacl IS NOT NULL
    UNION ALL
    SELECT t.oid, t.full_name, format(' (%I)', a.attname), a.attacl, t.relowner
    FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND a.attacl IS NOT NULL AND NOT a.attisdropped
), command(rank, relid, object, kind, name, definition) AS (
    SELECT 140, t.oid, t.full_name, 'trigger', g.tgname::text, pg_get_triggerdef(g.oid)
    FROM t JOIN trigger_of AS g ON g.tgrelid = t.oid AND g.tgparentid = 0
    UNION ALL
    SELECT 141, t.oid, t.full_name, 'trigger state', g.tgname::text,
           format('ALTER TABLE ONLY %s %s TRIGGER %I', t.full_name, e.clause, g.tgname)
    FROM t JOIN trigger_of AS g ON g.tgrelid = t.oid JOIN enabled AS e ON e.code = g.tgenabled::text
    WHERE e.code <> 'O' OR EXISTS (SELECT FROM pg_trigger AS p WHERE p.oid = g.tgparentid AND p.tgenabled <> g.tgenabled)
    UNION ALL
    SELECT 145, t.oid, t.full_name, 'rule', r.rulename::text, pg_get_ruledef(r.oid)
    FROM t JOIN pg_rewrite AS r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT 146, t.oid, t.full_name, 'rule state', r.rulename::text,
           format('ALTER TABLE %s %s RULE %I', t.full_name, e.clause, r.rulename)
    FROM t JOIN pg_rewrite AS r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'
    JOIN enabled AS e ON e.code = r.ev_enabled::text AND e.code <> 'O'
    UNION ALL
    SELECT 138, t.oid, t.full_name, 'view default', a.attname::text,
           format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', t.full_name, a.attname, pg_get_expr(d.adbin, d.adrelid))
    FROM t JOIN pg_attrdef AS d ON d.adrelid = t.oid JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.adnum
    WHERE t.relkind = 'v'
    UNION ALL
    SELECT 190, t.oid, t.full_name, 'comment', t.full_name || coalesce('.' || quote_ident(a.attname), ''),
           format('COMMENT ON %s IS %L', coalesce('COLUMN ' || t.full_name || '.' || quote_ident(a.attname),
                  CASE t.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'TABLE ' END || t.full_name), d.description)
    FROM t JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = t.oid
    LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.objsubid AND d.objsubid > 0
    UNION ALL
    SELECT 190, t.oid, t.full_name, 'comment', x.name, format('COMMENT ON %s IS %L', x.what, d.description)
    FROM t JOIN LATERAL (
        SELECT 'pg_constraint'::regclass AS class, k.oid, k.conname::text AS name, format('CONSTRAINT %I ON %s', k.conname, t.full_name) AS what
        FROM pg_constraint AS k WHERE k.conrelid = t.oid AND (k.conparentid = 0 OR k.contype <> 'f' OR t.relispartition)
        UNION ALL
        SELECT 'pg_class'::regclass, i.oid, i.relname::text, format('INDEX %I.%I', n.nspname, i.relname)
        FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_namespace AS n ON n.oid = i.relnamespace
        WHERE x.indrelid = t.oid
        UNION ALL
        SELECT 'pg_trigger'::regclass, g.oid, g.tgname::text, format('TRIGGER %I ON %s', g.tgname, t.full_name)
        FROM trigger_of AS g WHERE g.tgrelid = t.oid
        UNION ALL
        SELECT 'pg_rewrite'::regclass, r.oid, r.rulename::text, format('RULE %I ON %s', r.rulename, t.full_name)
        FROM pg_rewrite AS r WHERE r.ev_class = t.oid AND r.rulename <> '_RETURN'
        UNION ALL
        SELECT 'pg_policy'::regclass, p.oid, p.polname::text, format('POLICY %I ON %s', p.polname, t.full_name)
        FROM pg_policy AS p WHERE p.polrelid = t.oid
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, e.oid, format('%I.%I', n.nspname, e.stxname), format('STATISTICS %I.%I', n.nspname, e.stxname)
        FROM pg_statistic_ext AS e JOIN pg_namespace AS n ON n.oid = e.stxnamespace WHERE e.stxrelid = t.oid
    ) AS x ON true
    JOIN pg_description AS d ON d.classoid = x.class AND d.objoid = x.oid AND d.objsubid = 0
    UNION ALL
    -- A privilege list that is not the default is told whole, the owner's own part first.
    SELECT 180, g.relid, g.object, 'privileges', g.object, format('REVOKE ALL ON TABLE %s FROM PUBLIC, %I', g.object, pg_get_userbyid(g.owner))
    FROM grants AS g WHERE g.column_list = ''
    UNION ALL
    -- What was granted by others than the owner comes after what was granted to them, and from them.
    SELECT e.rank,
           g.relid, g.object, 'privileges', g.object || g.column_list,
           format('GRANT %s ON TABLE %s TO %s%s%s', string_agg(e.privilege_type || g.column_list, ', ' ORDER BY e.privilege_type), g.object,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable AND e.grantee <> g.owner THEN ' WITH GRANT OPTION' ELSE '' END,
                  CASE WHEN e.grantor <> g.owner THEN format(' GRANTED BY %I', pg_get_userbyid(e.grantor)) ELSE '' END)
    FROM grants AS g CROSS JOIN LATERAL (
        SELECT x.*, CASE WHEN x.grantor = g.owner THEN 181
                         WHEN EXISTS (SELECT FROM aclexplode(g.acl) AS y WHERE y.grantee = x.grantor AND y.grantor = g.owner) THEN 182
                         ELSE 183 END AS rank FROM aclexplode(g.acl) AS x
    ) AS e
    GROUP BY g.relid, g.object, g.column_list, g.owner, e.grantor, e.grantee, e.is_grantable, e.rank
)
SELECT rank, 0, relid, object, kind, name, definition FROM command ORDER BY rank, relid::bigint, name, definition
