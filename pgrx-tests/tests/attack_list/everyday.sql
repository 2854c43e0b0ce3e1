-- What frameworks and people write all day.

-- passes: Rails: one row
DELETE FROM "users" WHERE "users"."id" = 5

-- passes: Rails: optimistic locking
UPDATE orders SET status = 'x', lock_version = 1 WHERE orders.id = 5 AND orders.lock_version = 0

-- passes: Rails: update_all over a join
UPDATE orders SET status = 'x' WHERE orders.id IN (SELECT orders.id FROM orders INNER JOIN users ON users.id = orders.user_id WHERE users.plan = 'free' ORDER BY orders.total ASC LIMIT 5)

-- passes: Rails: a counter
UPDATE orders SET lock_version = COALESCE(lock_version, 0) + 1 WHERE orders.id = 3

-- passes: Rails: positions in a list
UPDATE orders SET position = position - 1 WHERE user_id = 2 AND position > 5

-- passes: Rails: orphans of an association
DELETE FROM orders WHERE orders.id IN (SELECT orders.id FROM orders LEFT OUTER JOIN users ON users.id = orders.user_id WHERE users.id IS NULL)

-- passes: Rails: orphans of a polymorphic association
DELETE FROM users WHERE auth_source = 'test' AND NOT EXISTS (SELECT 1 FROM plain c WHERE c.tag = 'User' AND c.user_id::text::bigint = users.id)

-- passes: Rails: those that have none
DELETE FROM orders WHERE orders.id IN (SELECT DISTINCT orders.id FROM orders LEFT OUTER JOIN lines ON lines.order_id = orders.id WHERE lines.line_no IS NULL)

-- passes: Django: a queryset over a relation
DELETE FROM orders WHERE orders.id IN (SELECT U0.id FROM orders U0 INNER JOIN users U1 ON (U0.user_id = U1.id) WHERE U1.plan = 'free')

-- passes: Django: bulk_update
UPDATE orders SET status = (CASE WHEN (orders.id = 1) THEN 'a' WHEN (orders.id = 2) THEN 'b' ELSE NULL END)::text WHERE orders.id IN (1, 2)

-- passes: Django: Exists
DELETE FROM orders WHERE EXISTS(SELECT 1 AS a FROM users U0 WHERE (U0.id = (orders.user_id) AND U0.plan = 'free') LIMIT 1)

-- passes: Django: exclude over a relation
DELETE FROM orders WHERE NOT (orders.user_id IN (SELECT U0.id FROM users U0 WHERE U0.plan = 'pro')) AND orders.status = 'old'

-- passes: Django: Subquery in a new value
UPDATE orders SET total = (SELECT count(*) FROM lines U0 WHERE U0.order_id = orders.id) WHERE orders.status = 'new'

-- passes: SQLAlchemy: values
UPDATE orders SET status = v.s FROM (VALUES (CAST(1 AS integer), CAST('a' AS varchar)), (2, 'b')) AS v (id, s) WHERE orders.id = v.id

-- passes: SQLAlchemy: tuples
DELETE FROM lines WHERE (lines.order_id, lines.line_no) IN ((1, 2), (2, 3))

-- passes: SQLAlchemy: an aliased subquery
DELETE FROM orders WHERE orders.id IN (SELECT anon_1.id FROM (SELECT orders.id AS id, orders.status AS status FROM orders WHERE orders.status = 'old') AS anon_1 WHERE anon_1.status = 'old')

-- passes: SQLAlchemy: a CTE with LIMIT
WITH anon_1 AS (SELECT orders.id AS id FROM orders WHERE orders.status = 'old' LIMIT 3) DELETE FROM orders USING anon_1 WHERE orders.id = anon_1.id

-- passes: Prisma: one of many
DELETE FROM "public"."orders" WHERE ("public"."orders"."id" IN (1,2) AND 1=1)

-- passes: Prisma: a filter on a relation
DELETE FROM "public"."orders" WHERE ("public"."orders"."id") IN (SELECT "t0"."id" FROM "public"."orders" AS "t0" INNER JOIN "public"."users" AS "j0" ON ("j0"."id") = ("t0"."user_id") WHERE ("j0"."plan" = 'free' AND "t0"."id" IS NOT NULL))

