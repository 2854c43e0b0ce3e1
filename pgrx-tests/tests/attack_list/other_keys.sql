-- refused SF001: half of a composite key by range
DELETE FROM seats WHERE train = 1 AND number > 2

-- refused SF001: a row comparison over the whole key
DELETE FROM seats WHERE (train, number) > (2, 3)

-- refused SF001: a negated row
DELETE FROM seats WHERE (train, number) <> (2, 3)

-- refused SF001: NOT IN a list of rows
DELETE FROM seats WHERE (train, number) NOT IN ((1, 1), (2, 2))

-- refused SF001: one half pinned does not pin the other
DELETE FROM seats WHERE number = 1 AND train BETWEEN 1 AND 3

-- refused SF001: both halves in one expression
DELETE FROM seats WHERE train * 100 + number = 203

-- refused SF001: a row and its negation
UPDATE seats SET passenger = NULL WHERE NOT ((train, number) = (1, 1))

-- refused SF001: a list of rows from series
DELETE FROM seats WHERE (train, number) IN (SELECT t, n FROM generate_series(1, 2) t, generate_series(1, 2) n)

-- passes: the whole composite key
DELETE FROM seats WHERE train = 1 AND number = 2

-- passes: one half of the composite key
DELETE FROM seats WHERE train = 1

-- passes: the composite key as a row
UPDATE seats SET passenger = 'x' WHERE (train, number) = (1, 2)

-- passes: a list of composite keys
UPDATE seats SET passenger = 'x' WHERE (train, number) IN ((1, 1), (1, 2))

-- passes: composite keys from VALUES
UPDATE seats SET passenger = v.name FROM (VALUES (1, 1, 'a'), (1, 2, 'b')) v(t, n, name) WHERE train = v.t AND number = v.n

-- passes: a range of a half that the whole key pins
DELETE FROM seats WHERE train = 1 AND number = 2 AND number < 10

-- refused SF001: a prefix of a text key
DELETE FROM pages WHERE slug LIKE 'ho%'

-- refused SF001: LIKE without a wildcard
DELETE FROM pages WHERE slug LIKE 'home'

-- refused SF001: ILIKE
DELETE FROM pages WHERE slug ILIKE 'HOME'

-- refused SF001: NOT LIKE
DELETE FROM pages WHERE slug NOT LIKE 'a%'

-- refused SF001: a regular expression
UPDATE pages SET body = '' WHERE slug ~ '^(home|hobby)$'

-- refused SF001: SIMILAR TO
DELETE FROM pages WHERE slug SIMILAR TO 'ho(me|bby)'

-- refused SF001: the prefix operator
DELETE FROM pages WHERE slug ^@ 'ho'

-- refused SF001: starts_with
DELETE FROM pages WHERE starts_with(slug, 'ho')

-- refused SF001: a text range
DELETE FROM pages WHERE slug >= 'h' AND slug < 'i'

-- refused SF001: a text range in the pattern operator class
DELETE FROM pages WHERE slug ~<~ 'b'

-- refused SF001: lower case of a text key
DELETE FROM pages WHERE lower(slug) = 'home'

-- refused SF001: left of a text key
DELETE FROM pages WHERE left(slug, 2) = 'ho'

-- refused SF001: concatenation with nothing
DELETE FROM pages WHERE slug || '' = 'home'

-- refused SF001: a cast that cuts the text
DELETE FROM pages WHERE slug::varchar(2) = 'ho'

-- refused SF001: a cast to a fixed length
DELETE FROM pages WHERE slug::char(2) = 'ho'

-- refused SF001: LIKE any of a list
DELETE FROM pages WHERE slug LIKE ANY (ARRAY['ho%', 'z%'])

-- refused SF001: full text search in the key
DELETE FROM pages WHERE to_tsvector('simple', slug) @@ to_tsquery('simple', 'home')

-- passes: one text key
UPDATE pages SET body = 'new' WHERE slug = 'home'

-- passes: a list of text keys
UPDATE pages SET body = 'new' WHERE slug IN ('home', 'about')

-- passes: a text key as varchar
DELETE FROM pages WHERE slug::varchar = 'home'

-- passes: a text key compared with a varchar
DELETE FROM pages WHERE slug = 'home'::varchar

