//! By what recorded commands sit on or refer to is known again: its OID in this database of this cluster, else its name if
//! that is its owner's still.

use super::present::pairs;
use super::step::Step;
use pgrx::pg_sys::Oid;

/// What an identity says besides the object's name.
pub(super) struct Identity<'a> {
    pub oid: Oid,
    database: &'a str,
    cluster: &'a str,
    /// pg_class.relkind, or what ALTER calls it.
    pub kind: &'a str,
    owner: &'a str,
}

pub(super) fn read(identity: &Step) -> Option<Identity<'_>> {
    let mut words = identity.name.splitn(5, ' ');
    Some(Identity {
        oid: Oid::from(words.next()?.parse::<u32>().ok()?),
        database: words.next()?,
        cluster: words.next()?,
        kind: words.next()?,
        owner: words.next()?,
    })
}

/// Where objects of a kind are, what they are called in commands, what their names and owners are.
fn catalog_of(kind: &str) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        "ROUTINE" => ("pg_proc", "regprocedure", "proname", "proowner"),
        "TYPE" => ("pg_type", "regtype", "typname", "typowner"),
        _ => ("pg_class", "regclass", "relname", "relowner"),
    }
}

/// The object of this OID: what commands call it, and its bare name.
pub(super) fn named(kind: &str, oid: Oid) -> Option<(String, String)> {
    let (catalog, reg, name, _) = catalog_of(kind);
    let sql = format!(
        "SELECT oid::pg_catalog.{reg}::text, pg_catalog.quote_ident({name}) FROM pg_catalog.{catalog} WHERE oid = {}",
        oid.to_u32()
    );
    pairs(&sql).into_iter().next()
}

/// What is called so: its OID and its owner. to_regprocedure() fails where a type is missing.
pub(super) fn called(kind: &str, name: &str) -> Option<(String, String)> {
    let (catalog, reg, _, owner) = catalog_of(kind);
    let literal = name.replace('\'', "''");
    let this = match kind {
        "ROUTINE" => format!("oid::pg_catalog.{reg}::text = '{literal}'"),
        _ => format!("oid = pg_catalog.to_{reg}('{literal}')"),
    };
    let sql = format!(
        "SELECT oid::text, pg_catalog.pg_get_userbyid({owner})::text FROM pg_catalog.{catalog} WHERE {this}"
    );
    pairs(&sql).into_iter().next()
}

/// The object, if this is the database it was recorded in, and it is still there.
pub(super) fn same(identity: &Step) -> Option<Oid> {
    let kind = read(identity)?.kind;
    recorded_here(identity).filter(|oid| named(kind, *oid).is_some())
}

/// The object's OID, if this is the database it was recorded in.
pub(super) fn recorded_here(identity: &Step) -> Option<Oid> {
    let here = "SELECT d.oid::text, s.system_identifier::text FROM pg_catalog.pg_database AS d, pg_catalog.pg_control_system() AS s
                WHERE d.datname = pg_catalog.current_database()";
    let is = read(identity)?;
    let found = pairs(here).into_iter().next()?;
    ((&*found.0, &*found.1) == (is.database, is.cluster)).then_some(is.oid)
}

/// Whether what has the recorded name now is somebody else's: its owner would run what another one wrote, or have others run
/// what he wrote.
pub fn is_strangers(identity: &Step) -> bool {
    if same(identity).is_some() {
        return false;
    }
    let is = read(identity);
    let there = is.and_then(|is| Some((called(is.kind, &identity.object)?.1, is.owner)));
    // What others run may be a superuser's.
    let trusted = |owner: &str| identity.kind == "object identity" && is_superuser(owner);
    there.is_some_and(|(owner, recorded)| owner != recorded && !trusted(&owner))
}

fn is_superuser(role: &str) -> bool {
    let sql = "SELECT ''::text, ''::text FROM pg_catalog.pg_roles WHERE rolsuper AND rolname";
    !pairs(&format!("{sql} = '{}'", role.replace('\'', "''"))).is_empty()
}
