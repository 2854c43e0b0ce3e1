-- refused SF001: computed from a series in a CTE
WITH ids AS (SELECT 3 + g AS id FROM generate_series(1, 5) g) DELETE FROM users USING ids WHERE users.id = ids.id

-- refused SF001: a list computed from a series in a CTE
WITH ids AS (SELECT 3 + g AS id FROM generate_series(1, 5) g) DELETE FROM users WHERE id IN (SELECT id FROM ids)

-- refused SF001: computed from a series one subquery down
DELETE FROM users WHERE id IN (SELECT k FROM (SELECT 3 + g AS k FROM generate_series(1, 5) g) s)

-- refused SF001: computed from a series two subqueries down
DELETE FROM users WHERE id IN (SELECT k FROM (SELECT i * 2 AS k FROM (SELECT g - 3 AS i FROM generate_series(1, 5) g) r) s)

-- refused SF001: computed from a series, under EXISTS
DELETE FROM users u WHERE EXISTS (SELECT FROM (SELECT 3 + g AS k FROM generate_series(1, 5) g) s WHERE s.k = u.id)

-- refused SF001: a series counted backwards, joined
UPDATE users SET plan = 'x' FROM (SELECT -g + 10 AS k FROM generate_series(1, 5) g) s WHERE users.id = s.k

-- refused SF001: an array of what a series computes
DELETE FROM users WHERE id = ANY (ARRAY(SELECT k FROM (SELECT 3 + g AS k FROM generate_series(1, 5) g) s))

-- refused SF001: computed from a series in a view
DELETE FROM users USING shifted_ids s WHERE users.id = s.id

-- refused SF001: a series that a default stands in for
WITH ids AS (SELECT g AS i FROM generate_series(1, 5) g) DELETE FROM users WHERE id IN (SELECT coalesce(i, 0) FROM ids)

-- refused SF001: a series that a default stands in for, one subquery down
WITH ids AS (SELECT g AS i FROM generate_series(1, 5) g) DELETE FROM users USING (SELECT coalesce(i, 0) AS k FROM ids) s WHERE users.id = s.k

-- refused SF001: the greatest of each group of a series
WITH ids AS (SELECT g AS i FROM generate_series(1, 5) g) DELETE FROM users WHERE id IN (SELECT max(i) FROM ids GROUP BY i)

-- refused SF001: the greatest of each group, one subquery down
WITH ids AS (SELECT g AS i FROM generate_series(1, 5) g) DELETE FROM users USING (SELECT max(i) AS k FROM ids GROUP BY i) m WHERE users.id = m.k

-- refused SF001: row numbers moved
WITH a AS (SELECT row_number() OVER () AS id FROM plain), b AS (SELECT id + 3 AS id FROM a) DELETE FROM users USING b WHERE users.id = b.id

-- refused SF001: a recursive counter moved
WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 5), ids AS (SELECT 3 + i AS id FROM c) DELETE FROM users USING ids WHERE users.id = ids.id

-- refused SF001: a series through an array
DELETE FROM users u USING unnest((SELECT array_agg(g) FROM generate_series(1, 5) g)) k WHERE u.id = k

-- refused SF001: a series through JSON
DELETE FROM users u USING json_to_recordset((SELECT json_agg(json_build_object('i', g)) FROM generate_series(1, 5) g)) j(i bigint) WHERE u.id = j.i

-- refused SF001: one of two series, moved
DELETE FROM users WHERE id IN (SELECT i + 1 FROM (SELECT g AS i FROM generate_series(1, 2) g UNION SELECT h FROM generate_series(4, 6) h) s)

-- refused SF001: series in one arm of a UNION
DELETE FROM users WHERE id IN (SELECT k FROM (SELECT user_id AS k FROM plain UNION ALL SELECT 3 + g FROM generate_series(1, 5) g) s)

-- refused SF001: rows of another table that a series picks, moved
DELETE FROM users u USING plain p, generate_series(1, 5) g WHERE p.user_id = g AND u.id = p.user_id + 1

-- refused SF001: a composite key computed from series one subquery down
DELETE FROM seats USING (SELECT 1 + t AS t, n FROM generate_series(1, 2) t, (VALUES (1), (2)) v(n)) s WHERE (train, number) = (s.t, s.n)

-- refused SF001: computed from a series whose ends are given by a table
DELETE FROM users u USING (SELECT p.user_id, g * 1 AS k FROM plain p, LATERAL generate_series(p.user_id, p.user_id + 2) g WHERE p.id > 2) s WHERE u.id = s.k

-- refused SF001: a list of lists that a series computes
DELETE FROM users WHERE id IN (SELECT unnest(ARRAY[g, g + 1]) FROM generate_series(1, 5) g)

