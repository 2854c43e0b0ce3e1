-- Conditions that hold for every row by what types, NOT NULL and keys say, and ones beside them that do not.

-- refused SF002: the values of a boolean
DELETE FROM members WHERE active IN (true, false)

-- refused SF002: a boolean or its other value
DELETE FROM members WHERE active = true OR active = false

-- refused SF002: a boolean or false
DELETE FROM members WHERE active OR active = false

-- refused SF002: a boolean that differs from true or is
DELETE FROM members WHERE active <> true OR active

-- refused SF002: a boolean is known
DELETE FROM members WHERE active IS NOT UNKNOWN

-- refused SF002: not both a boolean and its negation
DELETE FROM members WHERE NOT (active AND NOT active)

-- refused SF002: the values of a domain over boolean
DELETE FROM members WHERE agreed IN (true, false)

-- refused SF002: every label of an enum
DELETE FROM members WHERE standing IN ('open', 'closed', 'held')

-- refused SF002: every label, in an array
DELETE FROM members WHERE standing = ANY ('{open,closed,held}'::standing[])

-- refused SF002: every label, in two conditions
DELETE FROM members WHERE standing = 'open' OR standing IN ('closed', 'held')

-- refused SF002: every label, as text
DELETE FROM members WHERE standing::text IN ('open', 'closed', 'held')

-- refused SF002: every label, from the catalog
DELETE FROM members WHERE standing = ANY (enum_range(NULL::standing))

-- refused SF002: every label, from the catalog row by row
DELETE FROM members WHERE standing IN (SELECT unnest(enum_range(NULL::standing)))

-- refused SF002: no label before the first
DELETE FROM members WHERE standing >= 'open'

-- refused SF002: every pair of values
DELETE FROM members WHERE (active, standing) IN ((true, 'open'), (true, 'closed'), (true, 'held'), (false, 'open'), (false, 'closed'), (false, 'held'))

-- refused SF002: a boolean as a number
DELETE FROM members WHERE active::int >= 0

-- refused SF002: both numbers of a boolean
DELETE FROM members WHERE active::int IN (0, 1)

-- refused SF002: every value or null
DELETE FROM members WHERE deleted IN (true, false) OR deleted IS NULL

-- refused SF002: every label or null
DELETE FROM members WHERE earlier IN ('open', 'closed', 'held') OR earlier IS NULL

-- refused SF002: every label, null replaced
DELETE FROM members WHERE coalesce(earlier, 'open') IN ('open', 'closed', 'held')

-- refused SF002: the values listed by VALUES
DELETE FROM members WHERE active IN (VALUES (true), (false))

-- refused SF002: true either way
DELETE FROM members WHERE CASE WHEN active THEN true ELSE true END

-- refused SF002: true for both values
DELETE FROM members WHERE CASE WHEN active THEN true WHEN NOT active THEN true END

-- refused SF002: true for every label
DELETE FROM members WHERE CASE standing WHEN 'open' THEN true WHEN 'closed' THEN true WHEN 'held' THEN true END

-- refused SF002: a length is not negative
DELETE FROM members WHERE length(name) >= 0

-- refused SF002: a length is more than a negative number
DELETE FROM members WHERE char_length(name) > -1

-- refused SF002: a length without null
DELETE FROM members WHERE octet_length(coalesce(email, '')) >= 0

-- refused SF002: an absolute value is not negative
DELETE FROM members WHERE abs(n) >= 0

-- refused SF002: an array has some number of elements
DELETE FROM members WHERE cardinality(tags) >= 0

-- refused SF002: an integer is no greater than its type's greatest
DELETE FROM members WHERE n <= 2147483647

-- refused SF002: an integer is no less than its type's least
DELETE FROM members WHERE n BETWEEN -2147483648 AND 2147483647

-- refused SF002: nothing comes before the empty string
DELETE FROM members WHERE name >= ''

-- refused SF002: an array contains the empty one
DELETE FROM members WHERE tags @> '{}'

-- refused SF002: a pattern that finds nothing
DELETE FROM members WHERE name ~ ''

-- refused SF002: a pattern that finds anything
DELETE FROM members WHERE name ~ '.*'

-- refused SF002: either of the same
DELETE FROM members WHERE coalesce(n, n) = n

-- refused SF002: the first of which is never null
DELETE FROM members WHERE coalesce(n, 0) = n