-- passes: TypeORM: a soft delete
UPDATE "orders" SET "deleted_at" = CURRENT_TIMESTAMP WHERE ("id" = 3 AND "status" = 'new') OR ("id" = 4 AND "status" = 'new')

-- passes: keys from documents in a queue
DELETE FROM orders WHERE id IN (SELECT (payload->>'id')::bigint FROM queue)

-- passes: keys from a member that is an array
DELETE FROM orders WHERE id = ANY ((SELECT array_agg((payload->>'id')::int) FROM queue)::int[])

-- passes: documents that name no row
DELETE FROM orders WHERE id IN (SELECT o.id FROM orders o LEFT JOIN queue q ON (q.payload->>'id')::int = o.id WHERE q.payload IS NULL AND o.status = 'old')

-- passes: keys loaded into a temporary table
CREATE TEMP TABLE t (id bigint); INSERT INTO t VALUES (1), (2); DELETE FROM users USING t WHERE users.id = t.id

-- passes: more than one row of each group
DELETE FROM orders a USING (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY updated_at DESC, id DESC) AS rn FROM orders WHERE user_id = 1) b WHERE a.id = b.id AND b.rn > 2

-- passes: counts of another table
UPDATE users u SET plan = 'vip' FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) c WHERE c.user_id = u.id AND c.n >= 4 AND u.plan = 'pro'

-- passes: numbers in a window for another column
UPDATE orders SET position = s.rn FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY id) AS rn FROM orders) s WHERE s.id = orders.id AND orders.user_id = 2

-- passes: batches by place
DELETE FROM orders WHERE ctid = ANY (ARRAY(SELECT ctid FROM orders WHERE status = 'old' LIMIT 5))

-- passes: a padded code, however it is compared
UPDATE codes SET note = 'y' WHERE code = 'c1' OR code::text = 'c2' OR code = 'c3'::varchar OR code IN ('c4', 'c5')

-- passes: days and moments of one family
UPDATE days SET note = 'y' WHERE day = '2026-01-02'::timestamp OR day::timestamp = '2026-01-03' OR day = current_date

-- passes: a moment without a zone
UPDATE stamps SET note = 'y' WHERE at = '2026-01-01 02:00' OR at = '2026-01-01'::date

-- passes: addresses
UPDATE hosts SET note = 'y' WHERE ip = '10.0.0.3' OR ip = ANY ('{10.0.0.4}'::inet[]) OR ip = '10.0.0.5/32'::cidr

-- passes: arrays that are keys
UPDATE sets SET note = 'y' WHERE members = '{3,3}' OR members IN (ARRAY[4, 4]) OR members = string_to_array('5,5', ',')::int[]

-- passes: documents that are keys
UPDATE docs SET note = 'y' WHERE doc = '3' OR doc = to_jsonb(4)

-- passes: ranges that are keys
UPDATE spans SET note = 'y' WHERE span = '[3,4)'

-- passes: cte chain delete
WITH ids AS (SELECT id FROM orders WHERE status = 'old' ORDER BY updated_at LIMIT 3), l AS (DELETE FROM lines USING ids WHERE lines.order_id = ids.id RETURNING lines.order_id) DELETE FROM orders USING ids WHERE orders.id = ids.id

-- passes: returning ids to second delete
WITH o AS (DELETE FROM orders WHERE user_id = 1 RETURNING id) DELETE FROM lines WHERE order_id IN (SELECT id FROM o)

-- passes: move rows
WITH moved AS (DELETE FROM orders WHERE status = 'old' AND user_id = 1 RETURNING *) INSERT INTO plain (id, tag) SELECT 3000 + id, status FROM moved

-- passes: update counter cache
UPDATE users SET plan = (SELECT count(*)::text FROM orders o WHERE o.user_id = users.id) WHERE id IN (SELECT DISTINCT user_id FROM orders WHERE status = 'new')

-- passes: an upsert by another key, where something changes
INSERT INTO users (id, email, plan) VALUES (900, 'u5@example.org', 'x') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan WHERE users.plan IS DISTINCT FROM excluded.plan

-- passes: update with json agg
UPDATE orders o SET payload = j.p FROM (SELECT order_id, jsonb_agg(sku ORDER BY line_no) AS p FROM lines GROUP BY order_id) j WHERE j.order_id = o.id AND o.status = 'new'

