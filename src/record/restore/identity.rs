//! By what the relation that a recorded command is about is known again: its OID in its database of its cluster.

use super::present::pairs;
use super::step::Step;
use crate::pg::catalog;
use pgrx::pg_sys::Oid;

/// What an identity says besides the relation's name.
struct Identity<'a> {
    relid: Oid,
    database: &'a str,
    cluster: &'a str,
    kind: &'a str,
    owner: &'a str,
}

fn read(identity: &Step) -> Option<Identity<'_>> {
    let mut words = identity.name.splitn(5, ' ');
    Some(Identity {
        relid: Oid::from(words.next()?.parse::<u32>().ok()?),
        database: words.next()?,
        cluster: words.next()?,
        kind: words.next()?,
        owner: words.next()?,
    })
}

/// Whether it is a table's.
pub fn is_table(identity: &Step) -> bool {
    read(identity).is_some_and(|is| matches!(is.kind, "r" | "p"))
}

/// The relation, if this is the database it was recorded in, and it is still there.
pub fn same(identity: &Step) -> Option<Oid> {
    let here = "SELECT d.oid::text, s.system_identifier::text FROM pg_catalog.pg_database AS d, pg_catalog.pg_control_system() AS s
                WHERE d.datname = pg_catalog.current_database()";
    let Identity {
        relid,
        database,
        cluster,
        ..
    } = read(identity)?;
    let found = pairs(here).into_iter().next()?;
    let same = (&*found.0, &*found.1) == (database, cluster);
    (same && catalog::relation_name(relid).is_some()).then_some(relid)
}

/// Whether what has the recorded name now is somebody else's relation: its owner would run what another one wrote.
pub fn is_strangers(identity: &Step) -> bool {
    if same(identity).is_some() {
        return false;
    }
    let recorded = read(identity).map_or("", |identity| identity.owner);
    let there = catalog::named_relation(&identity.object).map(|relid| {
        let sql = "SELECT pg_catalog.pg_get_userbyid(relowner)::text, '' FROM pg_catalog.pg_class WHERE oid";
        pairs(&format!("{sql} = {}", relid.to_u32()))
    });
    there.is_some_and(|there| there.iter().any(|(owner, _)| owner != recorded))
}