-- refused SF002: something is not null
DELETE FROM members WHERE coalesce(email, 'x') IS NOT NULL

-- refused SF002: null where it is itself
DELETE FROM members WHERE NULLIF(n, n) IS NULL

-- refused SF002: the greatest of the same
DELETE FROM members WHERE greatest(n, n) = n

-- refused SF002: itself in an array
DELETE FROM members WHERE n = ANY (ARRAY[0, n])

-- refused SF002: itself, or something else
DELETE FROM members WHERE n = n OR name = 'a'

-- refused SF002: a row of columns that cannot be null
DELETE FROM members WHERE (name, n) IS NOT NULL

-- refused SF002: every group has a row, by HAVING
DELETE FROM members WHERE id IN (SELECT id FROM members GROUP BY id HAVING count(*) > 0)

-- refused SF002: a group of one row
DELETE FROM members WHERE id IN (SELECT id FROM members GROUP BY id HAVING count(*) BETWEEN 1 AND 9223372036854775807)

-- refused SF002: a count is not negative
DELETE FROM members WHERE tenant_id IN (SELECT tenant_id FROM members GROUP BY tenant_id HAVING count(email) >= 0)

-- refused SF002: a count of what cannot be null is not zero
DELETE FROM members WHERE tenant_id IN (SELECT tenant_id FROM members GROUP BY tenant_id HAVING count(n) >= 1)

-- refused SF002: a row is counted by itself
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.id = members.id) > 0

-- refused SF002: a row is counted once
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.id = members.id) = 1

-- refused SF002: a row is among those like it
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.tenant_id = members.tenant_id) >= 1

-- refused SF002: a count of other rows is not negative
DELETE FROM members WHERE (SELECT count(*) FROM purchases u WHERE u.member_id = members.id) >= 0

-- refused SF002: an aggregate always gives a row
DELETE FROM members WHERE EXISTS (SELECT count(*) FROM purchases u WHERE u.member_id = members.id)

-- refused SF002: nothing is where nothing can be
DELETE FROM members WHERE NOT EXISTS (SELECT FROM purchases u WHERE u.member_id = members.id AND 1 = 0)

-- refused SF002: always, at some time or for some
DELETE FROM members WHERE (active IN (true, false) AND now() > '2020-01-01') OR deleted

-- refused SF002: every row, by the values of a boolean
DELETE FROM members WHERE id IN (SELECT id FROM members WHERE active IN (true, false))

-- refused SF002: the same row, by the labels of an enum
DELETE FROM members WHERE EXISTS (SELECT FROM members q WHERE q.id = members.id AND q.standing IN ('open', 'closed', 'held'))

-- refused SF002: a join with all values
UPDATE members SET name = 'x' FROM (VALUES (true), (false)) f(v) WHERE members.active = f.v

-- refused SF002: a join with all labels
DELETE FROM members m USING (VALUES ('open'::standing), ('closed'), ('held')) f(v) WHERE f.v = m.standing

-- refused SF002: a join with itself and a condition that always holds
DELETE FROM members p USING members q WHERE p.id = q.id AND length(q.name) >= 0

-- refused SF002: a view of all rows with the values of a boolean
DELETE FROM everybody WHERE active IN (true, false)

-- refused SF001: the key, for every value a key can have
DELETE FROM members WHERE id >= -9223372036854775808

-- passes: a boolean that is not false
DELETE FROM members WHERE active <> false

-- passes: a boolean that is not true
DELETE FROM members WHERE active IS NOT TRUE

-- passes: a boolean that may be null is not false
DELETE FROM members WHERE deleted IS NOT FALSE

-- passes: a boolean that may be null is not true
DELETE FROM members WHERE deleted IS DISTINCT FROM true

-- passes: a boolean that may be null, known
DELETE FROM members WHERE deleted IS NOT UNKNOWN

-- passes: a bare boolean
DELETE FROM members WHERE deleted

-- passes: not a boolean
DELETE FROM members WHERE NOT deleted

-- passes: a boolean without null
DELETE FROM members WHERE NOT coalesce(deleted, false)

-- passes: both values, where there may be a third
DELETE FROM members WHERE deleted IN (true, false)

-- passes: both values, in two conditions, where there may be a third
DELETE FROM members WHERE deleted = true OR deleted = false OR n = 3

-- passes: not both booleans
DELETE FROM members WHERE NOT (active AND deleted)

