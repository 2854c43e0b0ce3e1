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

-- refused SF001: a text key as citext
DELETE FROM pages WHERE slug::citext = 'HOME'

-- refused SF001: what pins as citext
DELETE FROM pages WHERE slug::citext = 'HOME' AND slug > 'a'

-- refused SF001: a list as citext
DELETE FROM pages WHERE slug::citext IN ('HOME', 'ABOUT')

-- refused SF001: an array as citext
DELETE FROM pages WHERE slug::citext = ANY (ARRAY['HOME', 'ABOUT']::citext[])

-- refused SF001: joined as citext
DELETE FROM pages USING (VALUES ('HOME'::citext)) v(s) WHERE slug::citext = v.s

-- refused SF001: a row as citext
DELETE FROM pages WHERE (slug::citext, hits) = ('HOME', 1)

-- refused SF001: not distinct as citext
DELETE FROM pages WHERE slug::citext IS NOT DISTINCT FROM 'HOME'

-- refused SF001: groups as citext
DELETE FROM pages WHERE body IN (SELECT min(body) FROM pages GROUP BY slug::citext)

-- refused SF001: common to both as citext
DELETE FROM pages WHERE slug::citext IN (SELECT slug::citext FROM pages INTERSECT SELECT 'HOME')

-- passes: a citext as text, and a range
DELETE FROM handles WHERE handle::text = 'bob' AND handle > 'A'

-- passes: citexts from a list of texts
DELETE FROM handles WHERE handle = ANY (ARRAY['ANN', 'BOB']::text[]::citext[])

-- passes: citexts joined
DELETE FROM handles USING (VALUES ('BOB'::text)) v(h) WHERE handle = v.h::citext

-- passes: another column as citext
DELETE FROM pages WHERE body::citext = 'A'

-- refused SF002: an empty search in a citext
DELETE FROM handles WHERE nick LIKE '%'

-- refused SF002: an empty search in a citext, put together
DELETE FROM handles WHERE nick ILIKE '%' || '' || '%'

-- refused SF002: an empty pattern in a citext
DELETE FROM handles WHERE nick ~ ''

-- refused SF002: a citext from the empty one on
DELETE FROM handles WHERE nick >= ''

-- refused SF002: any of two patterns in a citext
DELETE FROM handles WHERE nick LIKE ANY (ARRAY['x%', '%']::citext[])

-- passes: a search in a citext
DELETE FROM handles WHERE nick LIKE 'a%'

-- passes: a pattern in a citext
DELETE FROM handles WHERE nick ~ '^a'

-- passes: a citext from one on
DELETE FROM handles WHERE nick >= 'b'

-- passes: a search in a citext, put together
DELETE FROM handles WHERE nick ILIKE '%' || 'a' || '%'
