-- What the sequences have that the columns $2 (smallint[], none: all) of the tables $1 (oid[]) own: privileges, comments,
-- protections.
WITH s AS (
    SELECT d.refobjid AS relid, format('%I.%I', n.nspname, c.relname) AS object, q.oid, q.relacl, q.relowner,
           format('%I.%I', qn.nspname, q.relname) AS full_name
    FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.refobjid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_namespace AS qn ON qn.oid = q.relnamespace
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::oid[]) AND d.refobjsubid > 0
        AND (d.refobjsubid = ANY ($2::smallint[]) OR cardinality($2::smallint[]) = 0)
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
), command(rank, relid, object, kind, name, definition) AS (
    SELECT 180, relid, object, 'privileges', full_name, format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC, %I', full_name, pg_get_userbyid(relowner))
    FROM s WHERE relacl IS NOT NULL
    UNION ALL
    SELECT e.rank,
           relid, object, 'privileges', full_name,
           format('GRANT %s ON SEQUENCE %s TO %s%s%s', string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type), full_name,
                  CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
                  CASE WHEN e.is_grantable AND e.grantee <> relowner THEN ' WITH GRANT OPTION' ELSE '' END,
                  CASE WHEN e.grantor <> relowner THEN format(' GRANTED BY %I', pg_get_userbyid(e.grantor)) ELSE '' END)
    FROM s CROSS JOIN LATERAL (
        SELECT x.*, CASE WHEN x.grantor = s.relowner THEN 181
                         WHEN EXISTS (SELECT FROM aclexplode(s.relacl) AS y WHERE y.grantee = x.grantor AND y.grantor = s.relowner) THEN 182
                         ELSE 183 END AS rank FROM aclexplode(s.relacl) AS x
    ) AS e
    GROUP BY relid, object, full_name, relowner, e.grantor, e.grantee, e.is_grantable, e.rank
    UNION ALL
    SELECT 190, relid, object, 'comment', full_name, format('COMMENT ON SEQUENCE %s IS %L', full_name, d.description)
    FROM s JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = s.oid AND d.objsubid = 0
    UNION ALL
    SELECT 212, s.relid, s.object, 'protection', r.sequence::text,
           format('SELECT backstop.protect_sequence(%L, max_step => %s, min_value => %s, max_value => %s, allow_backward => %s)',
                  r.sequence::text, r.max_step, coalesce(r.min_value::text, 'NULL'), coalesce(r.max_value::text, 'NULL'),
                  r.allow_backward::text)
    FROM s JOIN backstop.registered_sequence AS r ON r.sequence::oid = s.oid
)
SELECT rank, 0, relid, object, kind, name, definition FROM command ORDER BY rank, relid::bigint, name, definition