-- passes: two booleans are the same
DELETE FROM members WHERE active = deleted

-- passes: a boolean and a comparison
DELETE FROM members WHERE active = (n > 3)

-- passes: all labels but one
DELETE FROM members WHERE standing IN ('open', 'closed')

-- passes: all labels but one, denied
DELETE FROM members WHERE standing NOT IN ('open', 'closed')

-- passes: all labels but one, as text
DELETE FROM members WHERE standing::text IN ('open', 'closed')

-- passes: every label, where there may be null
DELETE FROM members WHERE earlier IN ('open', 'closed', 'held')

-- passes: labels after the first
DELETE FROM members WHERE standing > 'open'

-- passes: some pairs of values
DELETE FROM members WHERE (active, standing) IN ((true, 'open'), (false, 'closed'))

-- passes: a length of at least one
DELETE FROM members WHERE length(name) > 2

-- passes: a length where there may be none
DELETE FROM members WHERE length(email) >= 0

-- passes: an absolute value of at least two
DELETE FROM members WHERE abs(n) >= 2

-- passes: an integer is more than its type's least and one
DELETE FROM members WHERE n > 1

-- passes: what comes after a string
DELETE FROM members WHERE name > 'm2'

-- passes: text that may be null
DELETE FROM members WHERE email >= ''

-- passes: a pattern that is anchored
DELETE FROM members WHERE name ~ '^m1.*'

-- passes: a pattern with something in it
DELETE FROM members WHERE name ~ '1'

-- passes: a row with a column that may be null
DELETE FROM members WHERE (name, email) IS NOT NULL

-- passes: one of two that may be null
DELETE FROM members WHERE coalesce(email, NULL) IS NOT NULL

-- passes: an empty string as null
DELETE FROM members WHERE NULLIF(email, '') IS NULL

-- passes: a division that some values do not stand
DELETE FROM members WHERE CASE WHEN active THEN 1 / (active::int) = 1 ELSE false END

-- passes: a boolean of the row and any of another
DELETE FROM members WHERE active AND standing IN ('open', 'closed', 'held')

-- passes: a number and either boolean
DELETE FROM members WHERE n = 3 AND active IN (true, false)

-- passes: what others refer to
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.parent_id = members.id) > 0

-- passes: what refers to another
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.id = members.parent_id) > 0

-- passes: what is counted by itself with a condition
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.id = members.id AND u.n > 3) > 0

-- passes: what is counted by itself with a filter
DELETE FROM members WHERE (SELECT count(*) FILTER (WHERE active) FROM members u WHERE u.id = members.id) > 0

-- passes: what is counted by itself where it is not null
DELETE FROM members WHERE (SELECT count(email) FROM members u WHERE u.id = members.id) > 0

-- passes: what there is more than one of
DELETE FROM members WHERE (SELECT count(*) FROM members u WHERE u.tenant_id = members.tenant_id) > 4

-- passes: what there is none of
DELETE FROM members WHERE (SELECT count(*) FROM purchases u WHERE u.member_id = members.id) = 0

-- passes: what there is one of
DELETE FROM members WHERE (SELECT count(*) FROM purchases u WHERE u.member_id = members.id) >= 1

-- passes: groups of other rows
DELETE FROM members WHERE id IN (SELECT member_id FROM purchases GROUP BY member_id HAVING count(*) > 0)

-- passes: groups with what may be null
DELETE FROM members WHERE tenant_id IN (SELECT tenant_id FROM members GROUP BY tenant_id HAVING count(deleted) > 0)

-- passes: groups with a filter
DELETE FROM members WHERE tenant_id IN (SELECT tenant_id FROM members GROUP BY tenant_id HAVING count(*) FILTER (WHERE n > 6) > 0)

-- passes: an aggregate with HAVING
DELETE FROM members WHERE EXISTS (SELECT sum(total) FROM purchases o WHERE o.member_id = members.id HAVING sum(total) > 3)

-- passes: one of the listed values
DELETE FROM members WHERE active IN (VALUES (true))

-- passes: listed values that are chosen from
DELETE FROM members WHERE active IN (SELECT x FROM (VALUES (true), (false)) f(x) WHERE x)

-- passes: a join with one value
UPDATE members SET name = 'x' FROM (VALUES (true)) f(v) WHERE members.active = f.v