-- passes: a text key with a deterministic collation
DELETE FROM pages WHERE slug = 'home' COLLATE "C"

-- passes: a pinned pattern
DELETE FROM pages WHERE slug = 'home' AND slug LIKE 'ho%'

-- passes: a pattern of the body
DELETE FROM pages WHERE body LIKE 'a%' AND hits < 3

-- refused SF001: a uuid range
DELETE FROM devices WHERE id > '80000000-0000-0000-0000-000000000000'

-- refused SF001: a uuid between
DELETE FROM devices WHERE id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'

-- refused SF001: a uuid prefix
DELETE FROM devices WHERE id::text LIKE 'c%'

-- refused SF001: a uuid that is not this one
DELETE FROM devices WHERE id <> 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- refused SF001: a uuid cut to a few letters
DELETE FROM devices WHERE substr(id::text, 1, 1) = 'c'

-- passes: one uuid
DELETE FROM devices WHERE id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- passes: a list of uuids
DELETE FROM devices WHERE id = ANY ('{c4ca4238-a0b9-2382-0dcc-509a6f75849b,c81e728d-9d4c-2f63-6f06-7f89cc14862c}'::uuid[])

-- passes: a uuid as text
DELETE FROM devices WHERE id::text = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- passes: a uuid's owner
UPDATE devices SET firmware = '1.1' WHERE owner > 'o0'

-- refused SF001: a numeric range
UPDATE invoices SET state = 'void' WHERE number > 1003

-- refused SF001: numeric cut to whole numbers
UPDATE invoices SET state = 'void' WHERE trunc(number) = 1003

-- refused SF001: numeric rounded by a cast
UPDATE invoices SET state = 'void' WHERE number::int = 1003

-- refused SF001: numeric compared as float
UPDATE invoices SET state = 'void' WHERE number = 1003.25::float8

-- refused SF001: numeric cut by its type modifier
UPDATE invoices SET state = 'void' WHERE number::numeric(20, 0) = 1003

-- passes: one numeric
UPDATE invoices SET state = 'void' WHERE number = 1003.25

-- passes: a numeric and an integer
UPDATE invoices SET state = 'void' WHERE number IN (1003, 1004)

-- passes: numeric or an attribute
UPDATE invoices SET state = 'void' WHERE number = 1003.25 OR state = 'draft'

-- refused SF001: an enum range
DELETE FROM alerts WHERE level >= 'middle'

-- refused SF001: an enum that is not this one
DELETE FROM alerts WHERE level <> 'low'

-- refused SF001: every value of the enum
DELETE FROM alerts WHERE level = ANY (enum_range(NULL::severity))

-- refused SF001: an enum as text with a pattern
DELETE FROM alerts WHERE level::text LIKE '%i%'

-- passes: one enum
UPDATE alerts SET target = 'x' WHERE level = 'high'

-- passes: a list of enums
UPDATE alerts SET target = 'x' WHERE level IN ('low', 'high')

-- passes: an enum as text
UPDATE alerts SET target = 'x' WHERE level::text = 'high'

-- refused SF001: a domain range
DELETE FROM parcels WHERE code > 'P1'

-- refused SF001: a domain prefix
DELETE FROM parcels WHERE code LIKE 'P%'

-- refused SF001: a domain's base type by range
DELETE FROM parcels WHERE code::text BETWEEN 'P1' AND 'P2'

-- refused SF001: the number inside a domain
DELETE FROM parcels WHERE substr(code, 2)::int < 3

-- passes: one domain value
DELETE FROM parcels WHERE code = 'P1'

-- passes: one domain value as text
DELETE FROM parcels WHERE code::text = 'P1'

-- passes: a list of domain values
DELETE FROM parcels WHERE code IN ('P1', 'P2')

-- refused SF001: a time range
DELETE FROM readings WHERE at > '2026-01-01 05:00Z'

-- refused SF001: a time between
DELETE FROM readings WHERE at BETWEEN '2026-01-01 02:00Z' AND '2026-01-01 04:00Z'

-- refused SF001: older than an interval
DELETE FROM readings WHERE at < now() - interval '1 day'

-- refused SF001: a time cast to its day
DELETE FROM readings WHERE at::date = '2026-01-01'

