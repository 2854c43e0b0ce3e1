-- refused SF001: a range through a view
DELETE FROM everyone WHERE id < 0

-- refused SF001: a range through a view with a condition
UPDATE paying SET email = NULL WHERE id > 5

-- refused SF001: a range through a view that renames the key
UPDATE renamed SET level = 'x' WHERE who > 5

-- refused SF001: a range inside the view
UPDATE web_users SET plan = 'x' WHERE auth_source = 'oauth'

-- refused SF001: a range inside the view and no condition outside
DELETE FROM web_users

-- refused SF001: a range through a security barrier view
DELETE FROM walled WHERE id < 0

-- refused SF001|SF002: a range inside a security barrier view
DELETE FROM walled_web

-- refused SF002: a view without a condition
DELETE FROM everyone

-- refused SF002: a view with a condition that is always true
UPDATE everyone SET plan = NULL WHERE 1 = 1

-- refused SF001: an INSTEAD OF trigger that deletes by range
DELETE FROM wide_card WHERE email = 'u5@example.org'

-- refused SF001: a rule that deletes by range
DELETE FROM shredder WHERE user_id = 3

-- refused SF001: a trigger on an unprotected table that deletes by range
UPDATE tripwire SET id = 2

-- refused SF002: row-level security is no condition
DELETE FROM documents

-- refused SF002: row-level security is no condition of an update
UPDATE documents SET body = ''

-- refused SF001: a range beside row-level security
DELETE FROM documents WHERE id > 3

-- refused SF001: the policy's own range written out
DELETE FROM documents WHERE id > 0 AND owner = current_user

-- refused SF001: a PL/pgSQL function with variables
SELECT close_range(-91111200, -91111100)

-- refused SF001: a PL/pgSQL function in FROM
SELECT * FROM close_range(1, 3)

-- refused SF001: dynamic SQL
SELECT close_dynamic('id < 0')

-- refused SF002: dynamic SQL without a condition
SELECT close_dynamic('true')

-- refused SF001: dynamic SQL with a parameter
SELECT close_using('id < $1', -5)

-- refused SF001: an SQL function
SELECT close_sql(-5)

-- refused SF001: an SQL function with an atomic body
SELECT close_atomic(-5)

-- refused SF002: an SQL function that returns the rows
SELECT count(*) FROM clear_plans()

-- refused SF001: a procedure
CALL purge(-5)

-- refused SF001: a DO block
DO $$ BEGIN DELETE FROM users WHERE id < 0; END $$

-- refused SF002: a DO block without a condition
DO $$ BEGIN UPDATE users SET plan = NULL; END $$

-- refused SF001: a DO block with variables
DO $$ DECLARE low bigint := 1; high bigint := 5; BEGIN DELETE FROM users WHERE id BETWEEN low AND high; END $$

-- refused SF001: dynamic SQL in a DO block
DO $$ BEGIN EXECUTE format('DELETE FROM %I WHERE %I > $1', 'users', 'id') USING 5; END $$

-- refused SF001: a loop of ranges
DO $$ BEGIN FOR i IN 1 .. 3 LOOP DELETE FROM users WHERE id > i AND id < i + 2; END LOOP; END $$

-- refused SF001: a cursor loop over a range
DO $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE id < 0 FOR UPDATE; BEGIN FOR r IN c LOOP DELETE FROM users WHERE CURRENT OF c; END LOOP; END $$

-- refused SF001: a refused statement inside two functions
DO $$ BEGIN PERFORM close_dynamic('email IN (SELECT email FROM users WHERE id < 0)'); END $$

-- refused SF001: PREPARE and EXECUTE
PREPARE p (bigint) AS DELETE FROM users WHERE id > $1; EXECUTE p (3)

-- refused SF001: PREPARE and EXECUTE with a generic plan
SET LOCAL plan_cache_mode = force_generic_plan; PREPARE p (bigint) AS DELETE FROM users WHERE id > $1; EXECUTE p (3)

-- refused SF002: PREPARE with a boolean parameter
PREPARE p (boolean) AS DELETE FROM users WHERE $1; EXECUTE p (true)

-- refused SF002: PREPARE with parameters on both sides
PREPARE p (int, int) AS DELETE FROM users WHERE $1 = $2; EXECUTE p (1, 1)

-- refused SF001: EXPLAIN ANALYZE
EXPLAIN ANALYZE DELETE FROM users WHERE id < 0

-- refused SF002: EXPLAIN ANALYZE without a condition
EXPLAIN (ANALYZE, FORMAT json) UPDATE users SET plan = NULL

-- refused SF001: EXPLAIN ANALYZE EXECUTE
PREPARE p (bigint) AS DELETE FROM users WHERE id > $1; EXPLAIN ANALYZE EXECUTE p (3)

-- refused SF001: COPY of what a DELETE returns
COPY (DELETE FROM users WHERE id < 0 RETURNING *) TO STDOUT

-- refused SF002: COPY of what an UPDATE returns
COPY (UPDATE users SET plan = NULL RETURNING id) TO STDOUT

-- refused SF001: a shadowed equality sign
SET LOCAL search_path = shadow, pg_catalog, public; DELETE FROM users WHERE id = 0::bigint

-- refused SF001: a shadowed equality sign in a list
SET LOCAL search_path = shadow, pg_catalog, public; DELETE FROM users WHERE id IN (0, -3)

-- refused SF001: a shadowed equality sign with ANY
SET LOCAL search_path = shadow, pg_catalog, public; DELETE FROM users WHERE id = ANY ('{0}'::bigint[])

