-- refused SF001: the ordinality of JSON_TABLE
DELETE FROM users WHERE id IN (SELECT n FROM JSON_TABLE('[0, 0, 0]', '$[*]' COLUMNS (n FOR ORDINALITY, v int PATH '$')) j)

-- refused SF001: the ordinality of a nested JSON_TABLE, moved
DELETE FROM users USING (SELECT n + 2 AS k FROM JSON_TABLE('[[0, 0], [0, 0]]', '$[*]' COLUMNS (NESTED '$[*]' COLUMNS (v int PATH '$', n FOR ORDINALITY))) j) s WHERE users.id = s.k

-- passes: keys from JSON_TABLE
DELETE FROM users WHERE id IN (SELECT v FROM JSON_TABLE('[1, 2]', '$[*]' COLUMNS (n FOR ORDINALITY, v int PATH '$')) j)

-- passes: keys from a nested JSON_TABLE
UPDATE users SET plan = j.plan FROM JSON_TABLE('[{"plan": "a", "ids": [1, 2]}]', '$[*]' COLUMNS (o FOR ORDINALITY, plan text PATH '$.plan', NESTED '$.ids[*]' COLUMNS (n FOR ORDINALITY, v int PATH '$'))) j WHERE users.id = j.v
