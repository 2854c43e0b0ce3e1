-- Statements with bound parameters. A "with" line holds the values, in text form; each is run many times over one
-- prepared statement, so that generic plans are reached.

-- refused SF001: both ends of a range
-- with -91111200 | -91111100
DELETE FROM users WHERE id BETWEEN $1 AND $2

-- refused SF001: one end of a range
-- with 0
DELETE FROM users WHERE id < $1

-- refused SF001: not this one
-- with 5
UPDATE users SET plan = 'x' WHERE id <> $1

-- refused SF001: not in an array
-- with {1,2,3}
DELETE FROM users WHERE id <> ALL ($1)

-- refused SF001: not any of an array
-- with {1,2,3}
DELETE FROM users WHERE NOT (id = ANY ($1))

-- refused SF001: a remainder
-- with 0
DELETE FROM users WHERE id % 2 = $1

-- refused SF001: a range and an attribute
-- with test | 0
DELETE FROM users WHERE auth_source = $1 AND id < $2

-- refused SF001: one key or all of them
-- with 5 | f
DELETE FROM users WHERE id = $1 OR (id > 0) = $2

-- refused SF001: a series with its ends bound
-- with -91111200 | -91111100
DELETE FROM users WHERE id IN (SELECT generate_series($1::bigint, $2::bigint))

-- refused SF001: a series as an array
-- with 1 | 5
DELETE FROM users WHERE id = ANY (ARRAY(SELECT n FROM generate_series($1::int, $2::int) n))

-- refused SF001: a float compared with the key
-- with 5
DELETE FROM users WHERE id = $1::float8

-- refused SF001: a prefix
-- with ho%
DELETE FROM pages WHERE slug LIKE $1

-- refused SF001: a text range
-- with h | i
DELETE FROM pages WHERE slug >= $1 AND slug < $2

-- refused SF001: a uuid range
-- with 80000000-0000-0000-0000-000000000000
DELETE FROM devices WHERE id > $1

-- refused SF001: a time range
-- with 2026-01-01 05:00Z
DELETE FROM readings WHERE at > $1

-- refused SF001: an interval back from a time
-- with 2026-01-02 00:00Z | 20 hours
DELETE FROM readings WHERE at < $1::timestamptz - $2::interval

-- refused SF001: a numeric range
-- with 1003.25
UPDATE invoices SET state = 'void' WHERE number >= $1

-- refused SF001: an enum range
-- with middle
DELETE FROM alerts WHERE level >= $1

-- refused SF001: a domain range
-- with P1
DELETE FROM parcels WHERE code > $1

-- refused SF001: half a composite key by range
-- with 1 | 2
DELETE FROM seats WHERE train = $1 AND number > $2

-- refused SF001: rows greater than
-- with 2 | 3
DELETE FROM seats WHERE (train, number) > ($1, $2)

-- refused SF001: a partition's id
-- with 4
DELETE FROM events_2026 WHERE id > $1

-- refused SF001: a range through a view
-- with 0
DELETE FROM everyone WHERE id < $1

-- refused SF001: a range in a subquery
-- with 0
DELETE FROM users WHERE email IN (SELECT email FROM users WHERE id < $1)

-- refused SF001: a range in a CTE
-- with 0
WITH old AS (SELECT id FROM users WHERE id < $1) DELETE FROM users USING old WHERE old.id = users.id

-- refused SF001: a range inside a function called with parameters
-- with 1 | 3
SELECT close_range($1, $2)

-- refused SF001: dynamic SQL as a parameter
-- with id < 0
SELECT close_dynamic($1)

-- refused SF002: a boolean
-- with t
DELETE FROM users WHERE $1::boolean

-- refused SF002: a parameter that is itself
-- with 1
DELETE FROM users WHERE $1::int = $1::int

-- refused SF002: two parameters that are the same
-- with 1 | 1
DELETE FROM users WHERE $1::int = $2::int

-- refused SF002: an attribute or a boolean
-- with pro | t
DELETE FROM users WHERE plan = $1 OR $2

-- refused SF002: a condition on another table
-- with close
DELETE FROM users USING plain p WHERE p.tag = $1

-- refused SF002: new values and no condition
-- with x
UPDATE users SET plan = $1

-- refused SF003: an upsert on the key
-- with 5 | x
INSERT INTO users (id, plan) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- refused SF003: an upsert on a composite key
-- with 1 | 2 | x
INSERT INTO seats VALUES ($1, $2, $3) ON CONFLICT ON CONSTRAINT seats_pkey DO UPDATE SET passenger = excluded.passenger

