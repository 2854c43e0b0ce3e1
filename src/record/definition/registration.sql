-- The protections of the relations $1 (oid[]) and of the sequences they own.
WITH command(rank, relid, kind, name, definition) AS (
    SELECT 210, relation::oid, 'protection', relation::text,
           format('SELECT backstop.protect(%L, key_columns => %L, max_rows => %s, expendable => %L, require => %L, approval => %L)',
                  relation::text, key_columns, coalesce(max_rows::text, 'NULL'), expendable, require, approval)
    FROM backstop.registered_table WHERE relation::oid = ANY ($1::oid[])
    UNION ALL
    SELECT 211, relation::oid, 'protection', relation::text,
           format('SELECT backstop.protect_columns(%L, %L, %L)', relation::text, array_agg(column_name ORDER BY column_name), upstream)
    FROM backstop.registered_column WHERE relation::oid = ANY ($1::oid[]) GROUP BY relation, upstream
    UNION ALL
    SELECT 212, d.refobjid, 'protection', r.sequence::text,
           format('SELECT backstop.protect_sequence(%L, max_step => %s, min_value => %s, max_value => %s, allow_backward => %s)',
                  r.sequence::text, r.max_step, coalesce(r.min_value::text, 'NULL'), coalesce(r.max_value::text, 'NULL'),
                  r.allow_backward::text)
    FROM backstop.registered_sequence AS r JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass
        AND d.objid = r.sequence::oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    WHERE d.refobjid = ANY ($1::oid[])
)
SELECT rank, 0, relid, relid::regclass::text, kind, name, definition FROM command ORDER BY rank, name
