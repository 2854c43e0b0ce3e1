-- refused SF001: the range the nightly cleanup deleted
DELETE FROM users WHERE id BETWEEN -91111200 AND -91111100

-- refused SF001: less than
DELETE FROM users WHERE id < 0

-- refused SF001: less than or equal
UPDATE users SET plan = 'x' WHERE id <= 3

-- refused SF001: greater than
DELETE FROM users WHERE id > 10

-- refused SF001: greater than or equal
UPDATE users SET plan = 'x' WHERE id >= 10

-- refused SF001: the constant on the left
DELETE FROM users WHERE 0 > id

-- refused SF001: not equal
DELETE FROM users WHERE id <> 5

-- refused SF001: not equal, the other spelling
UPDATE users SET plan = 'x' WHERE id != 5

-- refused SF001: NOT IN a list
DELETE FROM users WHERE id NOT IN (1, 2, 3)

-- refused SF001: different from all of a list
DELETE FROM users WHERE id <> ALL (ARRAY[1, 2, 3])

-- refused SF001: NOT BETWEEN
DELETE FROM users WHERE id NOT BETWEEN 1 AND 12

-- refused SF001: BETWEEN SYMMETRIC
DELETE FROM users WHERE id BETWEEN SYMMETRIC -1 AND -5

-- refused SF001: a range and an attribute together
DELETE FROM users WHERE auth_source = 'test' AND id < 0

-- refused SF001: a list or a range
DELETE FROM users WHERE id = 5 OR id > 10

-- refused SF001: a range behind a nested OR
DELETE FROM users WHERE plan = 'pro' OR (plan = 'free' AND (email = 'x' OR id < -3))

-- refused SF001: pinned in one branch of the OR only
DELETE FROM users WHERE (id = 5 AND id > 0) OR id < -10

-- refused SF001: a negated equality
DELETE FROM users WHERE NOT id = 5

-- refused SF001: a negated list
DELETE FROM users WHERE NOT (id IN (1, 2, 3))

-- refused SF001: a negated conjunction
DELETE FROM users WHERE NOT (id = 5 AND plan = 'pro')

-- refused SF001: a doubly negated range
DELETE FROM users WHERE NOT (NOT (id < 0))

-- refused SF001: IS DISTINCT FROM
DELETE FROM users WHERE id IS DISTINCT FROM 5

-- refused SF001: NOT of IS NOT DISTINCT FROM
DELETE FROM users WHERE NOT (id IS NOT DISTINCT FROM 5)

-- refused SF001: an equality that is not true
DELETE FROM users WHERE (id = 5) IS NOT TRUE

-- refused SF001: an equality that is false
DELETE FROM users WHERE (id = 5) IS FALSE

-- refused SF001: an equality compared with false
DELETE FROM users WHERE (id = 5) = false

-- refused SF001: a range compared with true
DELETE FROM users WHERE (id < 0) = true

-- refused SF001: a function of the key
DELETE FROM users WHERE abs(id) < 4

-- refused SF001: a function of the key compared by equality
DELETE FROM users WHERE sign(id) = -1

-- refused SF001: a remainder
DELETE FROM users WHERE id % 2 = 0

-- refused SF001: arithmetic that changes nothing
DELETE FROM users WHERE id + 0 = 5

-- refused SF001: the key's sign turned
DELETE FROM users WHERE -id = 5

-- refused SF001: coalesce
DELETE FROM users WHERE coalesce(id, 0) = 5

-- refused SF001: nullif
DELETE FROM users WHERE nullif(id, 5) IS NULL

-- refused SF001: greatest
DELETE FROM users WHERE greatest(id, 5) = 5

-- refused SF001: CASE over the key
DELETE FROM users WHERE CASE WHEN id < 0 THEN true ELSE false END

-- refused SF001: CASE that turns an equality round
DELETE FROM users WHERE CASE id WHEN 5 THEN false ELSE true END

-- refused SF001: the key as text with LIKE
DELETE FROM users WHERE id::text LIKE '-9111%'

-- refused SF001: the key as text with a regular expression
DELETE FROM users WHERE id::text ~ '^-'

-- refused SF001: the key's length
DELETE FROM users WHERE length(id::text) > 5

-- refused SF001: a lossy cast to float
DELETE FROM users WHERE id::float4 = -91111104

-- refused SF001: a lossy comparison with a float
DELETE FROM users WHERE id = 5.0::float8

-- refused SF001: range containment
DELETE FROM users WHERE id <@ int8range(-91111200, -91111100)

-- refused SF001: range containment from the left
DELETE FROM users WHERE int8range(1, 5) @> id

-- refused SF001: array containment
DELETE FROM users WHERE ARRAY[id] <@ ARRAY[1, 2, 3]::bigint[]

-- refused SF001: array overlap
DELETE FROM users WHERE ARRAY[id] && ARRAY[1, 2, 3]::bigint[]

-- refused SF001: position in an array
DELETE FROM users WHERE array_position(ARRAY[1, 2, 3]::bigint[], id) IS NOT NULL

-- refused SF001: the key through the whole row
DELETE FROM users u WHERE (u).id < 0

-- refused SF001: the whole row as text
DELETE FROM users u WHERE u::text LIKE '(-9111%'

-- refused SF001: the whole row as JSON
DELETE FROM users u WHERE (to_jsonb(u) ->> 'id')::bigint < 0

