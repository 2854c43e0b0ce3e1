-- refused SF005: an attribute of more rows than the limit
DELETE FROM crowd WHERE side = 'right'

-- refused SF005: an update of more rows than the limit
UPDATE crowd SET n = 1 WHERE n = 0

-- refused SF005: one parent with many children
DELETE FROM folders WHERE id = 1

-- refused SF005: two CTEs that keep to the limit each
WITH a AS (UPDATE crowd SET n = 1 WHERE side = 'left'), b AS (UPDATE crowd SET n = 2 WHERE id = 200) SELECT 1

-- refused SF005: a loop of single rows
DO $$ BEGIN FOR i IN 1 .. 101 LOOP DELETE FROM crowd WHERE id = i; END LOOP; END $$

-- refused SF006: a transaction of statements that keep to the limit each
UPDATE crowd SET n = 1 WHERE side = 'left'; UPDATE crowd SET n = 2 WHERE side = 'left'; UPDATE crowd SET n = 3 WHERE side = 'left'; UPDATE crowd SET n = 4 WHERE side = 'left'; UPDATE crowd SET n = 5 WHERE side = 'left'; UPDATE crowd SET n = 6 WHERE side = 'left'; UPDATE crowd SET n = 7 WHERE side = 'left'; UPDATE crowd SET n = 8 WHERE side = 'left'; UPDATE crowd SET n = 9 WHERE side = 'left'; UPDATE crowd SET n = 10 WHERE side = 'left'; UPDATE crowd SET n = 11 WHERE side = 'left'

-- refused SF008: TRUNCATE
TRUNCATE seats

-- refused SF008: TRUNCATE of several tables
TRUNCATE plain, seats

-- refused SF008: TRUNCATE of a partition
TRUNCATE events_2026

-- refused SF008: DROP TABLE by its owner
DROP TABLE ledger

-- refused SF008: DROP COLUMN by its owner
ALTER TABLE ledger DROP COLUMN amount

-- refused SF008: ALTER COLUMN TYPE by its owner
ALTER TABLE ledger ALTER COLUMN amount TYPE int

-- refused SF008: TRUNCATE in PL/pgSQL
DO $$ BEGIN TRUNCATE seats; END $$

-- refused SF009: the agent's statement
UPDATE results SET cache_a = NULL, cache_b = NULL, cache_c = NULL WHERE created_at BETWEEN '2026-01-02' AND '2026-01-06'

-- refused SF009: two upstreams of one row
UPDATE results SET cache_a = NULL, cache_b = NULL WHERE id = 3

-- refused SF009: empty values instead of NULL
UPDATE results SET cache_a = '', cache_c = '{}' WHERE id = 3

-- refused SF009: a default instead of NULL
UPDATE results SET cache_a = NULL, cache_b = DEFAULT WHERE id = 3

-- refused SF009: through an expression
UPDATE results SET cache_a = nullif(cache_a, cache_a), cache_b = CASE WHEN true THEN NULL ELSE cache_b END WHERE id = 3

-- refused SF001: a range and mixed upstreams
UPDATE results SET cache_a = NULL, cache_b = NULL WHERE id > 3

-- passes: exactly the limit
DELETE FROM crowd WHERE side = 'left'

-- passes: a parent with few children
DELETE FROM folders WHERE id = 2

-- passes: a transaction within its limit
UPDATE crowd SET n = 1 WHERE side = 'left'; UPDATE crowd SET n = 2 WHERE side = 'left'; UPDATE crowd SET n = 3 WHERE side = 'left'

-- passes: TRUNCATE of an unprotected table
TRUNCATE plain

-- passes: a column added by its owner
ALTER TABLE ledger ADD COLUMN note text

-- passes: an index by the owner
CREATE INDEX ON ledger (amount)

-- passes: one upstream cleared
UPDATE results SET cache_a = NULL WHERE created_at BETWEEN '2026-01-02' AND '2026-01-06'

-- passes: one upstream cleared and another written
UPDATE results SET cache_a = NULL, cache_b = 'new' WHERE id = 3

-- passes: what was empty stays empty
UPDATE results SET cache_a = NULL, cache_b = NULL, cache_c = NULL WHERE id = 20

-- passes: a customer's whole row
DELETE FROM results WHERE customer_id = 1
