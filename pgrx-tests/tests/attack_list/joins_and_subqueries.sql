-- refused SF001: a subquery on the same table by range
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE id < 0)

-- refused SF001: an attribute that a range of keys selects
DELETE FROM users WHERE email IN (SELECT email FROM users WHERE id BETWEEN -91111200 AND -91111100)

-- refused SF001: a scalar subquery over the key
DELETE FROM users WHERE id = (SELECT max(id) FROM users)

-- refused SF001: more than the average key
DELETE FROM users WHERE id > (SELECT avg(user_id) FROM plain)

-- refused SF001: EXISTS by range
DELETE FROM users u WHERE EXISTS (SELECT 1 FROM plain p WHERE p.user_id > u.id)

-- refused SF001: NOT EXISTS by the key
DELETE FROM users u WHERE NOT EXISTS (SELECT 1 FROM users v WHERE v.email = u.email AND v.id < 0)

-- refused SF001: greater than any
DELETE FROM users WHERE id > ANY (SELECT user_id FROM plain)

-- refused SF001: NOT IN a subquery
DELETE FROM users WHERE id NOT IN (SELECT user_id FROM plain)

-- refused SF001: different from all of a subquery
DELETE FROM users WHERE id <> ALL (SELECT user_id FROM plain)

-- refused SF001: duplicates removed by the order of keys
DELETE FROM users u USING users v WHERE u.plan = v.plan AND u.id > v.id

-- refused SF001: a self-join whose other side is a range
DELETE FROM users u USING users v WHERE u.id = v.id AND v.id < 0

-- refused SF001: a self-join that pretends to pin
DELETE FROM users u USING users v WHERE u.id = v.id AND u.id < 0

-- refused SF001: a join condition by range
UPDATE users SET plan = 'x' FROM plain p WHERE users.id BETWEEN p.id AND p.id + 1

-- refused SF001: an outer join by range
DELETE FROM users u USING plain p LEFT JOIN users v ON v.id < p.user_id WHERE u.email = v.email

-- refused SF001: JOIN ... ON in USING
DELETE FROM users u USING (plain p JOIN trash t ON t.user_id = p.user_id) WHERE u.id <= p.user_id

-- refused SF001: a range in the join partner's own subquery
DELETE FROM users u USING (SELECT email FROM users WHERE id < -5) s WHERE s.email = u.email

-- refused SF001: a range in a lateral subquery
DELETE FROM users u USING plain p, LATERAL (SELECT email FROM users v WHERE v.id > p.id) s WHERE u.email = s.email

-- refused SF001: a range in HAVING
DELETE FROM users WHERE plan IN (SELECT plan FROM users GROUP BY plan HAVING min(id) < 0)

-- refused SF001: a range in a CTE
WITH old AS (SELECT id FROM users WHERE id < 0) DELETE FROM users WHERE id IN (SELECT id FROM old)

-- refused SF001: a range on a CTE's output
WITH all_users AS (SELECT id FROM users) DELETE FROM users WHERE id IN (SELECT id FROM all_users WHERE id < 0)

-- refused SF001: a range on a renamed output
DELETE FROM users WHERE id IN (SELECT s.who FROM (SELECT id AS who FROM users) s WHERE s.who < 0)

-- refused SF001: a range two CTEs away
WITH a AS (SELECT id, email FROM users), b AS (SELECT email FROM a WHERE id < 0) DELETE FROM users WHERE email IN (SELECT email FROM b)

-- refused SF001: a range in a materialized CTE
WITH old AS MATERIALIZED (SELECT email FROM users WHERE id < 0) DELETE FROM users u USING old WHERE old.email = u.email

-- refused SF001: a range in one arm of a UNION
DELETE FROM users WHERE id IN (SELECT 5 UNION SELECT id FROM users WHERE id < 0)

-- refused SF001: a range in an EXCEPT
DELETE FROM users WHERE id IN (SELECT id FROM users EXCEPT SELECT id FROM users WHERE id > 0)

-- refused SF001: a range in a data-modifying CTE
WITH gone AS (DELETE FROM users WHERE id < 0 RETURNING id) SELECT count(*) FROM gone