-- refused SF001: VALUES computed from a series beside it
DELETE FROM users u USING generate_series(1, 5) g, LATERAL (VALUES (g + 3)) v(k) WHERE u.id = v.k

-- refused SF001: an array that a CTE computes from a series
WITH ids AS (SELECT array_agg(3 + g) AS a FROM generate_series(1, 5) g) DELETE FROM users USING ids WHERE users.id = ANY (ids.a)

-- refused SF001: the key as text and a series as text
DELETE FROM users WHERE id::text IN (SELECT k FROM (SELECT (3 + g)::text AS k FROM generate_series(1, 5) g) s)

-- refused SF001: members of JSON that a series makes
DELETE FROM users u USING (SELECT (j ->> 'i')::bigint AS k FROM jsonb_array_elements((SELECT jsonb_agg(jsonb_build_object('i', g)) FROM generate_series(1, 5) g)) j) s WHERE u.id = s.k

-- refused SF001: the ordinality of a function, moved
DELETE FROM users u USING (SELECT ordinality + 3 AS k FROM unnest(ARRAY[1, 2, 3]) WITH ORDINALITY) s WHERE u.id = s.k

-- refused SF001: rows of another table that what a series computes picks
DELETE FROM users u USING plain p, (SELECT g + 1 AS k FROM generate_series(1, 5) g) s WHERE p.user_id = s.k AND u.id = p.user_id

-- passes: keys of a table that a series multiplies
DELETE FROM users WHERE id IN (SELECT user_id FROM plain, generate_series(1, 3) g WHERE plain.id = g)

-- passes: keys of a table that a series one subquery down multiplies
DELETE FROM users WHERE id IN (SELECT user_id FROM plain, (SELECT g + 1 AS k FROM generate_series(1, 3) g) s WHERE plain.id = s.k)

-- passes: keys of a table beside numbers of its rows
UPDATE users SET plan = s.n::text FROM (SELECT user_id, row_number() OVER (ORDER BY tag) + 1 AS n FROM plain) s WHERE users.id = s.user_id

-- passes: keys computed from a table's column
DELETE FROM users USING (SELECT user_id + 0 AS k FROM plain WHERE tag = 'close') s WHERE users.id = s.k

-- passes: keys from VALUES one subquery down
DELETE FROM users WHERE id IN (SELECT k + 1 FROM (VALUES (1), (2)) v(k))

-- passes: keys from an array one subquery down
DELETE FROM users WHERE id IN (SELECT k FROM (SELECT v::bigint AS k FROM unnest(ARRAY['1', '2']) v) s)

-- passes: keys from an array beside their places in it
UPDATE users SET plan = s.o::text FROM (SELECT v::bigint AS k, o FROM unnest(ARRAY['1', '2']) WITH ORDINALITY t(v, o)) s WHERE users.id = s.k

-- passes: the keys a table holds, collected as an array
DELETE FROM users u USING unnest((SELECT array_agg(user_id) FROM plain WHERE tag = 'close')) k WHERE u.id = k

-- passes: keys of a tree of rows with their depth
WITH RECURSIVE tree(id, depth) AS (SELECT user_id, 0 FROM plain WHERE id = 3 UNION ALL SELECT p.user_id, depth + 1 FROM tree JOIN plain p ON p.id = tree.id WHERE depth < 2) DELETE FROM users WHERE id IN (SELECT id FROM tree)

-- passes: keys of a table by ranges that a series makes
DELETE FROM users WHERE id IN (SELECT p.user_id FROM plain p JOIN (SELECT g, g * 2 AS high FROM generate_series(1, 3) g) b ON p.id BETWEEN b.g AND b.high)

-- passes: the first key of each group by numbers of its rows
DELETE FROM users WHERE id IN (SELECT user_id FROM (SELECT user_id, row_number() OVER (PARTITION BY tag ORDER BY id) AS n FROM plain) s WHERE n = 1)

-- passes: the greatest of each group of another table's keys
DELETE FROM users USING (SELECT max(user_id) AS k FROM plain GROUP BY tag) m WHERE users.id = m.k

-- passes: keys cut from a string in a CTE
WITH ids AS (SELECT unnest(string_to_array('1,2,3', ','))::bigint AS k) DELETE FROM users USING ids WHERE users.id = ids.k

-- refused SF001: a sequence that is drawn from for every row
DELETE FROM users WHERE id IN (SELECT 1 + mod(nextval(pg_get_serial_sequence('subscriptions', 'id')), 12) FROM pg_class)

-- refused SF001: numbers drawn from a sequence, one subquery down
UPDATE users SET plan = 'x' FROM (SELECT mod(nextval(pg_get_serial_sequence('subscriptions', 'id')), 12) + 1 AS k FROM pg_class) s WHERE users.id = s.k
