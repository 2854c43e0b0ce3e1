-- refused SF001: any value but one
DELETE FROM switches WHERE "on" <> true

-- refused SF001: half of the key is either
DELETE FROM switches WHERE "on" IS NOT NULL AND n > 2

-- refused SF001: not what it is, spelled out
DELETE FROM switches WHERE NOT ("on" = true)

-- refused SF001: keys not listed by flags of another table
DELETE FROM switches s WHERE NOT EXISTS (SELECT 1 FROM plain p WHERE s."on" AND p.tag = s.label)

-- refused SF001: what is greater than false
DELETE FROM switches WHERE "on" > false

-- refused SF001: neither of a pair
DELETE FROM switches WHERE NOT ("on" AND n = 2)

-- refused SF001: a function of it
DELETE FROM switches WHERE NOT ("on" AND length(label) > 0)

-- refused SF001: a test of the key that a subquery computes
DELETE FROM users u USING (SELECT id, id > 10 AS late FROM users) s WHERE s.late AND s.id = u.id

-- refused SF003: an upsert on it
INSERT INTO switches VALUES (true, 2, 'x') ON CONFLICT ("on", n) DO UPDATE SET label = excluded.label

-- passes: it is true
DELETE FROM switches WHERE "on" = true AND n = 2

-- passes: it is false
DELETE FROM switches WHERE "on" = false AND n = 2

-- passes: true is what it is
DELETE FROM switches WHERE true = "on" AND n = 2

-- passes: by itself
DELETE FROM switches WHERE "on" AND n = 2

-- passes: negated
DELETE FROM switches WHERE NOT "on" AND n = 2

-- passes: IS TRUE
DELETE FROM switches WHERE "on" IS TRUE AND n = 2

-- passes: IS FALSE
DELETE FROM switches WHERE "on" IS FALSE AND n = 2

-- passes: a list of one row
UPDATE switches SET label = 'x' WHERE ("on", n) IN ((true, 6))

-- passes: a list of rows
UPDATE switches SET label = 'x' WHERE ("on", n) IN ((true, 2), (false, 3))

-- passes: a row
UPDATE switches SET label = 'x' WHERE ("on", n) = (true, 2)

-- passes: it and the other half pinned
UPDATE switches SET label = 'x' WHERE "on" AND n = 2 AND n < 3

-- passes: it alone
UPDATE switches SET label = 'x' WHERE "on"

-- passes: a flag of a row that is no key
UPDATE users SET plan = 'x' FROM switches s WHERE NOT s."on" AND s.n = users.id