-- passes: a join with all values, one of them chosen
UPDATE members SET name = 'x' FROM (VALUES (true), (false)) f(v) WHERE members.active = f.v AND f.v

-- passes: a join with pairs of values
UPDATE members SET name = 'x' FROM (VALUES (true, 'open'::standing), (false, 'held')) f(v, s) WHERE members.active = f.v AND members.standing = f.s

-- passes: rows without what an outer join adds
DELETE FROM members p USING members q LEFT JOIN members r ON r.id = q.parent_id WHERE q.id = p.id AND r.active IS NOT TRUE

-- passes: rows with what an outer join adds
DELETE FROM members p USING members q LEFT JOIN members r ON r.id = q.parent_id WHERE q.id = p.id AND r.active IN (true, false)

-- refused SF002: what a constraint says
DELETE FROM members WHERE score >= 0

-- refused SF002: less than what a constraint says
UPDATE members SET name = 'x' WHERE score < 200

-- refused SF002: every value that a constraint lets in
DELETE FROM members WHERE grade IN ('c', 'b', 'a')

-- refused SF002: what a constraint says of a row that is the same
DELETE FROM members m WHERE EXISTS (SELECT FROM members u WHERE u.id = m.id AND u.score BETWEEN 0 AND 100)

-- passes: more than what a constraint says
DELETE FROM members WHERE score > 0

-- passes: what a constraint says of what is not null
DELETE FROM members WHERE rank > 0

-- passes: what a constraint says of rows to come only
DELETE FROM members WHERE score < 50

-- passes: some of the values that a constraint lets in
DELETE FROM members WHERE grade IN ('a', 'c')

-- passes: a column that a constraint bounds, compared with another
DELETE FROM members WHERE score > n

-- refused SF002: different from one or from another
DELETE FROM members WHERE name <> 'a' OR name <> 'b'

-- refused SF002: not both values
DELETE FROM members WHERE NOT (n = 1 AND n = 2)

-- refused SF002: either of two denials
DELETE FROM members WHERE NOT (name = 'x') OR NOT (name = 'y')

-- refused SF002: below or above, overlapping
DELETE FROM members WHERE n < 10 OR n > 5

-- refused SF002: below or above, overlapping, beside something else
DELETE FROM members WHERE n < 10 OR name = 'm2' OR n >= 5

-- refused SF002: below or above, overlapping, beside what may be null
DELETE FROM members WHERE n < 10 OR email = 'e2' OR n >= 5

-- passes: below or above, with a gap
DELETE FROM members WHERE n < 3 OR n > 5

-- passes: different from one or from another, where there may be null
DELETE FROM members WHERE email <> 'a' OR email <> 'b'

-- passes: different from one, or another column from another
DELETE FROM members WHERE name <> 'm1' OR n <> -4

-- passes: one or another
DELETE FROM members WHERE name = 'm1' OR name = 'm2'

-- passes: different from one and from another
DELETE FROM members WHERE name <> 'm1' AND name <> 'm2'

-- refused SF002: a pattern put together
DELETE FROM members WHERE name LIKE '%' || '' || '%'

-- refused SF002: a pattern with an escape
DELETE FROM members WHERE name LIKE '%' ESCAPE '!'

-- refused SF002: a pattern of another type
DELETE FROM members WHERE name LIKE '%'::varchar

-- refused SF002: the empty string, put together
DELETE FROM members WHERE name >= '' || ''

-- refused SF002: the empty string on the left
DELETE FROM members WHERE '' <= name

-- refused SF002: an array that is contained
DELETE FROM members WHERE '{}' <@ tags

-- refused SF002: between the infinities
DELETE FROM results WHERE created_at BETWEEN '-infinity' AND 'infinity'

-- refused SF002: since ever
DELETE FROM results WHERE created_at >= '-infinity'

-- refused SF002: until for ever
DELETE FROM results WHERE created_at <= 'infinity'

-- refused SF002: since ever, as a date on the left
DELETE FROM results WHERE '-infinity'::date <= created_at

-- refused SF002: a pattern that finds the start
DELETE FROM members WHERE name ~ '^'

-- refused SF002: a pattern that finds the end
DELETE FROM members WHERE name ~* 'x*$'

-- refused SF002: a pattern of anything from start to end
DELETE FROM members WHERE name ~ '^.*$'

