-- refused SF002: no condition
DELETE FROM users

-- refused SF002: an update without a condition
UPDATE users SET plan = NULL

-- refused SF002: WHERE true
DELETE FROM users WHERE true

-- refused SF002: one is one
DELETE FROM users WHERE 1 = 1

-- refused SF002: a string is itself
DELETE FROM users WHERE 'a' = 'a'

-- refused SF002: one is in a list
DELETE FROM users WHERE 1 IN (1, 2)

-- refused SF002: not false
DELETE FROM users WHERE NOT false

-- refused SF002: the key is itself
DELETE FROM users WHERE id = id

-- refused SF002: the qualified key is itself
DELETE FROM users u WHERE u.id = u.id

-- refused SF002: the key is not distinct from itself
DELETE FROM users WHERE id IS NOT DISTINCT FROM id

-- refused SF002: the key is not null
DELETE FROM users WHERE id IS NOT NULL

-- refused SF002: the key is in a list that holds itself
DELETE FROM users WHERE id IN (5, id)

-- refused SF002: an attribute that cannot be null is not null
DELETE FROM users WHERE auth_source IS NOT NULL

-- refused SF002: an attribute that cannot be null is itself
DELETE FROM users WHERE auth_source = auth_source

-- refused SF002: an attribute is null or not
DELETE FROM users WHERE plan IS NULL OR plan IS NOT NULL

-- refused SF002: an attribute or true
DELETE FROM users WHERE plan = 'pro' OR true

-- refused SF002: a key or one is one
DELETE FROM users WHERE id = 5 OR 1 = 1

-- refused SF002: a key or not null
DELETE FROM users WHERE id = 5 OR id IS NOT NULL

-- refused SF002: true and true
DELETE FROM users WHERE true AND (1 < 2) AND id IS NOT NULL

-- refused SF002: a subquery that is true
DELETE FROM users WHERE (SELECT true)

-- refused SF002: something exists
DELETE FROM users WHERE EXISTS (SELECT 1)

-- refused SF002: something exists in another table
DELETE FROM users WHERE EXISTS (SELECT 1 FROM plain WHERE tag = 'close')

-- refused SF002: another table has many rows
DELETE FROM users WHERE (SELECT count(*) FROM plain) > 3

-- refused SF002: a condition on another table without a join
DELETE FROM users USING plain p WHERE p.tag = 'close'

-- refused SF002: a condition on another table's key without a join
UPDATE users SET plan = NULL FROM plain p WHERE p.id = 3

-- refused SF002: a cross join
DELETE FROM users USING plain

-- refused SF002: a join between two other tables
DELETE FROM users USING plain p, trash t WHERE p.user_id = t.user_id

-- refused SF002: a condition on the session
DELETE FROM users WHERE current_user = 'app'

-- refused SF002: a condition on the clock
DELETE FROM users WHERE now() > '2020-01-01'

-- refused SF002: a condition on chance
DELETE FROM users WHERE random() < 2

-- refused SF002: a setting
DELETE FROM users WHERE current_setting('server_version_num')::int > 0

-- refused SF002: the place of a row is not null
DELETE FROM users WHERE ctid IS NOT NULL

-- refused SF002: the table a row is in
DELETE FROM users WHERE tableoid = 'users'::regclass

-- refused SF002: every key there is
DELETE FROM users WHERE id IN (SELECT id FROM users)

-- refused SF002: the same row exists
DELETE FROM users u WHERE EXISTS (SELECT 1 FROM users v WHERE v.id = u.id)

-- refused SF002: joined with itself
DELETE FROM users u USING users v WHERE u.id = v.id

-- refused SF002: every key, by way of a CTE
WITH all_users AS (SELECT id FROM users) DELETE FROM users WHERE id IN (SELECT id FROM all_users)

-- refused SF002: in a CTE
WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) FROM gone

-- refused SF002: in the second CTE
WITH one AS (UPDATE users SET plan = 'x' WHERE id = 5), two AS (DELETE FROM seats) SELECT 1

-- refused SF002: beneath a CTE that has a condition
WITH few AS (SELECT id FROM users WHERE plan = 'trial') DELETE FROM users

-- refused SF002: a composite key half that is not null
DELETE FROM seats WHERE train IS NOT NULL

-- refused SF002: both halves of the key are not null
DELETE FROM seats WHERE train IS NOT NULL AND number IS NOT NULL

-- refused SF002: a text key without a condition
UPDATE pages SET body = ''

-- refused SF002: a uuid key without a condition
DELETE FROM devices

-- refused SF002: an enum key without a condition
DELETE FROM alerts

