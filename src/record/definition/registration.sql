-- The protections of the relations $1 (oid[]).
WITH command(rank, relid, kind, name, definition) AS (
    SELECT 210, relation::oid, 'protection', relation::text,
           format('SELECT backstop.protect(%L, key_columns => %L, max_rows => %s, expendable => %L, require => %L, approval => %L)',
                  relation::text, key_columns, coalesce(max_rows::text, 'NULL'), expendable, require, approval)
    FROM backstop.registered_table WHERE relation::oid = ANY ($1::oid[])
    UNION ALL
    SELECT 211, relation::oid, 'protection', relation::text,
           format('SELECT backstop.protect_columns(%L, %L, %L)', relation::text, array_agg(column_name ORDER BY column_name), upstream)
    FROM backstop.registered_column WHERE relation::oid = ANY ($1::oid[]) GROUP BY relation, upstream
)
SELECT rank, 0, relid, relid::regclass::text, kind, name, definition FROM command ORDER BY rank, name