-- refused SF001: what a data-modifying CTE returns by range
WITH u AS (UPDATE users SET plan = 'x' WHERE plan = 'free' RETURNING id) DELETE FROM seats WHERE train IN (SELECT 1 FROM u WHERE u.id < 0)

-- refused SF001: in the CTE of an INSERT
WITH gone AS (DELETE FROM users WHERE id < -5 RETURNING id) INSERT INTO plain (id) SELECT 1000 - id FROM gone

-- refused SF001: a CASE in a join
DELETE FROM users u USING plain p WHERE CASE WHEN u.id > 0 THEN p.id = 1 ELSE p.id = 2 END

-- refused SF001: a range hidden in an aggregate's filter
DELETE FROM users WHERE plan = (SELECT max(plan) FILTER (WHERE id < 0) FROM users)

-- refused SF001: the other side of a join carries the key
DELETE FROM users u USING subscriptions s WHERE s.user_id = u.id AND s.user_id < 0

-- refused SF001: a subquery's column carries the key
DELETE FROM users WHERE id IN (SELECT user_id FROM subscriptions WHERE user_id < 0)

-- refused SF001: a series in a subquery
DELETE FROM users WHERE id IN (SELECT generate_series(-91111200, -91111100))

-- refused SF001: a series in FROM
DELETE FROM users USING generate_series(-91111200, -91111100) g WHERE g = id

-- refused SF001: a series as an array
DELETE FROM users WHERE id = ANY (ARRAY(SELECT generate_series(-91111200, -91111100)))

-- refused SF001: a series in a CTE
WITH ids AS (SELECT n FROM generate_series(1, 5) n) DELETE FROM users WHERE id IN (SELECT n FROM ids)

-- refused SF001: a series in a view
DELETE FROM users WHERE id IN (SELECT n FROM window_ids)

-- refused SF001: a series turned round
DELETE FROM users WHERE id IN (SELECT -n FROM generate_series(1, 5) n)

-- refused SF001: a series joined
UPDATE users SET plan = 'x' FROM generate_series(1, 5) g(n) WHERE users.id = g.n

-- refused SF001: a series in a lateral join
DELETE FROM users u USING plain p, LATERAL generate_series(p.id, p.id + 2) g WHERE u.id = g

-- refused SF001: a recursive counter
WITH RECURSIVE c(n) AS (VALUES (-91111200) UNION ALL SELECT n + 1 FROM c WHERE n < -91111100) DELETE FROM users WHERE id IN (SELECT n FROM c)

-- refused SF001: row numbers
DELETE FROM users WHERE id IN (SELECT row_number() OVER () FROM plain)

-- refused SF001: array subscripts
DELETE FROM users WHERE id IN (SELECT generate_subscripts(ARRAY[7, 7, 7, 7], 1))

-- refused SF001: the ordinality of a function
DELETE FROM users WHERE id IN (SELECT o FROM unnest(ARRAY['a', 'b', 'c']) WITH ORDINALITY t(v, o))

-- passes: keys from another table
DELETE FROM users WHERE id IN (SELECT user_id FROM plain WHERE tag = 'close')

-- passes: keys from another table by that table's own range
DELETE FROM users WHERE id IN (SELECT user_id FROM plain WHERE id > 3)

-- passes: keys by attribute from the same table
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE auth_source = 'test')

-- passes: keys from a CTE
WITH old AS (SELECT id FROM users WHERE auth_source = 'test') DELETE FROM users USING old WHERE old.id = users.id

-- passes: keys from VALUES
DELETE FROM users WHERE id IN (VALUES (1), (2))

-- passes: keys from a joined VALUES list
UPDATE users SET plan = v.plan FROM (VALUES (1, 'a'), (2, 'b')) v(id, plan) WHERE v.id = users.id

-- passes: keys from unnest
DELETE FROM users WHERE id IN (SELECT unnest(ARRAY[1, 2, 3]))

-- passes: keys from unnest in FROM
UPDATE users SET plan = d.plan FROM unnest(ARRAY[1, 2]::bigint[], ARRAY['a', 'b']) d(id, plan) WHERE d.id = users.id

-- passes: keys from JSON
DELETE FROM users WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text('[1, 2]'))

-- passes: keys from an array subquery
DELETE FROM users WHERE id = ANY (ARRAY(SELECT user_id FROM plain WHERE tag = 'close'))