-- refused SF002: similar to anything
DELETE FROM members WHERE name SIMILAR TO '%'

-- refused SF002: starts with nothing
DELETE FROM members WHERE starts_with(name, '')

-- refused SF002: starts with nothing, by the operator
DELETE FROM members WHERE name ^@ ''

-- passes: a pattern put together with something in it
DELETE FROM members WHERE name LIKE '%' || '1' || '%'

-- passes: a pattern with an escape and something in it
DELETE FROM members WHERE name LIKE '%!%%' ESCAPE '!'

-- passes: after a time
DELETE FROM results WHERE created_at >= '2026-01-05Z'

-- passes: after ever
DELETE FROM results WHERE created_at < 'infinity' AND id = 20

-- passes: a time that may be missing is since ever
UPDATE orders SET status = 'x' WHERE deleted_at >= '-infinity'

-- passes: the empty text from start to end
DELETE FROM members WHERE name ~ '^$'

-- passes: digits from start to end
DELETE FROM members WHERE name ~ '^[0-9]*$'

-- passes: similar to something
DELETE FROM members WHERE name SIMILAR TO 'm1%'

-- passes: starts with something
DELETE FROM members WHERE starts_with(name, 'm1')

-- passes: starts with something, by the operator
DELETE FROM members WHERE name ^@ 'm1'

-- refused SF002: a condition and its negation among alternatives in alternatives
DELETE FROM members WHERE n = 1 OR (n = 2 OR (n = 3 OR (n = 4 OR (n = 5 OR (n = 6 OR (n = 7 OR (n = 8 OR (n = 9 OR (n = 10 OR (n = 11 OR (n = 12 OR (score > 7 OR NOT score > 7))))))))))))

-- refused SF002: a condition and its negation, each of several parts
DELETE FROM members WHERE (n = 1 OR score > 7) OR NOT (n = 1 OR score > 7)

-- passes: one row by its key, and whatever else
UPDATE members SET name = 'x' WHERE id = 3 AND (active OR NOT active OR score >= 0)

-- refused SF002: another table's row by its key
UPDATE members m SET name = 'x' FROM members o WHERE o.id = 3 AND (m.active OR NOT m.active)

-- refused SF002: an empty search, in capitals on both sides
DELETE FROM members WHERE UPPER(members.name::text) LIKE UPPER('%%')

-- refused SF002: an empty search, put together in lower case
DELETE FROM members WHERE lower(name) LIKE '%' || lower('') || '%'

-- refused SF002: an empty search in what may be null
DELETE FROM members WHERE lower(email) LIKE '%' || lower('') || '%'

-- refused SF002: an empty search in trimmed text
DELETE FROM members WHERE trim(name) LIKE '%' || '' || '%'

-- refused SF002: an empty search in two columns
DELETE FROM members WHERE (name || email) ILIKE '%' || '' || '%'

-- refused SF002: an empty search in a domain
DELETE FROM wallets WHERE nick LIKE '%' || ''

-- refused SF002: an empty search, joined by a function
DELETE FROM members WHERE name LIKE concat('%', '', '%')

-- refused SF002: an empty search, joined inside another
DELETE FROM members WHERE name LIKE '%' || concat('', lower('')) || '%'

-- refused SF002: an empty search, formatted
DELETE FROM members WHERE name LIKE format('%%%s%%', '')

-- refused SF002: one of several patterns finds everything
DELETE FROM members WHERE name LIKE ANY (ARRAY['a%', '%'])

-- refused SF002: a list of one pattern, whatever the letters
DELETE FROM members WHERE name ILIKE ANY ('{%}')

-- refused SF002: a list of one regular expression
DELETE FROM members WHERE name ~ ANY ('{.*}')

-- refused SF002: all of several patterns find everything
DELETE FROM members WHERE name LIKE ALL ('{%,%%}')

-- refused SF002: lower case is never less than the empty string
DELETE FROM members WHERE lower(name) >= ''

-- refused SF002: the length of lower case
DELETE FROM members WHERE length(lower(name)) >= 0

-- refused SF002: lower case is not null
DELETE FROM members WHERE lower(name) IS NOT NULL

-- refused SF002: a sum of what is not null
DELETE FROM members WHERE n + score * 2 IS NOT NULL

-- refused SF002: a date as text is not null
DELETE FROM results WHERE created_at::text IS NOT NULL