-- passes: update with first_value by key order
UPDATE orders o SET total = f.t FROM (SELECT DISTINCT user_id, first_value(total) OVER (PARTITION BY user_id ORDER BY updated_at) t FROM orders) f WHERE f.user_id = o.user_id AND o.user_id = 2

-- passes: similar lists with subtract
DELETE FROM lines WHERE (order_id, line_no) IN (SELECT l.order_id, l.line_no FROM lines l WHERE l.sku = 's4')

-- passes: composite last by max of other
DELETE FROM lines l USING orders o WHERE l.order_id = o.id AND o.status = 'old' AND l.sku = 's1'

-- passes: fixture delete
DELETE FROM users WHERE email IN ('t1@test.invalid', 't2@test.invalid')

-- passes: id IN long values with cast
DELETE FROM users WHERE id IN (('1')::bigint, ('2')::bigint)

-- passes: ANY VALUES
DELETE FROM users WHERE id = ANY (VALUES (1::bigint), (2))

-- passes: join values uuid
DELETE FROM devices d USING (SELECT unnest(ARRAY['c4ca4238-a0b9-2382-0dcc-509a6f75849b'])::uuid AS id) v WHERE d.id = v.id

-- passes: json_array_elements typed
DELETE FROM orders WHERE id IN (SELECT (e->>'id')::int FROM json_array_elements('[{"id": 1}, {"id": 2}]') e)

-- passes: json path params
DELETE FROM orders WHERE id = ((SELECT payload FROM queue LIMIT 1)->>'id')::int

-- passes: json path array params
DELETE FROM orders WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text(payload->'ids')::int FROM queue))

-- passes: generate_series for attributes
UPDATE orders SET status = 'x' FROM generate_series(1, 3) g WHERE orders.position = g AND orders.user_id = 1

-- passes: session var
UPDATE users SET plan = 'x' WHERE id = current_setting('app.user_id', true)::bigint

-- passes: session var nullif
UPDATE users SET plan = 'x' WHERE id = nullif(current_setting('app.user_id', true), '')::bigint

-- passes: now-based partitions attr
DELETE FROM orders WHERE updated_at < now() - interval '90 days' AND status = 'old'

-- passes: date_trunc attr group
DELETE FROM orders WHERE (user_id, date_trunc('day', updated_at)) IN (SELECT user_id, date_trunc('day', updated_at) FROM orders WHERE status = 'zz' GROUP BY 1, 2)

-- passes: rollup reports
UPDATE orders SET status = 'x' FROM (SELECT user_id, status, count(*) FROM orders GROUP BY ROLLUP (user_id, status)) r WHERE r.user_id = orders.user_id AND r.status IS NULL AND orders.user_id = 1

-- passes: setop of attrs
DELETE FROM orders WHERE status IN (SELECT 'zz' UNION SELECT 'yy')

-- passes: advisory lock
UPDATE users SET plan = 'x' WHERE id = 5 AND pg_try_advisory_xact_lock(5)

-- passes: advisory lock by key in subquery
UPDATE users SET plan = 'x' WHERE id = 5 AND pg_try_advisory_xact_lock(id)

-- passes: queue with advisory
UPDATE orders SET status = 'run' WHERE id = (SELECT id FROM orders WHERE status = 'new' ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED)

-- passes: with hint on distinct on other
DELETE FROM orders WHERE id IN (SELECT DISTINCT ON (user_id) id FROM orders WHERE status = 'old' ORDER BY user_id, updated_at)

-- passes: not distinct on
DELETE FROM orders o WHERE o.status = 'zz' OR o.id IN (SELECT DISTINCT ON (user_id) id FROM orders ORDER BY user_id, total DESC)

-- passes: text search
DELETE FROM pages WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'zz')

-- passes: words of a text as keys
DELETE FROM pages WHERE slug = ANY (string_to_array('home about', ' '))

-- passes: lexemes of a text as keys
DELETE FROM pages WHERE slug = ANY (tsvector_to_array('home about'::tsvector))

-- passes: xmin guarded
UPDATE orders SET status = 'x' WHERE id = 3 AND xmin::text = '1' OR id = 4

-- passes: any of column array
UPDATE users SET plan = 'x' FROM (SELECT ARRAY[1,2]::bigint[] AS ids) s WHERE users.id = ANY (s.ids)