-- passes: a self-join by attribute on one key
DELETE FROM users u USING users v WHERE u.email = v.email AND v.id = 5

-- passes: a correlated subquery by equality
UPDATE users u SET plan = 'x' WHERE (SELECT count(*) FROM subscriptions s WHERE s.user_id = u.id) = 2 AND auth_source = 'test'

-- passes: a lateral lookup by equality
DELETE FROM users u USING plain p, LATERAL (SELECT v.email FROM users v WHERE v.id = p.user_id) s WHERE s.email = u.email AND p.id = 3

-- passes: what a data-modifying CTE returns
WITH gone AS (DELETE FROM users WHERE id = 5 RETURNING id) UPDATE plain SET tag = 'gone' FROM gone WHERE plain.user_id = gone.id

-- passes: a range in a query that feeds nothing
WITH gone AS (DELETE FROM users WHERE id = 5 RETURNING id) SELECT count(*) FROM users WHERE id > 0

-- passes: a series for another column
DELETE FROM users WHERE length(email) IN (SELECT generate_series(100, 110)) AND auth_source = 'test'

-- passes: a new value from a range
UPDATE users SET plan = (SELECT max(tag) FROM plain WHERE plain.id > 0) WHERE id = 5

-- passes: a new value from the protected key's own range
UPDATE users SET plan = (SELECT count(*)::text FROM users v WHERE v.id < users.id) WHERE id = 5

-- passes: keys in a fixed order
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE auth_source = 'test' ORDER BY id FOR UPDATE)

-- refused SF001: the last keys, ordered one level below LIMIT
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id FROM users ORDER BY id DESC) z LIMIT 3)

-- refused SF001: the last keys, ordered in a CTE
WITH z AS (SELECT id FROM users ORDER BY id DESC) DELETE FROM users WHERE id IN (SELECT id FROM z LIMIT 3)

-- refused SF001: an attribute of the last keys
DELETE FROM users WHERE email IN (SELECT email FROM (SELECT email FROM users ORDER BY id DESC) z LIMIT 3)

-- refused SF001: the last keys under an order that tells nothing apart
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE plan = 'free' ORDER BY plan, id DESC LIMIT 3)

-- refused SF001: the last keys under an order by a test
DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY auth_source IS NULL, id DESC LIMIT 3)

-- refused SF001: the last keys of a UNION ALL
DELETE FROM users WHERE email IN (SELECT email FROM ((SELECT email FROM users ORDER BY id DESC) UNION ALL SELECT 'none') z LIMIT 3)

-- refused SF001: an array filled in the order of keys
DELETE FROM users WHERE email = ANY ((SELECT array_agg(email) FROM (SELECT email FROM users ORDER BY id DESC) z)[1:3])

-- refused SF001: a string filled in the order of keys
DELETE FROM users WHERE email = (SELECT split_part(string_agg(email, ' '), ' ', 1) FROM (SELECT email FROM users ORDER BY id DESC) z)

-- refused SF001: a slice of an array subquery in the order of keys
DELETE FROM users WHERE email = ANY ((ARRAY(SELECT email FROM users ORDER BY id DESC))[1:3])

-- refused SF001: the first value of a window over keys in order
DELETE FROM users WHERE email IN (SELECT first_value(email) OVER () FROM (SELECT email FROM users ORDER BY id DESC) z)

-- refused SF001: numbers given in the order of keys
DELETE FROM users WHERE email IN (SELECT email FROM (SELECT email, row_number() OVER () AS n FROM (SELECT email FROM users ORDER BY id DESC) y) z WHERE n <= 3)

-- refused SF001: DISTINCT ON that keeps the first key
DELETE FROM users WHERE id IN (SELECT DISTINCT ON (plan) id FROM users ORDER BY plan, id)

-- refused SF001: LIMIT by the key
DELETE FROM users WHERE EXISTS (SELECT 1 LIMIT greatest(0, users.id - 8))

-- refused SF001: OFFSET by the key
DELETE FROM users WHERE EXISTS (SELECT 1 OFFSET greatest(0, users.id))

-- refused SF001: a function in the select list that gives rows by the key
DELETE FROM users WHERE EXISTS (SELECT generate_series(8, users.id))