-- refused SF001: a row comparison that starts with the key
DELETE FROM users WHERE (id, plan) < (0, 'z')

-- refused SF001: two columns compared as one row with a negation
DELETE FROM users WHERE (id, plan) <> (5, 'pro')

-- refused SF001: the key is less than another column of the row
DELETE FROM users WHERE id <= length(email)

-- refused SF001: the key is at least itself
DELETE FROM users WHERE id >= id

-- refused SF001: WHERE CURRENT OF a cursor over a range of keys
DECLARE c CURSOR FOR SELECT * FROM users WHERE id < 0 FOR UPDATE; FETCH 1 FROM c; DELETE FROM users WHERE CURRENT OF c

-- passes: one key
DELETE FROM users WHERE id = 5

-- passes: one key, the constant on the left
DELETE FROM users WHERE 5 = id

-- passes: one key of a narrower type
UPDATE users SET plan = 'pro' WHERE id = 5::smallint

-- passes: one key as an untyped literal
UPDATE users SET plan = 'pro' WHERE id = '5'

-- passes: a list
DELETE FROM users WHERE id IN (1, 2, 3)

-- passes: an array
DELETE FROM users WHERE id = ANY (ARRAY[1, 2, 3])

-- passes: an array written as a literal
DELETE FROM users WHERE id = ANY ('{1,2,3}')

-- passes: two arrays in one
DELETE FROM users WHERE id = ANY (ARRAY[1, 2]::bigint[] || ARRAY[3]::bigint[])

-- passes: a list cut from a string
DELETE FROM users WHERE id = ANY (string_to_array('1,2,3', ',')::bigint[])

-- passes: either of two keys
DELETE FROM users WHERE id = 1 OR id = 2

-- passes: a key or an attribute
DELETE FROM users WHERE id = 1 OR plan = 'trial'

-- passes: IS NOT DISTINCT FROM
DELETE FROM users WHERE id IS NOT DISTINCT FROM 5

-- passes: a key that is null
DELETE FROM users WHERE id IS NULL

-- passes: a pinned range
DELETE FROM users WHERE id = 5 AND id > 0

-- passes: a pinned expression
UPDATE users SET plan = 'x' WHERE id = 5 AND id % 2 = 1

-- passes: a pinned negation
UPDATE users SET plan = 'x' WHERE id = 5 AND id <> 6

-- passes: pinned in every branch
DELETE FROM users WHERE (id = 5 AND id > 0) OR (id = -5 AND id < 0)

-- passes: a lossless cast of the key
DELETE FROM users WHERE id::text = '5'

-- passes: a lossless cast of the key to numeric
DELETE FROM users WHERE id::numeric = 5

-- passes: the cleanup by attribute
DELETE FROM users WHERE auth_source = 'test'

-- passes: a range of an attribute
DELETE FROM users WHERE created_at < '2020-01-01'

-- passes: a pattern of an attribute
DELETE FROM users WHERE email LIKE '%@test.invalid'

-- passes: a negated attribute
UPDATE users SET plan = 'pro' WHERE NOT plan = 'free' AND auth_source <> 'oauth'

-- passes: an attribute that may be null
UPDATE users SET plan = 'free' WHERE plan IS NULL

-- passes: no row at all
DELETE FROM users WHERE false

-- passes: the key in the new value, not in the predicate
UPDATE users SET plan = CASE WHEN id < 0 THEN 'web' ELSE 'messenger' END WHERE auth_source = 'test'

-- passes: an expression of the key in RETURNING
DELETE FROM users WHERE id = 5 RETURNING id + 1, id > 0

-- passes: a row equality
DELETE FROM users WHERE (id, plan) = (5, 'pro')

-- passes: a list of rows
DELETE FROM users WHERE (id, auth_source) IN ((5, 'oauth'), (6, 'oauth'))

-- passes: one tuple by its place
DELETE FROM users WHERE ctid = '(0,1)'

-- passes: WHERE CURRENT OF a cursor over an attribute
DECLARE c CURSOR FOR SELECT * FROM users WHERE plan = 'trial' FOR UPDATE; FETCH 1 FROM c; DELETE FROM users WHERE CURRENT OF c

-- passes: WHERE CURRENT OF a cursor over one key
DECLARE c CURSOR FOR SELECT * FROM users WHERE id = 5 FOR UPDATE; FETCH 1 FROM c; UPDATE users SET plan = 'x' WHERE CURRENT OF c

-- passes: reading by range
SELECT count(*) FROM users WHERE id BETWEEN -91111200 AND -91111100

-- passes: locking by range
SELECT id FROM users WHERE id < 0 FOR UPDATE

-- passes: inserting what a range selects
INSERT INTO plain (id, user_id) SELECT 1000 - id, id FROM users WHERE id < -91111100

-- passes: inserting
INSERT INTO users (id, email) VALUES (100, 'new@example.org')

-- passes: a range of an unprotected table's key
DELETE FROM plain WHERE id < 0

-- passes: an unprotected table without a condition
DELETE FROM plain

-- passes: an unprotected table that a range of a protected one selects
DELETE FROM plain WHERE user_id IN (SELECT id FROM users WHERE id < 0)

-- passes: a follower by a range of its own key
DELETE FROM subscriptions WHERE id < 5