-- refused SF002: a time key without a condition
DELETE FROM readings

-- refused SF002: the owner of the table
DELETE FROM ledger

-- refused SF002: the table behind ONLY
DELETE FROM ONLY users

-- passes: an attribute and nothing else
DELETE FROM users WHERE plan = 'trial'

-- passes: an attribute with a harmless true
DELETE FROM users WHERE 1 = 1 AND plan = 'trial'

-- passes: a key with a harmless true
DELETE FROM users WHERE true AND id = 5

-- passes: an attribute that may be null is not null
UPDATE users SET plan = 'free' WHERE plan IS NOT NULL AND auth_source = 'test'

-- passes: an attribute compared with another
UPDATE users SET plan = 'free' WHERE plan = auth_source

-- passes: a clock and an attribute
DELETE FROM users WHERE created_at < now() - interval '10 years'

-- passes: a join with another table
DELETE FROM users u USING plain p WHERE p.user_id = u.id AND p.tag = 'close'

-- passes: a join that selects by its rows alone
DELETE FROM users u USING trash t WHERE t.user_id = u.id

-- passes: a key that exists elsewhere
DELETE FROM users u WHERE EXISTS (SELECT 1 FROM trash t WHERE t.user_id = u.id)

-- passes: a key that exists nowhere else
DELETE FROM users u WHERE auth_source = 'test' AND NOT EXISTS (SELECT 1 FROM trash t WHERE t.user_id = u.id)

-- passes: a boolean of the row
UPDATE users SET plan = 'x' WHERE starts_with(email, 't') AND length(email) > 3

-- passes: an unprotected table emptied in a CTE
WITH gone AS (DELETE FROM plain RETURNING *) SELECT count(*) FROM gone

-- passes: a follower without a condition
UPDATE subscriptions SET state = 'paused'

-- refused SF002: every group has a row
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id, count(*) OVER (PARTITION BY plan) AS c FROM users) x WHERE c >= 1)

-- refused SF002: every group has more than none
DELETE FROM users u USING (SELECT email, count(*) AS c FROM users GROUP BY email) d WHERE u.email = d.email AND 0 < d.c

-- refused SF002: every row has a number
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY plan) AS n FROM users) x WHERE n <> 0)

-- refused SF002: the table has many rows
DELETE FROM users u USING (SELECT count(*) AS c FROM users) d WHERE d.c > 3

-- refused SF002: groups of another table have many rows
DELETE FROM users u USING (SELECT tag, count(*) AS c FROM plain GROUP BY tag) d WHERE d.c > 3

-- passes: what there is several of, by a window
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id, count(*) OVER (PARTITION BY auth_source) AS c FROM users) x WHERE c < 10)

-- passes: what there is several of, by a join with groups
DELETE FROM users u USING (SELECT auth_source, count(*) AS c FROM users GROUP BY auth_source) d WHERE u.auth_source = d.auth_source AND d.c < 10

-- passes: what there is several of, by a list of groups
DELETE FROM users WHERE auth_source IN (SELECT auth_source FROM (SELECT auth_source, count(*) AS c FROM users GROUP BY auth_source) z WHERE 10 > c)

-- passes: what there is so many of
DELETE FROM users WHERE auth_source IN (SELECT auth_source FROM (SELECT auth_source, count(*) AS c FROM users GROUP BY auth_source) z WHERE c = 5)

-- passes: what there are so many of or so many
DELETE FROM users WHERE auth_source IN (SELECT auth_source FROM (SELECT auth_source, count(email) AS c FROM users GROUP BY auth_source) z WHERE c IN (4, 5))

-- passes: what there are any of
DELETE FROM users WHERE plan IN (SELECT plan FROM (SELECT plan, count(email) AS c FROM users GROUP BY plan) z WHERE c >= 1)

-- passes: all but one of each
DELETE FROM users WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY plan) AS rn FROM users) x WHERE rn > 1)

-- passes: groups counted in a CTE, passed on by a subquery
WITH g AS (SELECT auth_source, count(*) AS c FROM users GROUP BY auth_source) DELETE FROM users u USING (SELECT auth_source, c FROM g) d WHERE u.auth_source = d.auth_source AND d.c BETWEEN 2 AND 9

-- passes: groups that are large, by HAVING
DELETE FROM users WHERE auth_source IN (SELECT auth_source FROM users GROUP BY auth_source HAVING count(*) < 10)

-- passes: groups as large as a parameter says
-- with 5
DELETE FROM users u USING (SELECT auth_source, count(*) AS c FROM users GROUP BY auth_source) d WHERE u.auth_source = d.auth_source AND d.c <= $1
