-- passes: the row named, and no other of that plan
UPDATE users SET plan = 'x' WHERE id = 5 AND NOT EXISTS (SELECT 1 FROM users v WHERE v.plan = 'x' AND v.id <> 5)

-- passes: the row named, if there is no other
DELETE FROM users WHERE id = 5 AND NOT EXISTS (SELECT 1 FROM users p WHERE p.id <> 7 AND p.plan = 'none')

-- passes: the row named, and a range of another protected table
UPDATE users SET plan = 'x' FROM results o WHERE o.customer_id = users.id AND users.id = 2 AND o.id > 3

-- passes: the row named, and a count over a range
WITH c AS (SELECT count(*) AS n FROM users WHERE id > 3) UPDATE users SET plan = c.n::text FROM c WHERE users.id = 5

-- passes: the rows named, and a range beside them
DELETE FROM users u USING users v WHERE u.id IN (1, 2, 3) AND v.id < u.id AND v.plan = u.plan

-- passes: the rows named either way, and a range beside them
DELETE FROM users u USING users v WHERE (u.id = 1 OR u.id = ANY ('{2,3}')) AND v.id < 0 AND v.plan = u.plan

-- passes: the composite key named, and a range of the table
DELETE FROM seats WHERE train = 1 AND number = 2 AND EXISTS (SELECT 1 FROM seats s WHERE s.train = 1 AND s.number > 2)

-- passes: the row named by a setting, and a range of the table
UPDATE users SET plan = 'x' WHERE id = length(current_setting('search_path')) AND (SELECT count(*) FROM users v WHERE v.id < 0) > 3

-- passes: the row named through a view, and a range of the table
UPDATE everyone SET plan = 'x' WHERE id = 5 AND EXISTS (SELECT 1 FROM users v WHERE v.id > 5)

-- passes: two rows named, each by its own statement
WITH a AS (UPDATE users SET plan = 'x' WHERE id = 5 AND EXISTS (SELECT 1 FROM users v WHERE v.id > 5) RETURNING 1) DELETE FROM users WHERE id = 6 AND EXISTS (SELECT 1 FROM users v WHERE v.id < 0)

-- passes: the row named by a parameter, and no other
-- with 5 | x
UPDATE users SET plan = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM users v WHERE v.plan = $2 AND v.id <> $1)

-- refused SF001: the row named, or a range
DELETE FROM users WHERE id = 5 OR EXISTS (SELECT 1 FROM users v WHERE v.id = users.id AND v.id > 10)

-- refused SF001: a row named in one arm only, and a range of the table
DELETE FROM users u USING users v WHERE (u.id = 5 OR u.plan = 'free') AND v.id < 0 AND v.plan = u.plan

-- refused SF001: another instance named
DELETE FROM users u USING users v, users w WHERE v.id = 4 AND v.plan = u.plan AND w.id < 5 AND w.plan = u.plan

-- refused SF001: half a composite key named, and a range of the table
DELETE FROM seats WHERE train = 1 AND EXISTS (SELECT 1 FROM seats s WHERE s.number > 2 AND s.passenger = seats.passenger)

-- refused SF001: named by a column of another table
DELETE FROM users u USING users v, plain p WHERE u.id = p.user_id AND v.id < 0 AND v.plan <> p.tag

-- refused SF001: named by another instance that a range selects
DELETE FROM users u USING users v WHERE u.id = v.id AND v.id > 10

-- refused SF001: named by a subquery over a range
DELETE FROM users WHERE id = (SELECT max(v.id) FROM users v WHERE v.id < 5)

-- refused SF001: named by a function that answers anew for every row, and a range of the table
DELETE FROM users WHERE id = 5 + floor(random() * 0)::int AND EXISTS (SELECT 1 FROM users v WHERE v.id > 5)

-- refused SF001: one statement names its row, the other does not
WITH a AS (UPDATE users SET plan = 'x' WHERE id = 5 AND EXISTS (SELECT 1 FROM users v WHERE v.id > 5) RETURNING 1) DELETE FROM users WHERE plan = 'trial' AND EXISTS (SELECT 1 FROM users v WHERE v.id < 0)

-- refused SF001: the row named, then what a range beside it found
WITH a AS (UPDATE users u SET plan = 'x' FROM users v WHERE u.id = 5 AND v.id > 10 RETURNING v.email) DELETE FROM users WHERE email IN (SELECT email FROM a)

-- refused SF001: a cursor that names one row of two
DECLARE c CURSOR FOR SELECT v.* FROM users v, seats s WHERE s.train = 1 AND s.number = 2 AND v.id > 5 FOR UPDATE OF v; FETCH 1 FROM c; DELETE FROM users WHERE CURRENT OF c

-- refused SF001: a list with a member from a subquery, and a range of the table
DELETE FROM users WHERE id = ANY (ARRAY[5, (SELECT max(user_id) FROM plain)]) AND EXISTS (SELECT 1 FROM users v WHERE v.id > 8)

-- refused SF001: a list with a member from another instance
DELETE FROM users u USING users v WHERE u.id = ANY (ARRAY[5, v.id]) AND v.id > 8

-- passes: an upsert by another key that touches the row named only
INSERT INTO users (id, email) SELECT 1000 + id, email FROM users WHERE id > 3 ON CONFLICT (email) DO UPDATE SET plan = 'x' WHERE users.id = 5