-- refused SF001: a time cut to its day
DELETE FROM readings WHERE date_trunc('day', at) = '2026-01-01'

-- refused SF001: a time cut by its precision
DELETE FROM readings WHERE at::timestamptz(0) = '2026-01-01 02:00Z'

-- refused SF001: a part of a time
DELETE FROM readings WHERE extract(minute FROM at) = 0

-- refused SF001: times that overlap
DELETE FROM readings WHERE (at, at) OVERLAPS ('2026-01-01 02:00Z'::timestamptz, '2026-01-01 04:00Z'::timestamptz)

-- refused SF001: a time in a range
DELETE FROM readings WHERE at <@ tstzrange('2026-01-01 02:00Z', '2026-01-01 04:00Z')

-- refused SF001: a list of times from a series
DELETE FROM readings WHERE at IN (SELECT generate_series('2026-01-01Z', '2026-01-02Z', interval '1 hour'))

-- passes: one time
DELETE FROM readings WHERE at = '2026-01-01 02:00Z'

-- passes: a list of times
DELETE FROM readings WHERE at IN ('2026-01-01 02:00Z', '2026-01-01 03:00Z')

-- passes: a time and its own type without a zone
DELETE FROM readings WHERE at = timestamp '2026-01-01 02:00'

-- passes: the present moment
DELETE FROM readings WHERE at = now()

-- passes: a range of the value
DELETE FROM readings WHERE value > 8

-- refused SF001: an oid range as bigint
DELETE FROM blobs WHERE id::bigint > 5

-- passes: one oid
DELETE FROM blobs WHERE id = 5

-- passes: one oid as bigint
DELETE FROM blobs WHERE id::bigint = 5

-- passes: an oid as bigint or as it is
DELETE FROM blobs WHERE id::bigint IN (5, 6) OR id = 7

-- refused SF001: a text key as bpchar
DELETE FROM pages WHERE slug::bpchar = 'home   '

-- refused SF001: what pins as bpchar
DELETE FROM pages WHERE slug::bpchar = 'home' AND slug > 'a'

-- refused SF001: a time as text
DELETE FROM readings WHERE at::text = (timestamptz '2026-01-01 02:00Z')::text

-- refused SF001: a text key as a number
DELETE FROM parcels WHERE length(code::text) = 2

-- passes: one oid as text
DELETE FROM blobs WHERE id::text = '5'

-- passes: a list of oids as text, and a range
DELETE FROM blobs WHERE id::text IN ('5', '6') AND id > 2

-- passes: an oid as regclass
DELETE FROM blobs WHERE id::regclass = 5::regclass

-- passes: an oid as integer
DELETE FROM blobs WHERE id = 5::int

-- passes: a flag as a number
DELETE FROM switches WHERE "on"::int = 1 AND n = 2

-- passes: a flag as text
DELETE FROM switches WHERE "on"::text = 'true' AND n = 2

-- passes: a number as a narrower one
DELETE FROM users WHERE id::int = 5

-- passes: a list of numbers as text
DELETE FROM users WHERE id::text = ANY (ARRAY['5', '6'])

-- passes: a numeric as text
UPDATE invoices SET state = 'void' WHERE number::text = '1003.2500'

-- passes: a day as text
DELETE FROM events WHERE id = 5 AND day::text = '2026-01-02'

-- passes: a composite key as text
UPDATE seats SET passenger = 'x' WHERE train::text = '1' AND number::text = '2' AND number > 0

-- refused SF001: a number cut to so many digits
DELETE FROM users WHERE CAST(id AS varchar(2)) = '5'

-- passes: a number as so many digits as it may have
DELETE FROM users WHERE CAST(id AS varchar(20)) = '5'

-- passes: a uuid as so many letters as it has
DELETE FROM devices WHERE CAST(id AS varchar(36)) = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- passes: a text as a driver sends it
DELETE FROM tags WHERE name = 'a'::bpchar

-- passes: a text that another table pads
DELETE FROM tags USING (VALUES ('a'::char(4))) v(name) WHERE tags.name = v.name

-- refused SF001: a varchar as bpchar
DELETE FROM tags WHERE name::bpchar = 'a'
