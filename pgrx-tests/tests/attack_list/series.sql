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

-- refused SF001: places in an array
DELETE FROM users WHERE id = ANY (array_positions(array_fill(1, ARRAY[50]), 1))

-- refused SF001: places in an array, one by one
DELETE FROM users WHERE id IN (SELECT unnest(array_positions(array_fill(1, ARRAY[50]), 1)))

-- refused SF001: places of words
DELETE FROM users WHERE id IN (SELECT unnest(positions) FROM unnest(to_tsvector('simple', repeat('a ', 9))))

-- refused SF001: random numbers
DELETE FROM users WHERE id IN (SELECT (random() * 50)::int FROM pg_class)

-- refused SF001: random numbers, joined
UPDATE users SET plan = 'x' FROM (SELECT floor(random() * 12)::int AS k FROM pg_class) s WHERE users.id = s.k

-- refused SF001: random numbers by rows of another table
DELETE FROM users WHERE id IN (SELECT (random() * 50)::int + 0 * user_id FROM plain, pg_am)

-- refused SF001: places of rows
DELETE FROM users WHERE id IN (SELECT (ctid::text::point)[1]::int FROM plain)

-- refused SF001: numbers of transactions
DELETE FROM blobs WHERE id::text IN (SELECT ((xmin::text::bigint - (SELECT min(xmin::text::bigint) FROM plain)) + user_id)::text FROM plain)

-- refused SF001: counts of groups
DELETE FROM users WHERE id IN (SELECT count(*) FROM plain a JOIN plain b ON b.id <= a.id GROUP BY a.id)

-- refused SF001: sums of ones
DELETE FROM users WHERE id IN (SELECT sum(1) FROM plain a JOIN plain b ON b.id <= a.id GROUP BY a.id)

-- refused SF001: how many another table has for each row
DELETE FROM users WHERE id = (SELECT count(*) FROM plain p WHERE p.tag <> users.auth_source AND p.id > 0)

-- refused SF001: running sums
DELETE FROM users WHERE id IN (SELECT sum(1) OVER (ORDER BY tag, id) FROM plain)

-- refused SF001: ranks
DELETE FROM users WHERE id IN (SELECT rank() OVER (ORDER BY id) FROM plain)

-- refused SF001: tiles
DELETE FROM users WHERE id IN (SELECT ntile(6) OVER (ORDER BY id) FROM plain)

-- refused SF001: a series just written
WITH new AS (INSERT INTO plain (id, user_id) SELECT 100 + g, g FROM generate_series(3, 6) g RETURNING user_id) DELETE FROM users USING new WHERE users.id = new.user_id

-- refused SF001: a series just written over another column
WITH old AS (UPDATE plain SET user_id = s.n FROM (SELECT id, row_number() OVER () AS n FROM plain) s WHERE s.id = plain.id RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM old)

-- refused SF001: a recursive list
WITH RECURSIVE c(a) AS (SELECT ARRAY[1] UNION ALL SELECT a || cardinality(a) FROM c WHERE cardinality(a) < 5) DELETE FROM users WHERE id IN (SELECT unnest(a) FROM c)

-- refused SF001: members and their places
DELETE FROM users WHERE id IN (SELECT n FROM information_schema._pg_expandarray(ARRAY[7, 7, 7]))

-- passes: keys cut out of a text by a pattern
DELETE FROM users WHERE id IN (SELECT m[1]::bigint FROM regexp_matches('1 2 3', '[0-9]+', 'g') m)

-- passes: keys cut out of a text as rows
DELETE FROM users WHERE id IN (SELECT k::bigint FROM regexp_split_to_table('1 2 3', ' ') k)

-- passes: keys from fields of JSON
DELETE FROM users WHERE id IN (SELECT k::bigint FROM json_object_keys('{"1": 0, "2": 0}') k)

-- passes: keys from records of JSON
UPDATE users SET plan = r.plan FROM jsonb_to_recordset('[{"id": 1, "plan": "a"}, {"id": 2, "plan": "b"}]') r(id bigint, plan text) WHERE r.id = users.id