-- refused SF001: a foreign equality sign spelled out
DELETE FROM users WHERE id OPERATOR(shadow.=) 0::bigint

-- refused SF001: an operator that looks like equality
DELETE FROM users WHERE id OPERATOR(shadow.===) 0::bigint

-- refused SF001: a shadowed IS NOT DISTINCT FROM
SET LOCAL search_path = shadow, pg_catalog, public; DELETE FROM users WHERE id IS NOT DISTINCT FROM 0::bigint

-- passes: one key through a view
DELETE FROM everyone WHERE id = 5

-- passes: one key through a view that renames it
UPDATE renamed SET level = 'x' WHERE who = 5

-- passes: an attribute through a view
UPDATE paying SET plan = 'x' WHERE auth_source = 'test'

-- passes: a view whose own condition selects
UPDATE walled SET email = NULL WHERE auth_source = 'test'

-- passes: a key pinned through a view with a range
UPDATE web_users SET plan = 'x' WHERE id = -5

-- passes: an INSTEAD OF trigger that follows the key
DELETE FROM card WHERE email = 'u5@example.org'

-- passes: a rule that follows the key
DELETE FROM trash WHERE user_id = 3

-- passes: an attribute under row-level security
DELETE FROM documents WHERE body = 'd1'

-- passes: one key under row-level security
UPDATE documents SET body = 'x' WHERE id = 3

-- passes: a PL/pgSQL function with one key
SELECT close_one(5)

-- passes: dynamic SQL with one key
SELECT close_dynamic('id = 5')

-- passes: dynamic SQL with one key as a parameter
SELECT close_using('id = $1', 5)

-- passes: an SQL function with one key
SELECT close_sql_one(5)

-- passes: an SQL function with an atomic body and one key
SELECT close_atomic_one(5)

-- passes: a procedure with one key
CALL purge_one(5)

-- passes: a DO block with one key
DO $$ DECLARE who bigint := 5; BEGIN DELETE FROM users WHERE id = who; END $$

-- passes: a loop over single keys
DO $$ BEGIN FOR i IN 1 .. 5 LOOP UPDATE users SET plan = 'x' WHERE id = i; END LOOP; END $$

-- passes: a cursor loop over an attribute
DO $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE plan = 'trial' FOR UPDATE; BEGIN FOR r IN c LOOP UPDATE users SET plan = 'x' WHERE CURRENT OF c; END LOOP; END $$

-- passes: PREPARE and EXECUTE with one key
PREPARE p (bigint) AS DELETE FROM users WHERE id = $1; EXECUTE p (3); EXECUTE p (4)

-- passes: PREPARE and EXECUTE with an array
PREPARE p (bigint[]) AS DELETE FROM users WHERE id = ANY ($1); EXECUTE p ('{3,4}')

-- passes: EXPLAIN of a range
EXPLAIN DELETE FROM users WHERE id < 0

-- passes: EXPLAIN without a condition
EXPLAIN (VERBOSE, FORMAT json) UPDATE users SET plan = NULL

-- passes: EXPLAIN of an upsert
EXPLAIN INSERT INTO users (id, plan) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET plan = excluded.plan

-- passes: EXPLAIN ANALYZE of one key
EXPLAIN ANALYZE DELETE FROM users WHERE id = 5

-- passes: EXPLAIN ANALYZE of a query
EXPLAIN ANALYZE SELECT * FROM users WHERE id < 0

-- passes: COPY of what one DELETE returns
COPY (DELETE FROM users WHERE id = 5 RETURNING *) TO STDOUT

-- passes: COPY of a range
COPY (SELECT * FROM users WHERE id < 0) TO STDOUT

-- passes: the whole table copied out
COPY users TO STDOUT

-- passes: the catalog's equality sign spelled out
DELETE FROM users WHERE id OPERATOR(pg_catalog.=) 5

-- passes: an empty search path
SET LOCAL search_path = ''; DELETE FROM public.users WHERE id = 5

-- refused SF001: a temporary security-barrier view hides a range
CREATE TEMP VIEW vb WITH (security_barrier) AS SELECT * FROM users WHERE id BETWEEN 1 AND 4; DELETE FROM vb WHERE plan = 'free'

-- refused SF001: a security-barrier view over a view hides a range
CREATE TEMP VIEW v1 WITH (security_barrier) AS SELECT * FROM users WHERE id > 2; CREATE TEMP VIEW v2 WITH (security_barrier) AS SELECT * FROM v1 WHERE plan = 'free'; UPDATE v2 SET email = NULL WHERE auth_source = 'oauth'

-- refused SF001: a security-barrier view hides a range on a table with policies
CREATE TEMP VIEW vd WITH (security_barrier) AS SELECT * FROM documents WHERE id < 4; GRANT ALL ON vd TO app; DELETE FROM vd WHERE body = 'd1'

-- passes: a security-barrier view by attribute
CREATE TEMP VIEW vb WITH (security_barrier) AS SELECT * FROM users WHERE plan = 'trial'; DELETE FROM vb WHERE auth_source = 'test'

-- passes: a security-barrier view by attribute on a table with policies
CREATE TEMP VIEW vd WITH (security_barrier) AS SELECT * FROM documents WHERE body = 'd1'; DELETE FROM vd WHERE id = 3

-- refused SF002: row-level security is no condition with RETURNING either
UPDATE documents SET body = '' RETURNING id

-- passes: a security-barrier view on a table with policies, with RETURNING
CREATE TEMP VIEW vd WITH (security_barrier) AS SELECT * FROM documents WHERE body = 'd1'; UPDATE vd SET body = 'x' RETURNING id