-- refused SF004: the key
-- with 500 | 5
UPDATE users SET id = $1 WHERE id = $2

-- refused SF004: half a composite key
-- with 99 | 1 | 2
UPDATE seats SET number = $1 WHERE train = $2 AND number = $3

-- refused SF005: an attribute of too many rows
-- with right
DELETE FROM crowd WHERE side = $1

-- refused SF005: a parent with too many children
-- with 1
DELETE FROM folders WHERE id = $1

-- refused SF009: new values that clear two upstreams
-- with NULL |  | 3
UPDATE results SET cache_a = $1, cache_b = $2 WHERE id = $3

-- passes: one key
-- with 5
DELETE FROM users WHERE id = $1

-- passes: an array of keys
-- with {1,2,3}
DELETE FROM users WHERE id = ANY ($1)

-- passes: an array of keys joined
-- with {1,2} | {a,b}
UPDATE users SET plan = d.plan FROM unnest($1::bigint[], $2::text[]) d(id, plan) WHERE d.id = users.id

-- passes: a list of keys
-- with 1 | 2 | 3
DELETE FROM users WHERE id IN ($1, $2, $3)

-- passes: a key of a wider type
-- with 5
DELETE FROM users WHERE id = $1::numeric

-- passes: a key that may be null
-- with NULL
DELETE FROM users WHERE id = $1

-- passes: a key that is not distinct
-- with 5
DELETE FROM users WHERE id IS NOT DISTINCT FROM $1

-- passes: a pinned range
-- with 5 | 0
DELETE FROM users WHERE id = $1 AND id > $2

-- passes: an attribute
-- with test
DELETE FROM users WHERE auth_source = $1

-- passes: a key and a switch
-- with 5 | t
DELETE FROM users WHERE id = $1 AND $2::boolean

-- passes: the one key there is, or a switch for the attribute
-- with test | f
UPDATE users SET plan = 'x' WHERE auth_source = $1 AND (plan = 'trial' OR $2::boolean)

-- passes: a text key
-- with home | new
UPDATE pages SET body = $2 WHERE slug = $1

-- passes: a uuid
-- with c4ca4238-a0b9-2382-0dcc-509a6f75849b
DELETE FROM devices WHERE id = $1

-- passes: an array of uuids
-- with {c4ca4238-a0b9-2382-0dcc-509a6f75849b}
DELETE FROM devices WHERE id = ANY ($1)

-- passes: a uuid as text
-- with c4ca4238-a0b9-2382-0dcc-509a6f75849b
DELETE FROM devices WHERE id = $1::text::uuid

-- passes: a time
-- with 2026-01-01 02:00Z
DELETE FROM readings WHERE at = $1

-- passes: a numeric
-- with 1003.25
UPDATE invoices SET state = 'void' WHERE number = $1

-- passes: an enum
-- with high
UPDATE alerts SET target = 'x' WHERE level = $1

-- passes: a domain value
-- with P1
DELETE FROM parcels WHERE code = $1

-- passes: a composite key
-- with 1 | 2 | x
UPDATE seats SET passenger = $3 WHERE (train, number) = ($1, $2)

-- passes: an event
-- with 5 | 2026-01-02
DELETE FROM events WHERE id = $1 AND day = $2

-- passes: a day range where the id alone is guarded
-- with 2026-01-01
DELETE FROM metrics WHERE day < $1

-- passes: one key through a view
-- with 5 | x
UPDATE everyone SET plan = $2 WHERE id = $1

-- passes: DO NOTHING
-- with 5 | x
INSERT INTO users (id, plan) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING

-- passes: an upsert on another key
-- with 100 | u5@example.org | x
INSERT INTO users (id, email, plan) VALUES ($1, $2, $3) ON CONFLICT (email) DO UPDATE SET plan = excluded.plan

-- passes: a function with one key
-- with 5
SELECT close_one($1)

-- passes: as many rows as the limit
-- with left
DELETE FROM crowd WHERE side = $1

-- passes: reading by range
-- with -5 | 5
SELECT count(*) FROM users WHERE id BETWEEN $1 AND $2

-- passes: an unprotected table by range
-- with 0
DELETE FROM plain WHERE id < $1

-- passes: one upstream cleared
-- with NULL | 3
UPDATE results SET cache_a = $1 WHERE id = $2