-- passes: keys by a path in JSON
DELETE FROM users WHERE id IN (SELECT j::text::bigint FROM jsonb_path_query('[1, 2]', '$[*]') j)

-- passes: an array with one taken away
DELETE FROM users WHERE id = ANY (array_remove(ARRAY[1, 2, 3]::bigint[], 2))

-- passes: an array replaced in, filled and put together
DELETE FROM users WHERE id = ANY (array_replace(array_cat(array_fill(5::bigint, ARRAY[2]), ARRAY[6]::bigint[]), 6, 7))

-- passes: the key that is a count
DELETE FROM users WHERE id = (SELECT count(*) FROM plain WHERE id > 3)

-- passes: a random key
DELETE FROM users WHERE id = (SELECT floor(random() * 12)::bigint)

-- passes: a random row by another column
DELETE FROM users WHERE id = (SELECT id FROM users WHERE plan = 'trial' ORDER BY random() LIMIT 1)

-- passes: the greatest of each partition of another table's keys
DELETE FROM users WHERE id IN (SELECT max(user_id) OVER (PARTITION BY tag) FROM plain)

-- passes: the key after in another table
DELETE FROM users WHERE id IN (SELECT lead(user_id, 1, 0::bigint) OVER (ORDER BY tag, id) FROM plain)

-- passes: a place of a row beside the key
DELETE FROM users u USING users v WHERE u.ctid = v.ctid AND v.plan = 'trial'

-- passes: the place of a row that is told
DELETE FROM users WHERE ctid IN (SELECT ctid FROM users WHERE auth_source = 'test' LIMIT 2)

-- passes: the row as it was read
UPDATE users SET plan = 'x' WHERE id = 5 AND xmin::text <> '0'

-- passes: keys that were written just now
WITH new AS (INSERT INTO plain (id, user_id) VALUES (100, 5), (101, 6) RETURNING user_id) DELETE FROM users USING new WHERE users.id = new.user_id

-- passes: keys of rows that were updated
WITH old AS (UPDATE plain SET tag = 'gone' WHERE id > 3 RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM old)

-- passes: keys of groups that are counted
UPDATE users SET plan = s.n::text FROM (SELECT user_id, count(*) AS n FROM subscriptions GROUP BY user_id) s WHERE s.user_id = users.id

-- passes: a key that a count decides on
DELETE FROM users WHERE id = CASE WHEN (SELECT count(*) FROM plain) > 3 THEN 5 ELSE 6 END

-- refused SF001: digits put together
DELETE FROM users WHERE id IN (SELECT a.n + 3 * b.n FROM (VALUES (0), (1), (2)) a(n), (VALUES (0), (1), (2)) b(n))

-- refused SF001: digits put together as text
DELETE FROM users WHERE id::text IN (SELECT a.n || b.n FROM unnest(ARRAY['', '1']) a(n), unnest(ARRAY['0', '1', '2']) b(n))

-- passes: a key of one table or of another
UPDATE users SET plan = 'x' FROM plain p, results r WHERE p.id = r.id AND users.id = CASE WHEN p.tag = 'close' THEN p.user_id ELSE r.customer_id END

-- passes: a key that two tables make up
DELETE FROM pages USING plain p, results r WHERE p.id = r.id AND pages.slug = p.tag || '/' || r.customer_id

-- refused SF001: a key of another row, or a range
DELETE FROM users u USING users v WHERE u.id = CASE WHEN v.id > 3 THEN v.id ELSE 5 END

-- refused SF001: numbers of groupings
DELETE FROM users WHERE id IN (SELECT GROUPING(tag, user_id) FROM plain GROUP BY CUBE (tag, user_id))

-- refused SF001: a series in an array of arrays
DELETE FROM users WHERE id = ANY (ARRAY[(SELECT array_agg(g) FROM generate_series(1, 9) g)])

-- refused SF001: a series in an array of arrays, beside a list
DELETE FROM users WHERE id = ANY (ARRAY[(SELECT array_agg(g) FROM generate_series(1, 2) g), ARRAY[5, 6]])
