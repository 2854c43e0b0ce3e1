-- What the objects that go ($1, $2, $3: their classes, OIDs and columns) refer to by name and that stays: functions, types and
-- sequences, by their OIDs in this database of this cluster, with their owners; and, with an empty definition, the relations
-- (identities.sql says the rest of them). What belongs to an extension keeps its name with it.
WITH gone(classid, objid, objsubid) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[], $3::int[])
), needed AS (
    SELECT DISTINCT d.refclassid, d.refobjid FROM gone AS g JOIN pg_depend AS d ON d.classid = g.classid AND d.objid = g.objid
        AND (g.objsubid = 0 OR d.objsubid = g.objsubid)
    WHERE d.refobjid >= 16384 AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)
        AND NOT EXISTS (SELECT FROM gone AS w WHERE w.classid = d.refclassid AND w.objid = d.refobjid AND w.objsubid = 0)
        AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e')
), here AS (
    SELECT format('%s %s', d.oid, s.system_identifier) AS place FROM pg_database AS d, pg_control_system() AS s
    WHERE d.datname = current_database()
), identity(oid, object, kind, name) AS (
    SELECT p.oid, p.oid::regprocedure::text, 'ROUTINE', p.proowner FROM needed AS n JOIN pg_proc AS p
        ON n.refclassid = 'pg_proc'::regclass AND p.oid = n.refobjid
    UNION ALL
    SELECT y.oid, y.oid::regtype::text, 'TYPE', y.typowner FROM needed AS n JOIN pg_type AS y
        ON n.refclassid = 'pg_type'::regclass AND y.oid = n.refobjid
    WHERE y.typtype IN ('e', 'd', 'r') OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = y.typrelid AND c.relkind = 'c')
    UNION ALL
    SELECT c.oid, c.oid::regclass::text, 'SEQUENCE', c.relowner FROM needed AS n JOIN pg_class AS c
        ON n.refclassid = 'pg_class'::regclass AND c.oid = n.refobjid WHERE c.relkind = 'S'
)
SELECT -1, 0, NULL::oid, object, 'object identity', format('%s %s %s %s', oid, place, kind, pg_get_userbyid(name)), '' FROM identity, here
UNION ALL
SELECT -1, 0, c.oid, c.oid::regclass::text, 'relation', '', '' FROM needed AS n JOIN pg_class AS c ON n.refclassid = 'pg_class'::regclass
    AND c.oid = n.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 5, 4