-- refused SF002: lower case different from one or from another
DELETE FROM members WHERE lower(name) <> 'a' OR lower(name) <> 'b'

-- refused SF002: a pattern and its negation, in lower case
DELETE FROM members WHERE lower(name) LIKE 'm1%' OR lower(name) NOT LIKE 'm1%'

-- refused SF002: different from any of two
DELETE FROM members WHERE name <> ANY ('{a,b}')

-- refused SF002: different from any of two numbers
DELETE FROM members WHERE n <> ANY ('{1,2}')

-- refused SF002: different from any of two, and a null
DELETE FROM members WHERE n <> ANY ('{1,NULL,2}')

-- refused SF002: not equal to all of two
DELETE FROM members WHERE NOT (name = ALL (ARRAY['a', 'b']))

-- refused SF002: different from any of a list of rows
DELETE FROM members WHERE name <> ANY (VALUES ('a'), ('b'))

-- refused SF002: different from any of an array's elements
DELETE FROM members WHERE name <> ANY (SELECT unnest('{a,b}'::text[]))

-- refused SF002: different from one of the rows of a list
DELETE FROM members USING (VALUES ('m1'), ('m2')) v(x) WHERE name <> v.x

-- refused SF002: in neither of two lists
DELETE FROM members WHERE name NOT IN ('a', 'b') OR name NOT IN ('c', 'd')

-- refused SF002: different from nine
DELETE FROM members WHERE name <> 'a' OR name <> 'b' OR name <> 'c' OR name <> 'd' OR name <> 'e' OR name <> 'f' OR name <> 'g' OR name <> 'h' OR name <> 'i'

-- refused SF002: above or not, beside many
DELETE FROM members WHERE n > 5 OR NOT n > 5 OR n = 101 OR n = 102 OR n = 103 OR n = 104 OR n = 105 OR n = 106 OR n = 107 OR n = 108 OR n = 109 OR n = 110 OR n = 111

-- refused SF002: null or not, beside many
DELETE FROM members WHERE n = 101 OR n = 102 OR n = 103 OR n = 104 OR n = 105 OR n = 106 OR n = 107 OR n = 108 OR n = 109 OR n = 110 OR n = 111 OR email IS NULL OR n = 112 OR email IS NOT NULL

-- refused SF002: below or above, overlapping, beside many
DELETE FROM members WHERE n > 5 OR n = 101 OR n = 102 OR n = 103 OR n = 104 OR n = 105 OR n = 106 OR n = 107 OR n = 108 OR n = 109 OR n < 10

-- refused SF002: different from all of none
DELETE FROM members WHERE n <> ALL ('{}')

-- refused SF002: a column with one value
DELETE FROM wallets WHERE kind = 'x'

-- refused SF002: a domain that is never null
DELETE FROM wallets WHERE nick IS NOT NULL

-- refused SF002: distinct from what a constraint rules out
DELETE FROM members WHERE score IS DISTINCT FROM 101

-- refused SF002: from the first place on
DELETE FROM members WHERE ctid >= '(0,0)'

-- refused SF002: no object has a number below zero
DELETE FROM wallets WHERE object >= 0

-- refused SF002: below what no integer reaches
DELETE FROM members WHERE n < '1e300'::numeric

-- refused SF002: no integer has a fraction
DELETE FROM members WHERE n <> 1.5

-- refused SF002: a condition or not
DELETE FROM members WHERE (n > 5) IN (true, false)

-- refused SF002: either result of a case
DELETE FROM members WHERE CASE WHEN n > 5 THEN 1 ELSE 0 END IN (0, 1)

-- refused SF002: no less than either result of a case
DELETE FROM members WHERE CASE WHEN n > 5 THEN 1 ELSE 0 END >= 0

-- refused SF002: nothing is among none
DELETE FROM members WHERE NOT EXISTS (SELECT 1 FROM purchases WHERE member_id = members.id LIMIT 0)

-- refused SF002: not in nothing
DELETE FROM members WHERE n NOT IN (SELECT 1 WHERE false)

-- refused SF002: what a partition holds
DELETE FROM metrics_2026 WHERE day >= '2026-01-01'

-- passes: a search for something, in capitals on both sides
DELETE FROM members WHERE UPPER(members.name::text) LIKE UPPER('%m1%')

-- passes: a search for something, put together in lower case
DELETE FROM members WHERE lower(name) LIKE '%' || lower('M1') || '%'