-- passes: stored array column
DELETE FROM users USING audiences WHERE users.id = ANY (audiences.ids) AND audiences.name = 'a'

-- passes: stored array column unnested
DELETE FROM users WHERE id IN (SELECT unnest(ids) FROM audiences WHERE name = 'a')

-- passes: stored array column unnested with places
UPDATE users SET plan = t.o::text FROM audiences, unnest(ids) WITH ORDINALITY t(id, o) WHERE users.id = t.id

-- passes: stored array column sliced
DELETE FROM users USING audiences WHERE users.id = ANY (audiences.ids[1:1])

-- passes: stored array column first
DELETE FROM users USING audiences WHERE users.id = audiences.ids[1]

-- passes: stored array column not in other
DELETE FROM users WHERE auth_source = 'test' AND NOT EXISTS (SELECT 1 FROM audiences WHERE users.id = ANY (ids))

-- passes: a partner has been found (to-one filters)
UPDATE orders SET status = 'x' WHERE id IN (SELECT t0.id FROM orders t0 LEFT JOIN members j0 ON j0.id = t0.user_id WHERE j0.name = 'm1' AND j0.id IS NOT NULL)

-- passes: a partner is not missing
UPDATE orders SET status = 'x' WHERE id IN (SELECT t0.id FROM orders t0 LEFT JOIN members j0 ON j0.id = t0.user_id WHERE j0.name = 'm1' AND NOT (j0.id IS NULL))

-- passes: a partner has been found, in FROM
UPDATE orders SET status = 'x' FROM orders o LEFT JOIN members m ON m.id = o.user_id WHERE o.id = orders.id AND m.id IS NOT NULL

-- passes: partners that have been found are counted
UPDATE members SET name = 'x' WHERE id IN (SELECT m.id FROM members m LEFT JOIN orders o ON o.user_id = m.id GROUP BY m.id HAVING count(*) FILTER (WHERE o.id IS NOT NULL) > 3)

-- refused SF001: a partner has been found in a range
DELETE FROM orders USING orders o LEFT JOIN members m ON m.id = o.user_id AND m.id > 2 WHERE o.id = orders.id AND m.id IS NOT NULL

-- refused SF001: a partner has been found, and its key is in a range
DELETE FROM orders USING orders o LEFT JOIN members m ON m.id = o.user_id WHERE o.id = orders.id AND m.id IS NOT NULL AND m.id < 3

-- refused SF001: a range of what is generated from the key
DELETE FROM coupons WHERE twice > 5

-- refused SF001: a prefix of what is generated from the key
DELETE FROM coupons WHERE code LIKE 'C-%'

-- refused SF001: all but one of what is generated from the key
DELETE FROM coupons WHERE code <> 'C-5'

-- refused SF001: a function of what is generated from the key
DELETE FROM coupons WHERE mod(twice, 4) = 0

-- refused SF001: a series of what is generated from the key
DELETE FROM coupons WHERE twice IN (SELECT generate_series(1, 9))

-- refused SF001: the least of what is generated from the key
DELETE FROM coupons WHERE ctid IN (SELECT ctid FROM coupons ORDER BY twice LIMIT 3)

-- refused SF001: a range of what is generated from the key, through an alias
DELETE FROM coupons USING plain WHERE plain.user_id = coupons.twice AND plain.user_id > 3

-- refused SF001: a range of what is generated from the key and more
DELETE FROM coupons WHERE label LIKE 'a%'

-- passes: one value that is generated from the key
DELETE FROM coupons WHERE code = 'C-5'

-- passes: listed values that are generated from the key
DELETE FROM coupons WHERE twice IN (2, 4)

-- passes: one value that is generated from the key and more
DELETE FROM coupons WHERE label = 'b3'

-- passes: a range of what is generated from other columns
DELETE FROM coupons WHERE title LIKE 'A%'

-- passes: the row is named, and what is generated from its key in a range
DELETE FROM coupons WHERE id = 3 AND twice > 5

-- refused SF001: all but those that an outer join found, by a case
DELETE FROM members USING members x LEFT JOIN (VALUES (1), (2), (3)) k(id) ON k.id = x.id WHERE members.id = x.id AND CASE WHEN k.id IS NULL THEN true END

