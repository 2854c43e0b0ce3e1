-- refused SF001: equality by a collation that tells less apart
DELETE FROM names WHERE name COLLATE loose = 'ann'

-- refused SF001: the same from the right
DELETE FROM names WHERE name = 'ann' COLLATE loose

-- refused SF001: a list by a collation that tells less apart
DELETE FROM names WHERE name COLLATE loose IN ('ann', 'bob')

-- refused SF001: a join by a collation that tells less apart
DELETE FROM names n USING (VALUES ('ann')) v(name) WHERE n.name = v.name COLLATE loose

-- refused SF001: not distinct by a collation that tells less apart
DELETE FROM names WHERE name COLLATE loose IS NOT DISTINCT FROM 'ann'

-- refused SF001: what pins by a collation that tells less apart
DELETE FROM names WHERE name COLLATE loose = 'ann' AND name > 'A'

-- refused SF001: groups by a collation that tells less apart
DELETE FROM names WHERE label IN (SELECT min(label) FROM names GROUP BY name COLLATE loose)

-- passes: one name
DELETE FROM names WHERE name = 'Ann'

-- passes: one name by a collation that tells more apart
DELETE FROM names WHERE name COLLATE "C" = 'Ann'

-- passes: one name by its own collation
DELETE FROM loose_names WHERE name = 'ann'

-- passes: one name by its own collation, spelled out
DELETE FROM loose_names WHERE name COLLATE loose = 'ann'

-- passes: one name by a collation that tells more apart than its own
DELETE FROM loose_names WHERE name COLLATE "C" = 'Ann'

-- passes: an attribute by a collation that tells less apart
DELETE FROM names WHERE label COLLATE loose = 'X'

-- passes: names from another table by their own collation
DELETE FROM loose_names n USING (VALUES ('ann')) v(name) WHERE n.name = v.name COLLATE loose

-- passes: one name by a deterministic collation on the right
DELETE FROM names WHERE name = 'Ann' COLLATE "POSIX"

-- refused SF001: a subquery's output by a collation that tells less apart
DELETE FROM names n USING (SELECT name, name COLLATE loose AS k FROM names) s WHERE s.k = 'ann' AND s.name = n.name
