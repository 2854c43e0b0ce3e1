-- refused SF001: an id range through the parent
DELETE FROM events WHERE id < 4

-- refused SF001: a day range through the parent
DELETE FROM events WHERE day >= '2026-01-01'

-- refused SF001: a day range beside a pinned id
DELETE FROM events WHERE id = 5 AND day > '2026-01-01'

-- refused SF001: an id range in a partition by itself
DELETE FROM events_2026 WHERE id > 4

-- refused SF001: an id range in a table that guards its id
DELETE FROM metrics WHERE id BETWEEN 2 AND 6

-- refused SF001: an id range in a partition of a table that guards its id
UPDATE metrics_2026 SET kind = NULL WHERE id > 4

-- refused SF001: a month of a guarded day
DELETE FROM events WHERE date_trunc('month', day) = '2026-01-01'

-- refused SF001: a partition's id joined by range
DELETE FROM events_2026 e USING plain p WHERE e.id > p.id

-- refused SF002: the parent without a condition
DELETE FROM events

-- refused SF002: a partition without a condition
DELETE FROM events_2025

-- refused SF002: the parent updated without a condition
UPDATE metrics SET kind = 'x'

-- refused SF001: a range through the inheritance parent
DELETE FROM stock WHERE id > 3

-- refused SF001: a range in the inheritance child
DELETE FROM stock_eu WHERE id > 5

-- refused SF001: a range in the parent alone
DELETE FROM ONLY stock WHERE id > 1

-- refused SF002: the inheritance child without a condition
DELETE FROM stock_eu

-- refused SF002: the inheritance parent without a condition
UPDATE stock SET quantity = 0

-- refused SF001: a protected child through its unprotected parent
DELETE FROM archive WHERE id > 3

-- refused SF002: a protected child through its unprotected parent without a condition
DELETE FROM archive

-- refused SF001: a protected child by itself
UPDATE archive_hot SET note = NULL WHERE id > 5

-- passes: one event
DELETE FROM events WHERE id = 5 AND day = '2026-01-02'

-- passes: one id, whatever the day
DELETE FROM events WHERE id = 5

-- passes: one day, whatever the id
DELETE FROM events WHERE day = '2026-01-02'

-- passes: one event in its partition
DELETE FROM events_2026 WHERE id = 5 AND day = '2026-01-02'

-- passes: a range that the whole key pins
DELETE FROM events WHERE id = 5 AND day = '2026-01-02' AND day > '2026-01-01'

-- passes: an attribute in a partition
UPDATE events_2026 SET kind = 'x' WHERE kind = 'k1'

-- passes: a day range where the id alone is guarded
DELETE FROM metrics WHERE day < '2026-01-01'

-- passes: a day range in a partition where the id alone is guarded
DELETE FROM metrics_2026 WHERE day > '2026-01-03'

-- passes: a pinned id with a range of both
DELETE FROM metrics WHERE id = 5 AND id > 0 AND day > '2025-01-01'

-- passes: one row through the inheritance parent
DELETE FROM stock WHERE id = 6

-- passes: one row of the inheritance child
DELETE FROM stock_eu WHERE id = 6

-- passes: an attribute through the inheritance parent
UPDATE stock SET quantity = 0 WHERE place = 'eu'

-- passes: the unprotected parent alone by range
DELETE FROM ONLY archive WHERE id > 2

-- passes: the protected child by attribute through its parent
UPDATE archive SET note = 'x' WHERE note = 'hot'

-- refused SF001: a range of a partition key that is part of the key
DELETE FROM events WHERE id = 3 AND day >= '2025-12-01' AND day < '2026-02-01'

-- passes: the way out of that refusal is told
DO $$ DECLARE told text; BEGIN SELECT hint INTO told FROM backstop.check('DELETE FROM events_2026 WHERE id = 3 AND day >= ''2026-01-01'''); IF told NOT LIKE '%protect(''public.events'', key_columns => ARRAY[''id''], approval => ''session'');%' THEN RAISE '%', told; END IF; SELECT hint INTO told FROM backstop.check('DELETE FROM events WHERE id > 3'); IF told LIKE '%key_columns%' THEN RAISE '%', told; END IF; END $$