-- refused SF001: EXCEPT compares the key
DELETE FROM users WHERE EXISTS (SELECT 1 EXCEPT SELECT (users.id <= 8)::int)

-- refused SF001: UNION compares the key
DELETE FROM users WHERE EXISTS (SELECT 1 UNION SELECT (users.id <= 8)::int OFFSET 1)

-- refused SF001: DISTINCT compares the key
DELETE FROM users WHERE (SELECT count(*) FROM (SELECT DISTINCT (users.id <= v.n)::int FROM (VALUES (3), (8)) v(n)) z) = 2

-- refused SF001: a sample by the key
DELETE FROM users WHERE EXISTS (SELECT 1 FROM plain TABLESAMPLE bernoulli (least(100, greatest(0, users.id * 100 - 800))))

-- refused SF001: a window partitioned by ranges of keys
DELETE FROM users WHERE email IN (SELECT min(email) OVER (PARTITION BY id / 5) FROM users)

-- refused SF001: a window frame by the key
DELETE FROM users WHERE (SELECT max(c) FROM (SELECT count(*) OVER (ORDER BY tag ROWS BETWEEN greatest(0, users.id) PRECEDING AND CURRENT ROW) AS c FROM plain) z) > 3

-- refused SF001: groups by ranges of keys
DELETE FROM users WHERE email IN (SELECT min(email) FROM users GROUP BY id / 5)

-- passes: a job queue with the key as a tie-breaker
UPDATE users SET plan = 'x' WHERE id = (SELECT id FROM users WHERE plan = 'free' ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)

-- passes: a batch with the key as a tie-breaker
DELETE FROM users WHERE id IN (SELECT id FROM users WHERE auth_source = 'test' ORDER BY email, id LIMIT 5)

-- passes: a batch of an ordered batch
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id FROM users WHERE auth_source = 'test' ORDER BY created_at, id) z LIMIT 2)

-- passes: duplicates by age with the key as a tie-breaker
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY plan, auth_source ORDER BY created_at, id) AS n FROM users WHERE auth_source = 'test') z WHERE n > 1)

-- passes: keys in a fixed order in an array
DELETE FROM users WHERE id = ANY (ARRAY(SELECT id FROM users WHERE auth_source = 'test' ORDER BY id FOR UPDATE))

-- passes: a UNION of key lists
DELETE FROM users WHERE id IN (SELECT 5 UNION SELECT user_id FROM plain WHERE tag = 'close' UNION SELECT id FROM users WHERE auth_source = 'test')

-- passes: groups by the key itself
DELETE FROM users WHERE id IN (SELECT u.id FROM users u JOIN subscriptions s ON s.user_id = u.id GROUP BY u.id HAVING count(*) = 2 AND max(u.auth_source) = 'test')

-- passes: a negated inequality of one key
DELETE FROM users WHERE NOT (id <> 5)

-- passes: a doubly negated list
DELETE FROM users WHERE NOT (NOT (id IN (5, 6)))

-- refused SF001: places in an array filled in the order of keys
DELETE FROM users WHERE email IN (SELECT v FROM unnest(ARRAY(SELECT email FROM users ORDER BY id DESC)) WITH ORDINALITY t(v, o) WHERE o <= 3)

-- refused SF001: the last keys, ordered in a view
CREATE TEMP VIEW latest AS SELECT email FROM users ORDER BY id DESC; DELETE FROM users WHERE email IN (SELECT email FROM latest LIMIT 3)

-- refused SF001: an order by a subquery that reads the key
DELETE FROM users WHERE email IN (SELECT email FROM users u ORDER BY (SELECT count(*) FROM plain p WHERE p.user_id > u.id) LIMIT 3)

-- refused SF001: the last keys where the leading expression is pinned through a join
DELETE FROM users WHERE id IN (SELECT u.id FROM users u JOIN users v ON v.plan = u.plan WHERE v.plan = 'free' ORDER BY u.plan, u.id DESC LIMIT 3)

-- refused SF001: JSON filled in the order of keys
DELETE FROM users WHERE email = (SELECT jsonb_agg(email) ->> 0 FROM (SELECT email FROM users ORDER BY id DESC) z)

