-- refused SF003: the testers' upsert
INSERT INTO users (id, plan, auth_source) VALUES (-91111101, 'pro', 'test') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan, auth_source = excluded.auth_source

-- refused SF003: the primary key by name
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT ON CONSTRAINT users_pkey DO UPDATE SET plan = excluded.plan

-- refused SF003: the partial unique index over the key
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) WHERE auth_source = 'oauth' DO UPDATE SET plan = excluded.plan

-- refused SF003: with a condition on the update
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan WHERE users.auth_source = 'oauth'

-- refused SF003: with a pinned condition on the update
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan WHERE users.id = 5

-- refused SF003: that keeps to what is there already
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = coalesce(users.plan, 'x') || excluded.plan RETURNING id

-- refused SF003: from a SELECT
INSERT INTO users (id, plan) SELECT user_id, tag FROM plain ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- refused SF003: several rows
INSERT INTO users (id, plan) VALUES (5, 'x'), (6, 'y'), (7, 'z') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- refused SF003: in a CTE
WITH up AS (INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan RETURNING id) SELECT * FROM up

-- refused SF003: through a view
INSERT INTO everyone (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- refused SF003: through a view that renames the key
INSERT INTO renamed (who, level) VALUES (5, 'x') ON CONFLICT (who) DO UPDATE SET level = excluded.level

-- refused SF003: under an alias
INSERT INTO users AS u (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = u.auth_source

-- refused SF003: a composite key
INSERT INTO seats VALUES (1, 2, 'x') ON CONFLICT (train, number) DO UPDATE SET passenger = excluded.passenger

-- refused SF003: a composite key in the other order
INSERT INTO seats VALUES (1, 2, 'x') ON CONFLICT (number, train) DO UPDATE SET passenger = excluded.passenger

-- refused SF003: a text key
INSERT INTO pages VALUES ('home', 'x') ON CONFLICT (slug) DO UPDATE SET body = excluded.body

-- refused SF003: a uuid key
INSERT INTO devices VALUES ('c4ca4238-a0b9-2382-0dcc-509a6f75849b', 'x') ON CONFLICT (id) DO UPDATE SET owner = excluded.owner

-- refused SF003: an enum key by its constraint
INSERT INTO alerts VALUES ('high', 'x') ON CONFLICT ON CONSTRAINT alerts_pkey DO UPDATE SET target = excluded.target

-- refused SF003: a time key
INSERT INTO readings VALUES ('2026-01-01 02:00Z', 0) ON CONFLICT (at) DO UPDATE SET value = excluded.value

-- refused SF003: a partitioned table
INSERT INTO events VALUES (5, '2026-01-02', 'x') ON CONFLICT (id, day) DO UPDATE SET kind = excluded.kind

-- refused SF003: a partition by itself
INSERT INTO events_2026 VALUES (5, '2026-01-02', 'x') ON CONFLICT (id, day) DO UPDATE SET kind = excluded.kind

-- refused SF003: a child of an inherited table
INSERT INTO stock_eu VALUES (5, 0, 'x') ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity

-- refused SF003: in PL/pgSQL
DO $$ BEGIN INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan; END $$

-- refused SF003: in dynamic SQL
DO $$ BEGIN EXECUTE 'INSERT INTO users (id, plan) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET plan = excluded.plan' USING 5, 'x'; END $$

-- refused SF003: in a prepared statement
PREPARE up (bigint, text) AS INSERT INTO users (id, plan) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET plan = excluded.plan; EXECUTE up (5, 'x')

-- refused SF003: under EXPLAIN ANALYZE
EXPLAIN ANALYZE INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- refused SF001: an upsert on another key whose update reads the key by range
INSERT INTO users (id, email, plan) VALUES (100, 'u5@example.org', 'x') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan WHERE users.id > 0

-- refused SF004: an update of the key
UPDATE users SET id = 500 WHERE id = 5

-- refused SF004: an update of the key by an attribute
UPDATE users SET id = id - 1000 WHERE auth_source = 'test'

-- refused SF004: the key to what it is already
UPDATE users SET id = id, plan = 'x' WHERE id = 5

-- refused SF004: the key in a multiple assignment
UPDATE users SET (plan, id) = ('x', 500) WHERE id = 5

-- refused SF004: the key from a subquery
UPDATE users SET id = (SELECT max(user_id) + 1000 FROM plain) WHERE id = 5

-- refused SF004: the key from another table
UPDATE users SET id = p.id + 1000 FROM plain p WHERE p.user_id = users.id AND p.tag = 'close'

-- refused SF004: a text key
UPDATE pages SET slug = 'house' WHERE slug = 'home'

-- refused SF004: half of a composite key
UPDATE seats SET number = 99 WHERE train = 1 AND number = 2

-- refused SF004: a uuid key
UPDATE devices SET id = md5('x')::uuid WHERE id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- refused SF004: a time key
UPDATE readings SET at = '2026-05-01Z' WHERE at = '2026-01-01 02:00Z'

-- refused SF004: a numeric key
UPDATE invoices SET number = 5000 WHERE number = 1003.25

-- refused SF004: through a view
UPDATE everyone SET id = 500 WHERE id = 5

-- refused SF004: through a view that renames the key
UPDATE renamed SET who = 500 WHERE who = 5

-- refused SF004: the partitioning half of the key
UPDATE events SET day = '2025-06-01' WHERE id = 5 AND day = '2026-01-02'

-- refused SF004: in a partition by itself
UPDATE events_2026 SET id = 500 WHERE id = 5 AND day = '2026-01-02'

-- refused SF004: in a child
UPDATE stock_eu SET id = 500 WHERE id = 5

-- refused SF004: in an upsert on another key
INSERT INTO users (id, email) VALUES (100, 'u5@example.org') ON CONFLICT (email) DO UPDATE SET id = excluded.id

-- refused SF004: in a CTE
WITH moved AS (UPDATE users SET id = 500 WHERE id = 5 RETURNING *) SELECT * FROM moved

-- refused SF004: in PL/pgSQL
DO $$ BEGIN UPDATE users SET id = 500 WHERE id = 5; END $$

-- refused SF004: at a cursor
DECLARE c CURSOR FOR SELECT * FROM users WHERE id = 5 FOR UPDATE; FETCH 1 FROM c; UPDATE users SET id = 500 WHERE CURRENT OF c

-- passes: DO NOTHING
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO NOTHING

-- passes: DO NOTHING on anything
INSERT INTO users (id, email) VALUES (5, 'u6@example.org') ON CONFLICT DO NOTHING

-- passes: DO NOTHING by name
INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING

-- passes: an upsert on another unique key
INSERT INTO users (id, email, plan) VALUES (100, 'u5@example.org', 'x') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan

-- passes: an upsert on another unique key by name
INSERT INTO users (id, email, plan) VALUES (100, 'u5@example.org', 'x') ON CONFLICT ON CONSTRAINT users_email_key DO UPDATE SET plan = excluded.plan

-- passes: an upsert on another unique key in a view
INSERT INTO everyone (id, email, plan) VALUES (100, 'u5@example.org', 'x') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan

-- passes: an upsert on another unique key with a condition
INSERT INTO users (id, email, plan) VALUES (100, 'u5@example.org', 'x') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan WHERE users.plan IS DISTINCT FROM excluded.plan

-- passes: an upsert into an unprotected table
INSERT INTO plain (id, tag) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET tag = excluded.tag

-- passes: an upsert into an unprotected table from a protected one
INSERT INTO plain (id, tag) SELECT id, plan FROM users WHERE id BETWEEN 1 AND 5 ON CONFLICT (id) DO UPDATE SET tag = excluded.tag

-- passes: an upsert into a follower
INSERT INTO subscriptions (id, user_id) VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET state = 'x'

-- passes: an update of every column but the key
UPDATE users SET (auth_source, plan, email) = ('test', 'x', 'x@test.invalid') WHERE id = 5

-- passes: the unprotected half of a partitioned key
UPDATE metrics SET day = '2026-03-01' WHERE id = 5

-- passes: the same half, into another partition
UPDATE metrics SET day = '2025-03-01' WHERE id = 5

-- passes: the key of an unprotected table
UPDATE plain SET id = id + 1000
