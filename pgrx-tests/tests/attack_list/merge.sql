-- refused SF001: ON by range
MERGE INTO users u USING (SELECT 0 AS id) s ON u.id < s.id WHEN MATCHED THEN DELETE

-- refused SF001: a range in WHEN
MERGE INTO users u USING plain p ON u.id = p.user_id WHEN MATCHED AND u.id < 0 THEN DELETE

-- refused SF001: a range beside the join
MERGE INTO users u USING plain p ON u.id = p.user_id AND u.id > 0 WHEN MATCHED THEN UPDATE SET plan = 'x'

-- refused SF001: a range in the source
MERGE INTO users u USING (SELECT id FROM users WHERE id < 0) s ON u.id = s.id WHEN MATCHED THEN DELETE

-- refused SF001: a series as the source
MERGE INTO users u USING generate_series(1, 5) s(id) ON u.id = s.id WHEN MATCHED THEN DELETE

-- refused SF001: a source computed from a series
MERGE INTO users u USING (SELECT 3 + g AS id FROM generate_series(1, 5) g) s ON u.id = s.id WHEN MATCHED THEN DELETE

-- refused SF001: a range in ON and a MERGE that only inserts for the rest
MERGE INTO users u USING (SELECT 100 AS id) s ON u.id > s.id - 95 WHEN MATCHED THEN UPDATE SET plan = 'x' WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)

-- refused SF001: through a partition's parent
MERGE INTO events e USING (SELECT 3 AS id) s ON e.id > s.id WHEN MATCHED THEN DELETE

-- refused SF002: ON true
MERGE INTO users u USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE

-- refused SF002: ON a condition of the source alone
MERGE INTO users u USING (SELECT * FROM plain WHERE id = 2) s ON s.tag = 'close' WHEN MATCHED THEN UPDATE SET plan = 'x'

-- refused SF002: ON the key of every row
MERGE INTO users u USING (SELECT id FROM users) s ON u.id = s.id WHEN MATCHED THEN DELETE

-- refused SF003: an upsert on the key
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON u.id = s.id WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF003: an upsert on a composite key
MERGE INTO seats USING (VALUES (1, 2, 'x')) s(t, n, p) ON train = s.t AND number = s.n WHEN MATCHED THEN UPDATE SET passenger = s.p WHEN NOT MATCHED THEN INSERT VALUES (s.t, s.n, s.p)

-- refused SF003: an upsert on a text key with a condition
MERGE INTO pages USING (VALUES ('home', 'x')) s(slug, body) ON pages.slug = s.slug WHEN MATCHED AND pages.body <> s.body THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT VALUES (s.slug, s.body)

-- refused SF003: an upsert that may also delete
MERGE INTO users u USING plain p ON u.id = p.user_id WHEN MATCHED AND p.tag = 'close' THEN DELETE WHEN MATCHED THEN UPDATE SET plan = 'x' WHEN NOT MATCHED THEN INSERT (id) VALUES (p.user_id)

-- refused SF004: an assignment of the key
MERGE INTO users u USING (SELECT 5 AS id) s ON u.id = s.id WHEN MATCHED THEN UPDATE SET id = 500

-- refused SF001: in PL/pgSQL
DO $$ DECLARE low bigint := 3; BEGIN MERGE INTO users u USING (SELECT 1) s ON u.id > low WHEN MATCHED THEN DELETE; END $$

-- refused SF002: under EXPLAIN ANALYZE
EXPLAIN ANALYZE MERGE INTO users u USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET plan = NULL

-- passes: keys from another table
MERGE INTO users u USING plain p ON u.id = p.user_id WHEN MATCHED THEN UPDATE SET plan = p.tag

-- passes: keys from another table with an attribute
MERGE INTO users u USING plain p ON u.id = p.user_id WHEN MATCHED AND u.plan = 'free' THEN DELETE

-- passes: one key
MERGE INTO users u USING (SELECT 5 AS id) s ON u.id = s.id WHEN MATCHED THEN DELETE

-- passes: an upsert on another unique key
MERGE INTO users u USING (VALUES (100, 'u5@example.org')) s(id, email) ON u.email = s.email WHEN MATCHED THEN UPDATE SET plan = 'x' WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, s.email)

-- passes: insert what is missing
MERGE INTO users u USING (VALUES (100), (5)) s(id) ON u.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)

-- passes: leave alone what is there
MERGE INTO users u USING (VALUES (100), (5)) s(id) ON u.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)

-- passes: into an unprotected table
MERGE INTO plain p USING users u ON p.user_id = u.id AND u.id > 0 WHEN MATCHED THEN UPDATE SET tag = u.plan WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id + 1000)

-- passes: EXPLAIN of a range
EXPLAIN MERGE INTO users u USING (SELECT 0 AS id) s ON u.id < s.id WHEN MATCHED THEN DELETE

-- refused SF003: an upsert on the key written twice
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON u.id = s.id OR u.id = s.id WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF003: an upsert on the key or something else
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON u.id = s.id OR u.email = 'zz' WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF003: an upsert on the key, doubly negated
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON NOT (NOT (u.id = s.id)) WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF003: an upsert on the key in a subquery
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON EXISTS (SELECT 1 WHERE u.id = s.id) WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF003: an upsert on the key as no inequality
MERGE INTO users u USING (VALUES (5, 'x')) s(id, plan) ON NOT (u.id <> s.id) WHEN MATCHED THEN UPDATE SET plan = s.plan WHEN NOT MATCHED THEN INSERT (id, plan) VALUES (s.id, s.plan)

-- refused SF002: every matched row, some by one action and the rest by the other
MERGE INTO members p USING members s ON p.id = s.id WHEN MATCHED AND p.active THEN DELETE WHEN MATCHED AND NOT p.active THEN UPDATE SET name = 'x'

-- refused SF002: every matched row, by the values of a boolean
MERGE INTO members p USING members s ON p.id = s.id WHEN MATCHED AND p.active IN (true, false) THEN DELETE

-- passes: the rows that a source names, some by one action and the rest by the other
MERGE INTO members p USING purchases s ON p.id = s.member_id WHEN MATCHED AND p.active THEN DELETE WHEN MATCHED AND NOT p.active THEN UPDATE SET name = 'x'

-- passes: matched rows, some of them by no action
MERGE INTO members p USING members s ON p.id = s.id WHEN MATCHED AND p.active THEN DELETE WHEN MATCHED AND NOT p.active AND p.n > 3 THEN DELETE