-- refused SF001: all but a list, by an outer join
DELETE FROM users WHERE id IN (SELECT u.id FROM users u LEFT JOIN (VALUES (1::bigint), (2)) v(id) ON v.id = u.id WHERE v.id IS NULL)

-- refused SF001: all but an array, by an outer join
DELETE FROM users x USING users u LEFT JOIN unnest('{1,2}'::bigint[]) k ON k = u.id WHERE k IS NULL AND u.id = x.id

-- refused SF001: all but a list, by an outer join to the right
DELETE FROM users WHERE email IN (SELECT u.email FROM (VALUES (1::bigint, 'a'), (2, 'b')) v(id, note) RIGHT JOIN users u ON u.id = v.id WHERE v.note IS NULL)

-- refused SF001: all but one, by an outer join to another table
DELETE FROM users WHERE email IN (SELECT u.email FROM users u LEFT JOIN plain p ON u.id = 5 WHERE p.id IS NULL)

-- refused SF001: all but members of JSON, by an outer join
UPDATE users SET plan = 'x' WHERE email IN (SELECT u.email FROM users u LEFT JOIN (SELECT j::bigint AS id FROM jsonb_array_elements_text('[1, 2]') j) v USING (id) WHERE NOT (v.id IS NOT NULL))

-- refused SF001: all but a list, by a lateral join
DELETE FROM users x USING users u LEFT JOIN LATERAL (SELECT 1 AS hit FROM unnest('{1,2}'::bigint[]) k WHERE k = u.id) s ON true WHERE u.id = x.id AND s.hit IS NULL

-- refused SF001: all but the marked of a list
DELETE FROM users x USING users u LEFT JOIN (VALUES (1::bigint, true)) v(id, keep) ON v.id = u.id WHERE u.id = x.id AND v.keep IS NOT TRUE

-- refused SF001: all but the marked of a list, the others by default
DELETE FROM users x USING users u LEFT JOIN (VALUES (1::bigint, true)) v(id, keep) ON v.id = u.id WHERE u.id = x.id AND NOT coalesce(v.keep, false)

-- passes: those of a list that are marked
DELETE FROM users x USING users u LEFT JOIN (VALUES (1::bigint, true)) v(id, gone) ON v.id = u.id WHERE u.id = x.id AND v.gone

-- passes: those of a list, by a mark that is listed
DELETE FROM users x USING users u LEFT JOIN (VALUES (1::bigint, 'a')) v(id, mark) ON v.id = u.id WHERE u.id = x.id AND v.mark IN ('a', 'b')

-- passes: those without a partner, by a lateral join
DELETE FROM users x USING users u LEFT JOIN LATERAL (SELECT 1 AS hit FROM plain p WHERE p.user_id = u.id) s ON true WHERE u.id = x.id AND s.hit IS NULL AND u.auth_source = 'test'

-- passes: rows that refer to no key of a list of rows
DELETE FROM subscriptions WHERE NOT (user_id IN (SELECT u.id FROM users u WHERE u.plan = 'pro'))

-- passes: protected rows that refer to no key of a list of rows
DELETE FROM results WHERE customer_id NOT IN (SELECT u.id FROM users u WHERE u.plan = 'free') AND cache_a IS NOT NULL

-- refused SF001: rows that refer to no key of a range
DELETE FROM results WHERE customer_id NOT IN (SELECT u.id FROM users u WHERE u.id < 0)

-- refused SF001: the key is not what rows refer to, and the key is joined
DELETE FROM users USING plain p WHERE p.user_id = users.id AND p.user_id NOT IN (SELECT v.id FROM users v WHERE v.plan = 'pro')

-- passes: those without a partner
DELETE FROM users WHERE id IN (SELECT u.id FROM users u LEFT JOIN plain p ON p.user_id = u.id WHERE p.id IS NULL AND u.auth_source = 'test')

-- passes: those without a partner in groups of another table
DELETE FROM users WHERE id IN (SELECT u.id FROM users u LEFT JOIN (SELECT user_id, count(*) AS n FROM plain GROUP BY user_id) p ON p.user_id = u.id WHERE p.n IS NULL AND u.auth_source = 'test')