-- passes: a search for something, joined by a function
DELETE FROM members WHERE name LIKE concat('%', '1', '%')

-- passes: a search for something, formatted
DELETE FROM members WHERE name LIKE format('%%%s%%', '1')

-- passes: one of several patterns, each with something in it
DELETE FROM members WHERE name LIKE ANY (ARRAY['a%', '%1'])

-- passes: one pattern finds everything, the other does not
DELETE FROM members WHERE name LIKE ALL ('{%,m1%}')

-- passes: any pattern of none
DELETE FROM members WHERE name LIKE ANY ('{}')

-- passes: no pattern of several finds it
DELETE FROM members WHERE name NOT LIKE ALL ('{m1%,m2%}')

-- passes: lower case that may be null
DELETE FROM members WHERE lower(email) IS NOT NULL

-- passes: a part found by a regular expression
DELETE FROM members WHERE substring(name FROM 'm1(.)') IS NOT NULL

-- passes: a member of a document
DELETE FROM orders WHERE payload ->> 'nothing' IS NOT NULL

-- passes: different from any of one
DELETE FROM members WHERE name <> ANY ('{m1}')

-- passes: different from any of one, twice
DELETE FROM members WHERE n <> ANY ('{1,1}')

-- passes: different from any of one and a null
DELETE FROM members WHERE n <> ANY ('{1,NULL}')

-- passes: different from any of none
DELETE FROM members WHERE name <> ANY ('{}')

-- passes: different from any of two, where there may be null
DELETE FROM members WHERE email <> ANY ('{a,b}')

-- passes: not all of one
DELETE FROM members WHERE NOT (name = ALL (ARRAY['m1']))

-- passes: different from all of two
DELETE FROM members WHERE name <> ALL ('{m1,m2}')

-- passes: different from any of one row of a list
DELETE FROM members WHERE name <> ANY (VALUES ('m1'))

-- passes: different from all of a list of rows
DELETE FROM members WHERE name <> ALL (VALUES ('m1'), ('m2'))

-- passes: different from the only row of a list
DELETE FROM members USING (VALUES ('m1')) v(x) WHERE name <> v.x

-- passes: in neither of two lists that share a value
DELETE FROM members WHERE name NOT IN ('m1', 'm2') OR name NOT IN ('m1', 'm3')

-- passes: in neither of two lists
DELETE FROM members WHERE name NOT IN ('m1', 'm2') AND name NOT IN ('m3', 'm4')

-- passes: different from one, nine times
DELETE FROM members WHERE name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1' OR name <> 'm1'

-- passes: above, or many others
DELETE FROM members WHERE n > 5 OR NOT n > -3 OR n = 101 OR n = 102 OR n = 103 OR n = 104 OR n = 105 OR n = 106 OR n = 107 OR n = 108 OR n = 109 OR n = 110 OR n = 111

-- passes: a column with one value has another
DELETE FROM wallets WHERE kind = 'y'

-- passes: more than a domain says
DELETE FROM wallets WHERE total > 2

-- passes: distinct from what a constraint lets in
DELETE FROM members WHERE score IS DISTINCT FROM 1

-- passes: objects from a number on
DELETE FROM wallets WHERE object >= 3

-- passes: numbers below a large one
DELETE FROM readings WHERE value < '1e300'::float8 AND source = 's1'

-- passes: a number may be larger than any other
DELETE FROM wallets WHERE total < '1e300'::numeric

-- passes: a number is not that fraction
DELETE FROM wallets WHERE total <> 1.5

-- passes: one result of a case
DELETE FROM members WHERE CASE WHEN n > 5 THEN 1 ELSE 0 END IN (1, 2)

-- passes: a condition that is one or null
DELETE FROM members WHERE (n > 5) IN (true, NULL)

-- passes: a row that refers to nothing
DELETE FROM members WHERE NOT EXISTS (SELECT 1 FROM purchases WHERE member_id = members.id LIMIT 1)

-- passes: nothing exists
DELETE FROM members WHERE EXISTS (SELECT 1 FROM purchases WHERE false)

-- passes: a count of nothing exists, and one row
DELETE FROM members WHERE n = 1 AND EXISTS (SELECT count(*) FROM purchases WHERE false)

-- passes: less than what a partition holds
DELETE FROM metrics_2026 WHERE day >= '2026-01-03'
