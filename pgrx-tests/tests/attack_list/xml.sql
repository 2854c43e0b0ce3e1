-- refused SF001: the ordinality of XMLTABLE
DELETE FROM users WHERE id IN (SELECT n FROM XMLTABLE('//a' PASSING ('<r><a/><a/><a/></r>'::xml) COLUMNS n FOR ORDINALITY))

-- passes: keys from XML
DELETE FROM users WHERE id IN (SELECT n FROM XMLTABLE('//a' PASSING ('<r><a>1</a><a>2</a></r>'::xml) COLUMNS o FOR ORDINALITY, n bigint PATH '.'))

-- refused SF001: the ordinality of XMLTABLE, moved
DELETE FROM users USING (SELECT n + 1 AS k FROM XMLTABLE('//a' PASSING ('<r><a/><a/><a/></r>'::xml) COLUMNS v text PATH '.', n FOR ORDINALITY)) s WHERE users.id = s.k

-- passes: keys by a path in XML
DELETE FROM users WHERE id IN (SELECT unnest(xpath('//a/text()', '<r><a>1</a><a>2</a></r>'))::text::bigint)