-- passes: values for some of the rows
UPDATE users SET plan = coalesce(v.plan, 'x') FROM users u LEFT JOIN (VALUES (1::bigint, 'a'), (2, 'b')) v(id, plan) ON v.id = u.id WHERE u.id = users.id AND users.auth_source = 'test'

-- passes: those of a list that are in the table
DELETE FROM plain WHERE id IN (SELECT v.id FROM (VALUES (1::bigint), (2)) v(id) LEFT JOIN users u ON u.id = v.id WHERE u.id IS NULL)

-- passes: those that a tree of rows leads to, each once
WITH RECURSIVE t(id, path) AS (SELECT id, ARRAY[id] FROM results WHERE id = 3 UNION ALL SELECT r.id, path || r.id FROM results r JOIN t ON r.customer_id = t.id WHERE NOT r.id = ANY (path)) DELETE FROM results WHERE id IN (SELECT id FROM t)

-- passes: those that a tree of rows leads to, each once, marked
WITH RECURSIVE t(id, again, path) AS (SELECT id, false, ARRAY[id] FROM results WHERE id = 3 UNION ALL SELECT r.id, r.id = ANY (path), path || r.id FROM results r, t WHERE r.customer_id = t.id AND NOT again) DELETE FROM results WHERE id IN (SELECT id FROM t)

-- passes: those that a tree of rows leads to, by CYCLE
WITH RECURSIVE t(id) AS (SELECT id FROM results WHERE id = 3 UNION ALL SELECT r.id FROM results r JOIN t ON r.customer_id = t.id) CYCLE id SET again USING path DELETE FROM results WHERE id IN (SELECT id FROM t)

-- refused SF001: a tree of rows that leaves a list out
WITH RECURSIVE t(id, path) AS (SELECT 0::bigint, ARRAY[3, 4]::bigint[] UNION ALL SELECT r.id, path || r.id FROM results r JOIN t ON t.id = 0 WHERE NOT r.id = ANY (path)) DELETE FROM results WHERE id IN (SELECT id FROM t)

-- refused SF001: a tree of rows that leaves a row out of its path
WITH RECURSIVE t(id, path) AS (SELECT id, ARRAY[id] FROM results WHERE id = 3 UNION ALL SELECT r.id, ARRAY[4]::bigint[] || path FROM results r JOIN t ON t.id = 3 WHERE NOT r.id = ANY (path)) DELETE FROM results WHERE id IN (SELECT id FROM t)

-- refused SF001: a tree of rows by ranges of their keys
WITH RECURSIVE t(id, path) AS (SELECT id, ARRAY[id] FROM results WHERE id = 3 UNION ALL SELECT r.id, path || r.id FROM results r JOIN t ON r.id > t.id WHERE NOT r.id = ANY (path)) DELETE FROM results WHERE id IN (SELECT id FROM t)

-- passes: those that another table names, where it names them as text
DELETE FROM users u WHERE auth_source = 'test' AND NOT EXISTS (SELECT 1 FROM plain p WHERE p.tag = 'close' AND p.user_id::numeric::float8::bigint = u.id)

-- passes: those that no document names
DELETE FROM users u WHERE auth_source = 'test' AND NOT EXISTS (SELECT 1 FROM results r WHERE (r.cache_c ->> 'n')::bigint = u.id)

-- refused SF001: keys from an array that a range fills
DELETE FROM users WHERE id = ANY ((SELECT array_agg(user_id) FROM plain WHERE user_id > 3)::bigint[])

-- refused SF001: the elements of an array that a range fills
DELETE FROM users WHERE id IN (SELECT unnest(array_agg(user_id)) FROM plain WHERE user_id > 3)

-- refused SF001: an array that a range fills in a CTE
WITH d AS (SELECT array_agg(user_id) AS ids FROM plain WHERE user_id > 3) DELETE FROM users USING d WHERE users.id = ANY (d.ids)

-- refused SF001: an array that a range fills, two CTEs down
WITH d AS (SELECT array_agg(user_id) AS ids FROM plain WHERE user_id > 3), e AS (SELECT ids || 99::bigint AS ids FROM d) DELETE FROM users USING e WHERE users.id = ANY (e.ids)

-- refused SF001: an array in FROM that a range fills
DELETE FROM users u USING unnest((SELECT array_agg(user_id) FROM plain WHERE user_id > 3)) k WHERE u.id = k

