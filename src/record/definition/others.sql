-- What vanishes with guarded tables or columns besides them: schemas, collations, types, functions, sequences, views. $1 and $2 are the
-- classes and OIDs (oid[]) of everything that goes. Of one kind, what is older comes first.
WITH gone(classid, oid) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
), r AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name
    FROM gone AS g JOIN pg_class AS c ON g.classid = 'pg_class'::regclass AND c.oid = g.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
), y AS (
    SELECT x.*, format('%I.%I', n.nspname, x.typname) AS full_name
    FROM gone AS g JOIN pg_type AS x ON g.classid = 'pg_type'::regclass AND x.oid = g.oid JOIN pg_namespace AS n ON n.oid = x.typnamespace
), p AS (
    SELECT f.*, f.oid::regprocedure::text AS full_name
    FROM gone AS g JOIN pg_proc AS f ON g.classid = 'pg_proc'::regclass AND f.oid = g.oid
), l AS (
    SELECT x.*, to_jsonb(x) AS fields, format('%I.%I', n.nspname, x.collname) AS full_name
    FROM gone AS g JOIN pg_collation AS x ON g.classid = 'pg_collation'::regclass AND x.oid = g.oid JOIN pg_namespace AS n ON n.oid = x.collnamespace
), alone(classid, oid, full_name, what, acl, owner) AS (
    SELECT 'pg_proc'::regclass, oid, full_name, 'ROUTINE', proacl, proowner FROM p WHERE prokind IN ('f', 'p')
    UNION ALL
    SELECT 'pg_type'::regclass, y.oid, y.full_name, 'TYPE', y.typacl, y.typowner FROM y
    WHERE y.typtype IN ('e', 'd', 'r') OR (y.typtype = 'c' AND (SELECT relkind FROM pg_class AS c WHERE c.oid = y.typrelid) = 'c')
    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, r.full_name, 'SEQUENCE', r.relacl, r.relowner FROM r WHERE r.relkind = 'S' AND NOT EXISTS (
        SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
            AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, full_name, 'COLLATION', NULL, collowner FROM l
    UNION ALL
    SELECT 'pg_namespace'::regclass, n.oid, quote_ident(n.nspname), 'SCHEMA', NULL, n.nspowner
    FROM gone AS g JOIN pg_namespace AS n ON g.classid = 'pg_namespace'::regclass AND n.oid = g.oid
), command(rank, oid, object, kind, name, definition) AS (
    SELECT 10, n.oid, quote_ident(n.nspname), 'schema', quote_ident(n.nspname), format('CREATE SCHEMA %I AUTHORIZATION %I', n.nspname, pg_get_userbyid(n.nspowner))
    FROM gone AS g JOIN pg_namespace AS n ON g.classid = 'pg_namespace'::regclass AND n.oid = g.oid
    UNION ALL
    SELECT 11, n.oid, quote_ident(n.nspname), 'privileges', quote_ident(n.nspname),
           format('GRANT %s ON SCHEMA %I TO %s%s', string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type), n.nspname,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM gone AS g JOIN pg_namespace AS n ON g.classid = 'pg_namespace'::regclass AND n.oid = g.oid
    CROSS JOIN LATERAL aclexplode(n.nspacl) AS e WHERE e.grantee <> n.nspowner GROUP BY n.oid, n.nspname, e.grantee, e.is_grantable
    UNION ALL
    -- Its locale has another column in 15 and in 17.
    SELECT 18, oid, full_name, 'collation', full_name, format('CREATE COLLATION %s (PROVIDER = %s, %s%s%s)', full_name,
           CASE collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
           CASE collprovider WHEN 'c' THEN format('LC_COLLATE = %L, LC_CTYPE = %L', collcollate, collctype)
                ELSE format('LOCALE = %L', coalesce(fields ->> 'colllocale', fields ->> 'colliculocale', collcollate)) END,
           CASE WHEN collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END, coalesce(', RULES = ' || quote_literal(fields ->> 'collicurules'), ''))
    FROM l
    UNION ALL
    SELECT 19, oid, full_name, 'owner', full_name, format('ALTER COLLATION %s OWNER TO %I', full_name, pg_get_userbyid(collowner)) FROM l
    UNION ALL
    SELECT 20, oid, full_name, 'type', full_name, format('CREATE TYPE %s AS ENUM (%s)', full_name,
           (SELECT coalesce(string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder), '') FROM pg_enum AS e WHERE e.enumtypid = y.oid))
    FROM y WHERE typtype = 'e'
    UNION ALL
    SELECT 20, y.oid, y.full_name, 'type', y.full_name, format('CREATE TYPE %s AS (%s)', y.full_name,
           (SELECT coalesce(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                                    || CASE WHEN l.oid IS NULL THEN '' ELSE format(' COLLATE %I.%I', n.nspname, l.collname) END, ', ' ORDER BY a.attnum), '')
            FROM pg_attribute AS a JOIN pg_type AS x ON x.oid = a.atttypid
            LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND l.oid <> x.typcollation
            LEFT JOIN pg_namespace AS n ON n.oid = l.collnamespace WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM y JOIN pg_class AS c ON c.oid = y.typrelid AND c.relkind = 'c' WHERE y.typtype = 'c'
    UNION ALL
    SELECT 20, y.oid, y.full_name, 'type', y.full_name, format('CREATE TYPE %s AS RANGE (SUBTYPE = %s, SUBTYPE_OPCLASS = %I.%I', y.full_name,
           format_type(g.rngsubtype, NULL), n.nspname, o.opcname)
           || coalesce((SELECT format(', COLLATION = %I.%I', cn.nspname, c.collname) FROM pg_collation AS c
                        JOIN pg_namespace AS cn ON cn.oid = c.collnamespace WHERE c.oid = g.rngcollation), '')
           || CASE WHEN g.rngsubdiff <> 0 THEN format(', SUBTYPE_DIFF = %s', g.rngsubdiff) ELSE '' END
           || format(', MULTIRANGE_TYPE_NAME = %s)', g.rngmultitypid::regtype)
    FROM y JOIN pg_range AS g ON g.rngtypid = y.oid JOIN pg_opclass AS o ON o.oid = g.rngsubopc JOIN pg_namespace AS n ON n.oid = o.opcnamespace
    -- One with a canonical function and that function stand on each other.
    WHERE y.typtype = 'r' AND g.rngcanonical = 0
    UNION ALL
    SELECT 20, oid, full_name, 'type', full_name, format('CREATE DOMAIN %s AS %s', full_name, format_type(typbasetype, typtypmod))
           || coalesce((SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace
                        WHERE l.oid = y.typcollation AND l.oid <> (SELECT b.typcollation FROM pg_type AS b WHERE b.oid = y.typbasetype)), '')
           || coalesce(' DEFAULT ' || pg_get_expr(typdefaultbin, 'pg_type'::regclass), '') || CASE WHEN typnotnull THEN ' NOT NULL' ELSE '' END
           || coalesce((SELECT CASE WHEN every(pg_get_constraintdef(k.oid) IS NOT NULL) THEN
                            string_agg(format(' CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname) END
                        FROM pg_constraint AS k WHERE k.contypid = y.oid AND k.contype = 'c' AND k.convalidated HAVING count(*) > 0),
                       CASE WHEN NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.contypid = y.oid AND k.contype = 'c' AND k.convalidated) THEN '' END)
    FROM y WHERE typtype = 'd'
    UNION ALL
    -- Values that one that is not validated would not let in were there before it.
    SELECT 106, y.oid, y.full_name, 'type constraint', y.full_name,
           format('ALTER DOMAIN %s ADD CONSTRAINT %I ', y.full_name, k.conname) || pg_get_constraintdef(k.oid)
    FROM y JOIN pg_constraint AS k ON k.contypid = y.oid AND k.contype = 'c' AND NOT k.convalidated WHERE y.typtype = 'd'
    UNION ALL
    SELECT 24, oid, full_name, 'owner', full_name, format('ALTER TYPE %s OWNER TO %I', full_name, pg_get_userbyid(typowner))
    FROM y WHERE typtype IN ('e', 'd', 'r') OR (typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
    UNION ALL
    SELECT 25, oid, full_name, 'function', full_name, pg_get_functiondef(oid) FROM p WHERE prokind IN ('f', 'p')
    UNION ALL
    SELECT 26, oid, full_name, 'owner', full_name, format('ALTER ROUTINE %s OWNER TO %I', full_name, pg_get_userbyid(proowner)) FROM p WHERE prokind IN ('f', 'p')
    UNION ALL
    SELECT 28, r.oid, r.full_name, 'sequence', r.full_name, format('CREATE SEQUENCE %s AS %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s',
           r.full_name, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
           CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)
    FROM r JOIN alone AS o ON o.oid = r.oid JOIN pg_sequence AS s ON s.seqrelid = r.oid
    UNION ALL
    SELECT 29, r.oid, r.full_name, 'owner', r.full_name, format('ALTER SEQUENCE %s OWNER TO %I', r.full_name, pg_get_userbyid(r.relowner))
    FROM r JOIN alone AS o ON o.oid = r.oid WHERE r.relkind = 'S'
    UNION ALL
    SELECT 135, oid, full_name, 'view', full_name, format('CREATE %s %s%s%s AS %s', CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, full_name,
           coalesce((SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute AS a
                     WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped), ''),
           coalesce((SELECT format(' USING %I', am.amname) FROM pg_am AS am WHERE am.oid = r.relam AND am.amname <> 'heap'), '')
           || coalesce((SELECT format(' WITH (%s)', string_agg(o, ', ')) FROM (
                  SELECT unnest(r.reloptions) UNION ALL
                  SELECT 'toast.' || unnest(toast.reloptions) FROM pg_class AS toast WHERE toast.oid = r.reltoastrelid) AS x(o)
                  HAVING count(*) > 0), '')
           || coalesce((SELECT format(' TABLESPACE %I', ts.spcname) FROM pg_tablespace AS ts WHERE ts.oid = r.reltablespace), ''),
           CASE relkind WHEN 'm' THEN rtrim(pg_get_viewdef(oid), ';') || ' WITH NO DATA' ELSE pg_get_viewdef(oid) END)
    FROM r WHERE relkind IN ('v', 'm')
    UNION ALL
    -- Under its own name: the view's is there as soon as the view is.
    SELECT 137, r.oid, r.full_name, 'index', format('%I.%I', n.nspname, ic.relname), pg_get_indexdef(i.indexrelid)
    FROM r JOIN pg_index AS i ON i.indrelid = r.oid JOIN pg_class AS ic ON ic.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = ic.relnamespace WHERE r.relkind = 'm'
    UNION ALL
    SELECT 136, oid, full_name, 'owner', full_name, format('ALTER TABLE %s OWNER TO %I', full_name, pg_get_userbyid(relowner))
    FROM r WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 180, oid, full_name, 'privileges', full_name, format('REVOKE ALL ON %s %s FROM PUBLIC, %I', what, full_name, pg_get_userbyid(owner))
    FROM alone WHERE acl IS NOT NULL
    UNION ALL
    SELECT 181, oid, full_name, 'privileges', full_name,
           format('GRANT %s ON %s %s TO %s%s', string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type), what, full_name,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable AND e.grantee <> owner THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM alone CROSS JOIN LATERAL aclexplode(acl) AS e GROUP BY oid, full_name, what, owner, e.grantee, e.is_grantable
    UNION ALL
    SELECT 190, a.oid, a.full_name, 'comment', a.full_name, format('COMMENT ON %s %s IS %L', a.what, a.full_name, d.description)
    FROM alone AS a JOIN pg_description AS d ON d.classoid = a.classid AND d.objoid = a.oid AND d.objsubid = 0
    UNION ALL
    -- The query runs as the view's owner, with the privileges that are back by then.
    SELECT 195, oid, full_name, 'materialized rows', full_name, format('REFRESH MATERIALIZED VIEW %s', full_name)
    FROM r WHERE relkind = 'm' AND relispopulated
)
SELECT rank, 0, oid, object, kind, name, definition FROM command ORDER BY rank, oid::bigint
