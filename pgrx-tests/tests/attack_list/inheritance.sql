-- refused SF001: a parent's key that the protected child's rows share
DELETE FROM letters WHERE kind = 'x' AND id > 5

-- refused SF001: the same by a row of values
DELETE FROM letters WHERE (kind, note) = ('x', 'c') AND id > 5

-- refused SF001: a parent's key that the children's rows share
UPDATE parts SET note = NULL WHERE kind = 'x' AND id > 5

-- refused SF001: a parent's key that the children's rows share, and any of them but one
DELETE FROM parts WHERE kind = 'x' AND id <> 3

-- refused SF001: a parent's key that names nothing, and a range of the table
DELETE FROM parts WHERE kind = 'x' AND EXISTS (SELECT 1 FROM parts p WHERE p.id > 8 AND p.note = parts.note)

-- refused SF001: a parent's key through a view
CREATE TEMP VIEW v AS SELECT * FROM parts; DELETE FROM v WHERE kind = 'x' AND id > 5

-- refused SF001: the child's own rows, by what is its parent's key
DELETE FROM parts_eu WHERE kind = 'x' AND id > 5

-- passes: the child's key through its parent
DELETE FROM letters WHERE id = 5 AND id > 2

-- passes: the child's key through its parent, and a range of the parent's
DELETE FROM letters WHERE id = 5 AND kind > 'a'

-- passes: the child's key, and a range of it
DELETE FROM letters_eu WHERE id = 5 AND id > 2

-- passes: a parent that is not protected, alone
DELETE FROM ONLY letters WHERE id > 0

-- passes: the parent alone by its key, and a range
DELETE FROM ONLY parts WHERE kind = 'x' AND id > 0

-- passes: the protected column, and a range of it
DELETE FROM parts WHERE id = 5 AND id > 2

-- passes: rows that share the parent's key
UPDATE parts SET note = 'x' WHERE kind = 'x'

-- passes: a key that every member has, and a range
DELETE FROM tasks WHERE kind = 'k5' AND id > 2

-- passes: a key that every member has, in the child, and a range
DELETE FROM tasks_eu WHERE kind = 'k5' AND id > 2

-- passes: a key that every member has, and a range of the table
UPDATE tasks SET note = 'x' WHERE kind = 'k5' AND EXISTS (SELECT 1 FROM tasks t WHERE t.id > 8)
