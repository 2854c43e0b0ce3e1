//! Privileges that PostgreSQL gives out by itself when something is made (ALTER DEFAULT PRIVILEGES): what comes back had those
//! that are recorded and no others.

use super::command::{Failure, execute};
use super::step::Step;
use crate::pg::newest;
use crate::pg::privileged::Privileged;
use crate::pg::values::RowText;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// Of a relation, and of the sequences that came with its identity columns. What is there is the owner's, whatever the defaults
/// withhold.
const RELATION: &str = "
    WITH made AS (
        SELECT c.relowner, c.relacl,
               format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname) AS name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass($1) OR c.relkind = 'S' AND EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1) AND d.deptype IN ('a', 'i')))
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %s CASCADE', name,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
    FROM made, aclexplode(relacl) AS a WHERE a.grantee <> relowner
    UNION ALL SELECT format('GRANT ALL ON %s TO %I', name, pg_get_userbyid(relowner)) FROM made WHERE relacl IS NOT NULL";

/// Everyone may call a function and use a type, unless that was recorded otherwise.
const FUNCTION: &str = "
    WITH made AS (SELECT * FROM pg_proc WHERE oid = to_regprocedure($1) AND proacl IS NOT NULL)
    SELECT DISTINCT format('REVOKE ALL ON ROUTINE %s FROM %I CASCADE', $1, pg_get_userbyid(a.grantee))
    FROM made, aclexplode(proacl) AS a WHERE a.grantee NOT IN (0, proowner)
    UNION ALL SELECT format('GRANT ALL ON ROUTINE %s TO PUBLIC, %I', $1, pg_get_userbyid(proowner)) FROM made";

/// A range type comes with its multirange type and with the functions that make values of both, which are the bootstrap
/// superuser's. From PostgreSQL 17 on a multirange type has no privileges of its own.
const TYPE: &str = "
    WITH types AS (
        SELECT t.oid, t.typowner, t.typacl, format('TYPE %I.%I', n.nspname, t.typname) AS name
        FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE t.oid = to_regtype($1) OR t.oid IN (SELECT rngmultitypid FROM pg_range WHERE rngtypid = to_regtype($1))),
    made (name, owner, acl) AS (
        SELECT name, typowner, typacl FROM types WHERE typacl IS NOT NULL
        UNION ALL
        SELECT format('FUNCTION %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner, p.proacl
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE p.proacl IS NOT NULL AND p.oid IN (
            SELECT d.objid FROM pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass
                AND d.refobjid IN (SELECT oid FROM types) AND d.deptype = 'i'))
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %I CASCADE', name, pg_get_userbyid(a.grantee))
    FROM made, aclexplode(acl) AS a WHERE a.grantee NOT IN (0, owner)
    UNION ALL SELECT format('GRANT ALL ON %s TO PUBLIC, %I', name, pg_get_userbyid(owner)) FROM made";

const SCHEMA: &str = "
    WITH made AS (SELECT * FROM pg_namespace WHERE oid = to_regnamespace($1) AND nspacl IS NOT NULL)
    SELECT DISTINCT format('REVOKE ALL ON SCHEMA %s FROM %s CASCADE', $1,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
    FROM made, aclexplode(nspacl) AS a WHERE a.grantee <> nspowner
    UNION ALL SELECT format('GRANT ALL ON SCHEMA %s TO %I', $1, pg_get_userbyid(nspowner)) FROM made";

/// Takes back what was given out with what the step has made, and gives what was withheld.
pub(super) fn take_back(step: &Step) -> Result<(), Failure> {
    let query = match step.kind.as_str() {
        "table" | "view" | "sequence" => RELATION,
        "function" => FUNCTION,
        "type" => TYPE,
        "schema" => SCHEMA,
        _ => return Ok(()),
    };
    let given: Vec<String> = {
        let _privileged = Privileged::for_ddl();
        // SAFETY: a text argument.
        let name = unsafe { DatumWithOid::new(step.name.clone(), pg_sys::TEXTOID) };
        newest::select(query, &[name], |row| row.text(1))
    };
    given.iter().try_for_each(|sql| execute(sql, None))
}
