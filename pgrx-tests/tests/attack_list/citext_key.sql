-- refused SF001: a citext range
DELETE FROM handles WHERE handle > 'b'

-- refused SF001: a citext prefix
DELETE FROM handles WHERE handle LIKE 'B%'

-- refused SF001: a citext pattern
DELETE FROM handles WHERE handle ~ '^b'

-- refused SF001: a citext in lower case
DELETE FROM handles WHERE lower(handle) = 'bob'

-- refused SF001: a citext that is not this one
DELETE FROM handles WHERE handle <> 'Bob'

-- refused SF003: an upsert on a citext key
INSERT INTO handles VALUES ('BOB', 'z') ON CONFLICT (handle) DO UPDATE SET owner = excluded.owner

-- refused SF004: a citext key in other letters
UPDATE handles SET handle = 'BOB' WHERE handle = 'bob'

-- passes: one citext
DELETE FROM handles WHERE handle = 'BOB'

-- passes: a list of citext
DELETE FROM handles WHERE handle IN ('ANN', 'BOB')

-- passes: a citext as text
DELETE FROM handles WHERE handle::text = 'bob'

-- passes: a citext's owner
DELETE FROM handles WHERE owner ~ '^y'
