-- As publications.sql: until 14 a table is published whole.
SELECT 190, 0, CASE WHEN r.prrelid = ANY ($4) THEN r.prrelid ELSE ($4::oid[])[1] END, format('%I.%I', n.nspname, c.relname),
       'publication', p.pubname::text, format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I', p.pubname, n.nspname, c.relname)
FROM unnest($1::oid[], $2::oid[], $3::int[]) AS gone(classid, oid, attnum)
JOIN pg_publication_rel AS r ON gone.classid = 'pg_publication_rel'::regclass AND r.oid = gone.oid
JOIN pg_publication AS p ON p.oid = r.prpubid
JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY 6, 4