-- refused SF001: what an INSERT took by range
WITH x AS (INSERT INTO plain (id, user_id) SELECT id + 1000, user_id FROM plain WHERE user_id > 3 RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM x)

-- refused SF001: what an UPDATE took by range
WITH x AS (UPDATE plain SET user_id = p.user_id FROM plain p WHERE p.id = plain.id AND p.user_id > 3 RETURNING plain.user_id) DELETE FROM users USING x WHERE users.id = x.user_id

-- passes: keys from an array that an attribute fills
DELETE FROM users WHERE id = ANY ((SELECT array_agg(user_id) FROM plain WHERE tag = 'close')::bigint[])

-- passes: an array that an attribute fills in a CTE
WITH d AS (SELECT array_agg(user_id) AS ids FROM plain WHERE tag = 'close') DELETE FROM users USING d WHERE users.id = ANY (d.ids)

-- passes: keys from an array of keys named
DELETE FROM users WHERE id = ANY ((SELECT array_agg(user_id) FROM plain WHERE user_id IN (3, 4))::bigint[])

-- passes: what an INSERT took by an attribute
WITH x AS (INSERT INTO plain (id, user_id) SELECT id + 1000, user_id FROM plain WHERE tag = 'close' RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM x)

-- passes: the first of a list that is given
DELETE FROM users WHERE id IN (SELECT x FROM unnest('{5,6}'::bigint[]) x ORDER BY x LIMIT 1)

-- passes: the last of a list of rows that is given
DELETE FROM users WHERE id IN (SELECT x FROM (VALUES (5), (6)) v(x) ORDER BY x DESC LIMIT 1)

-- refused SF001: the first by a list that tells no rows apart
DELETE FROM users WHERE id IN (SELECT u.id FROM users u, unnest('{1}'::int[]) x ORDER BY x, u.id LIMIT 5)

-- refused SF001: the first of a list that is stored
DELETE FROM users WHERE id IN (SELECT x FROM unnest(ARRAY(SELECT user_id FROM plain)) x ORDER BY x LIMIT 3)

-- refused SF001: a range of references that feed the statement
DELETE FROM users USING orders o WHERE o.user_id = users.id AND o.user_id > 3

-- refused SF001: a range of the target's own references, of which one is its key
DELETE FROM orders USING users u WHERE u.id = orders.user_id AND u.id = orders.id AND orders.user_id > 3

-- refused SF001: a range of the key that the target's own references are looked up by
DELETE FROM orders USING users u WHERE u.id = orders.user_id AND u.id > 3

-- refused SF001: a range of another reading's references
DELETE FROM orders USING orders o, users u WHERE o.user_id = u.id AND o.user_id > 3 AND orders.user_id = u.id

-- refused SF001: what a range of references has changed selects keys
WITH o AS (UPDATE orders SET status = 'x' WHERE user_id > 3 RETURNING user_id) DELETE FROM users WHERE id IN (SELECT user_id FROM o)

-- refused SF001: a list of subqueries, one of them over a range
DELETE FROM users WHERE id IN ((SELECT id FROM users WHERE id > 5 LIMIT 1), 7)

-- refused SF001: a list of subqueries that compute keys
DELETE FROM users WHERE id IN ((SELECT max(id) FROM users), (SELECT min(id) + 1 FROM users))

-- refused SF002: a list in which a row finds itself
DELETE FROM users WHERE id IN ((SELECT u.id FROM users u WHERE u.email = users.email), 7)

-- refused SF001: a row is less than a subquery's
DELETE FROM lines WHERE (order_id, line_no) < (SELECT id, 1 FROM orders WHERE total = 20)

-- refused SF001: a row differs from a subquery's
DELETE FROM lines WHERE (order_id, line_no) <> (SELECT id, 1 FROM orders WHERE total = 20)

-- refused SF001: a row equals a subquery's over a range
DELETE FROM lines WHERE (order_id, line_no) = (SELECT id, 1 FROM orders WHERE id < 3 AND total = 20)

-- refused SF001: all rows but a subquery's
DELETE FROM lines WHERE NOT ((order_id, line_no) = (SELECT id, 1 FROM orders WHERE total = 20))