-- refused SF001: all but the listed, the list on the nullable side, by a case
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND x.id IN (1, 2, 3) WHERE CASE WHEN k.id IS NULL THEN true END)

-- refused SF001: all but the listed, the list on the nullable side, denied
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND x.id IN (1, 2, 3) WHERE (k.id IS NOT NULL) = false)

-- refused SF001: all but the listed, the list on the nullable side, counted
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND x.id IN (1, 2, 3) GROUP BY x.id HAVING count(*) FILTER (WHERE k.id IS NOT NULL) = 0)

-- refused SF001: all but the listed, the partner's key listed
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND k.id IN (1, 2, 3) WHERE k.id IS NULL)

-- refused SF001: all but the listed, the partner's key listed, by a case
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND k.id IN (1, 2, 3) WHERE CASE WHEN k.id IS NULL THEN true END)

-- refused SF001: all but the listed, the partner's key listed, counted
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND k.id IN (1, 2, 3) GROUP BY x.id HAVING count(*) FILTER (WHERE k.id IS NOT NULL) = 0)

-- refused SF001: all but the listed, the partner's key listed, true or null
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN members k ON k.id = x.id AND k.id IN (1, 2, 3) WHERE (k.id IS NOT NULL) IS NOT TRUE)

-- refused SF001: all but the listed, in the partner's own query
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN (SELECT id FROM members WHERE id IN (1, 2, 3)) k ON k.id = x.id WHERE CASE WHEN k.id IS NULL THEN true END)

-- passes: a row that is named, without a partner among the listed
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN orders o ON o.user_id = x.id AND o.user_id IN (1, 2) WHERE x.id = 5 AND o.id IS NULL)

-- passes: rows without a partner, of which some attribute is asked
DELETE FROM members WHERE id IN (SELECT x.id FROM members x LEFT JOIN orders o ON o.user_id = x.id AND o.status = 'old' WHERE o.id IS NULL)

-- passes: references to none of the listed
UPDATE orders SET status = 'x' WHERE id IN (SELECT p.id FROM orders p LEFT JOIN members m ON m.id = p.user_id AND m.id IN (1, 2) WHERE m.id IS NULL)

-- refused SF001: duplicates but for the first by the key
DELETE FROM members WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) n FROM members) d WHERE n > 1)

-- passes: duplicates but for the first by another column
DELETE FROM members WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY tenant_id ORDER BY name DESC) n FROM members) d WHERE n > 1)

-- refused SF001: the rest of a set, where both columns are the key
DELETE FROM lines WHERE order_id = 1 AND line_no NOT IN (2, 3)

-- passes: the listed of a set, where both columns are the key
DELETE FROM lines WHERE order_id = 1 AND line_no = ANY ('{1,4}')

-- refused SF001: old rows, by a time that is in the key
DELETE FROM events WHERE day < '2026-01-01'

-- passes: old rows, by a time that is not among the key's protected columns
DELETE FROM metrics WHERE day < '2026-01-01'

-- passes: a range of the target's own references, which other rows are looked up by
UPDATE orders SET status = 'x' WHERE user_id <> 1 AND user_id IN (SELECT id FROM users WHERE plan = 'pro')

-- passes: the same as a join
UPDATE orders SET status = 'x' FROM users u WHERE u.id = orders.user_id AND orders.user_id <> 1 AND u.plan = 'pro'

-- passes: the same as NOT IN
DELETE FROM orders USING users u WHERE u.id = orders.user_id AND orders.user_id NOT IN (1, 2) AND u.plan = 'pro'

-- passes: a list of subqueries and values
UPDATE users SET plan = 'x' WHERE id IN ((SELECT id FROM users WHERE email = 'u1@example.org'), 7)

-- passes: a list of subqueries
UPDATE users SET plan = 'x' WHERE id IN ((SELECT id FROM users WHERE email = 'u1@example.org'), (SELECT user_id FROM orders WHERE status = 'none'))

-- passes: a row equals a subquery's
UPDATE lines SET sku = 'x' WHERE (order_id, line_no) = (SELECT id, 1 FROM orders WHERE total = 20)

-- passes: a row is among a subquery's
UPDATE lines SET sku = 'x' WHERE (order_id, line_no) IN (SELECT id, 1 FROM orders WHERE total = 20)
