//! Privileges that PostgreSQL gives out by itself when something is made (ALTER DEFAULT PRIVILEGES): what comes back had those
//! that are recorded and no others.

use super::command::{Failure, execute};
use super::step::Step;
use crate::pg::newest;
use crate::pg::privileged::Privileged;
use crate::pg::values::RowText;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// Of a relation, and of the sequences that came with its identity columns.
const RELATION: &str = "
    SELECT DISTINCT format('REVOKE ALL ON %s %I.%I FROM %s CASCADE', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                           n.nspname, c.relname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a
    WHERE a.grantee <> c.relowner AND (c.oid = to_regclass($1) OR c.relkind = 'S' AND EXISTS (
        SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1) AND d.deptype IN ('a', 'i')))";

/// Everyone may call a function and use a type, unless that was recorded otherwise.
const FUNCTION: &str = "
    SELECT DISTINCT format('REVOKE ALL ON ROUTINE %s FROM %I CASCADE', $1, pg_get_userbyid(a.grantee))
    FROM pg_proc AS p, aclexplode(p.proacl) AS a
    WHERE p.oid = to_regprocedure($1) AND a.grantee NOT IN (0, p.proowner)";

const TYPE: &str = "
    SELECT DISTINCT format('REVOKE ALL ON TYPE %s FROM %I CASCADE', $1, pg_get_userbyid(a.grantee))
    FROM pg_type AS t, aclexplode(t.typacl) AS a
    WHERE t.oid = to_regtype($1) AND a.grantee NOT IN (0, t.typowner)";

const SCHEMA: &str = "
    SELECT DISTINCT format('REVOKE ALL ON SCHEMA %s FROM %s CASCADE', $1,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
    FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
    WHERE n.oid = to_regnamespace($1) AND a.grantee <> n.nspowner";

/// Takes back what was given out with what the step has made.
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
