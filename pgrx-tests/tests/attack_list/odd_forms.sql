-- refused SF001: ranges that overlap
DELETE FROM spans WHERE span && int4range(2, 5)

-- refused SF001: a range that contains
DELETE FROM spans WHERE span @> 3

-- refused SF001: the lower end of a range
DELETE FROM spans WHERE lower(span) = 3

-- refused SF001: a subnet
DELETE FROM hosts WHERE ip << '10.0.0.0/24'

-- refused SF001: an address by its network
DELETE FROM hosts WHERE set_masklen(ip, 24) = '10.0.0.1/24'

-- refused SF001: arrays that overlap
DELETE FROM sets WHERE members && ARRAY[1, 2, 3]

-- refused SF001: a member of the key
DELETE FROM sets WHERE 3 = ANY (members)

-- refused SF001: a member of the key by its place
DELETE FROM sets WHERE members[1] = 3

-- refused SF001: how many members the key has
DELETE FROM sets WHERE cardinality(members) = 2

-- refused SF001: documents that are contained
DELETE FROM docs WHERE doc <@ '[1, 2, 3]'

-- refused SF001: documents by a path
DELETE FROM docs WHERE doc @@ '$ > 5'

-- refused SF001: a moment cut to its day
DELETE FROM stamps WHERE at::date = '2026-01-01'

-- refused SF001: days since
DELETE FROM days WHERE day - '2026-01-01'::date < 5

-- refused SF001: a day as text with a pattern
DELETE FROM days WHERE day::text LIKE '2026-01%'

-- refused SF001: a code without its blanks
DELETE FROM codes WHERE rtrim(code) LIKE 'c%'

-- refused SF001: a list of days counted from one
DELETE FROM days WHERE day IN (SELECT '2026-01-01'::date + i FROM generate_series(1, 5) i)

-- refused SF001: multiranges of another table's keys
DELETE FROM users WHERE id <@ ANY (ARRAY[int8range(1, 3), int8range(7, 9)])

-- refused SF001: buckets
DELETE FROM users WHERE width_bucket(id, 0, 100, 2) = 1

-- refused SF001: formatted
DELETE FROM users WHERE format('%s', id) = '5'

-- refused SF001: an equality as a number
DELETE FROM users WHERE (id = 5)::int = 0

-- refused SF001: an equality that is replaced
DELETE FROM users WHERE coalesce(id = 5, false) = false

-- refused SF001: an equality that is nulled
DELETE FROM users WHERE nullif(id = 5, true) IS NOT NULL

-- refused SF001: an equality aggregated
DELETE FROM users WHERE email IN (SELECT email FROM users GROUP BY email HAVING NOT bool_or(id = 5))

-- refused SF001: an equality counted
DELETE FROM users WHERE email IN (SELECT email FROM users GROUP BY email HAVING count(*) FILTER (WHERE id = 5) = 0)

-- refused SF001: how many keys are lower
DELETE FROM users u WHERE (SELECT count(*) FROM users v WHERE v.id < u.id) < 5

-- refused SF001: the rank of the key
DELETE FROM users WHERE email IN (SELECT email FROM (SELECT email, ntile(4) OVER (ORDER BY id) r FROM users) s WHERE r = 1)

-- refused SF001: a percentile of the keys
DELETE FROM users WHERE id = (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id) FROM users)

-- refused SF001: a slice of the keys in order
DELETE FROM users WHERE id = ANY ((SELECT (array_agg(id ORDER BY id))[1:5] FROM users)::bigint[])

-- refused SF001: places of rows by a range of keys
DELETE FROM users WHERE ctid = ANY (ARRAY(SELECT ctid FROM users WHERE id < 0))

-- refused SF001: places of rows in the order of keys
DELETE FROM users WHERE ctid IN (SELECT ctid FROM users ORDER BY id LIMIT 5)

-- refused SF001: a listed key that a scalar subquery does not find
DELETE FROM users u WHERE (SELECT k FROM unnest(ARRAY[1, 2]) k WHERE k = u.id) IS NULL

-- refused SF001: listed keys that are counted
DELETE FROM users u WHERE (SELECT count(*) FROM unnest('{1,2}'::bigint[]) k WHERE k = u.id) = 0

-- refused SF001: the greatest listed key that is not above
DELETE FROM users u WHERE (SELECT max(x) FROM (VALUES (1), (5)) v(x) WHERE v.x <= u.id) = 5

-- refused SF001: all of nothing
DELETE FROM users WHERE id = ALL ('{}'::bigint[])

-- refused SF001: a walk along the keys
WITH RECURSIVE c(id) AS (SELECT 1::bigint UNION ALL SELECT v.id FROM c JOIN users v ON v.id = c.id + 1) DELETE FROM users WHERE id IN (SELECT id FROM c)

-- refused SF001: a side of the table that a subquery names
UPDATE users SET plan = 'x' FROM (SELECT id, CASE WHEN id > 3 THEN 'a' ELSE 'b' END AS side FROM users) s WHERE s.id = users.id AND s.side = 'a'

-- refused SF001: a path over all keys
DELETE FROM users WHERE id IN (SELECT j::bigint FROM jsonb_path_query((SELECT jsonb_agg(id) FROM users), '$[*] ? (@ > 5)') j)

-- refused SF001: rows from a line on
DELETE FROM lines WHERE order_id = 1 AND line_no >= 2

-- refused SF001: a pair that is distinct
DELETE FROM lines WHERE ROW(order_id, line_no) IS DISTINCT FROM ROW(1, 2)

-- refused SF001: places of a whole row
DELETE FROM users WHERE id IN (SELECT (t).o FROM (SELECT t FROM unnest(ARRAY[0, 0, 0]) WITH ORDINALITY t(a, o)) s)

-- refused SF001: a series just written, moved
WITH new AS (INSERT INTO plain (id, user_id) SELECT 100 + g, g FROM generate_series(3, 6) g RETURNING user_id + 0 AS k) DELETE FROM users USING new WHERE users.id = new.k
