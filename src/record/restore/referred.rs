//! What recorded commands refer to by name: known again by its OID in this database of this cluster, else by its name if
//! that is its owner's still.

use super::command::execute;
use super::present::pairs;
use super::renamed::{Names, parts};
use super::step::{Step, failed};
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

/// What an identity says besides the object's name.
struct Identity<'a> {
    oid: Oid,
    database: &'a str,
    cluster: &'a str,
    /// pg_class.relkind, or what ALTER calls it.
    kind: &'a str,
    owner: &'a str,
}

fn read(identity: &Step) -> Option<Identity<'_>> {
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
fn named(kind: &str, oid: Oid) -> Option<(String, String)> {
    let (catalog, reg, name, _) = catalog_of(kind);
    let sql = format!(
        "SELECT oid::pg_catalog.{reg}::text, pg_catalog.quote_ident({name}) FROM pg_catalog.{catalog} WHERE oid = {}",
        oid.to_u32()
    );
    pairs(&sql).into_iter().next()
}

/// What is called so: its OID and its owner. to_regprocedure() fails where a type is missing.
fn called(kind: &str, name: &str) -> Option<(String, String)> {
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
    let here = "SELECT d.oid::text, s.system_identifier::text FROM pg_catalog.pg_database AS d, pg_catalog.pg_control_system() AS s
                WHERE d.datname = pg_catalog.current_database()";
    let is = read(identity)?;
    let found = pairs(here).into_iter().next()?;
    let same = (&*found.0, &*found.1) == (is.database, is.cluster);
    (same && named(is.kind, is.oid).is_some()).then_some(is.oid)
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

impl Names {
    /// Gives functions, types or sequences (`kind`: the word of ALTER) the recorded names.
    pub(super) fn referred(&mut self, identities: &[Step], kind: &'static str) -> Outcome<()> {
        let mut moves = Vec::new();
        for identity in identities
            .iter()
            .filter(|one| one.kind == "object identity")
        {
            let is_of_kind = read(identity).is_some_and(|is| is.kind == kind);
            let Some(oid) = same(identity).filter(|_| is_of_kind) else {
                continue;
            };
            let now = named(kind, oid).map(|(called, _)| called);
            if now.as_ref() == Some(&identity.object) {
                continue;
            }
            match kind == "SEQUENCE" && stays_with_its_table(oid, identity) {
                true => self.out_of_reach.push(identity.object.clone()),
                false => moves.push((identity, oid)),
            }
        }
        let strangers: Vec<(&Step, Oid)> = moves
            .iter()
            .filter_map(|(identity, _)| {
                let (there, _) = called(kind, &identity.object)?;
                Some((*identity, Oid::from(there.parse::<u32>().ok()?)))
            })
            .filter(|(_, there)| !moves.iter().any(|(_, oid)| oid == there))
            .collect();
        for (n, (identity, oid)) in strangers.iter().chain(&moves).enumerate() {
            self.rename(identity, kind, *oid, &format!("backstop_aside_{n}"))?;
        }
        for (identity, oid) in moves {
            let Some((schema, rest)) = parts(&identity.object) else {
                continue;
            };
            self.schema(identity, schema)?;
            self.set_schema(identity, kind, oid, schema)?;
            self.rename(identity, kind, oid, bare(kind, rest))?;
        }
        Ok(())
    }

    fn rename(&mut self, identity: &Step, kind: &str, oid: Oid, to: &str) -> Outcome<()> {
        let Some((called, from)) = named(kind, oid) else {
            return Ok(());
        };
        self.change(identity, kind, oid, &called, ("RENAME TO", to, &from))
    }

    fn set_schema(&mut self, identity: &Step, kind: &str, oid: Oid, to: &str) -> Outcome<()> {
        let Some((called, _)) = named(kind, oid) else {
            return Ok(());
        };
        let from = parts(&called).map_or("pg_catalog", |(schema, _)| schema);
        if from == to {
            return Ok(());
        }
        self.change(identity, kind, oid, &called, ("SET SCHEMA", to, from))
    }

    fn change(
        &mut self,
        identity: &Step,
        kind: &str,
        oid: Oid,
        called: &str,
        (what, to, from): (&str, &str, &str),
    ) -> Outcome<()> {
        let sql = format!("ALTER {kind} {called} {what} {to}");
        execute(&sql, None).map_err(|failure| failed(identity, &failure))?;
        let now = named(kind, oid).map_or(String::new(), |(called, _)| called);
        self.taken_back_by(format!("ALTER {kind} {now} {what} {from}"));
        Ok(())
    }
}

/// Whether it would have to leave the schema of the table that owns it, which PostgreSQL does not let it.
fn stays_with_its_table(sequence: Oid, identity: &Step) -> bool {
    let now = catalog::relation_name(sequence).map(|(schema, _)| catalog::quoted(&schema));
    let then = parts(&identity.object).map(|(schema, _)| schema.to_owned());
    let owned = format!(
        "SELECT ''::text, ''::text FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass
             AND objid = {} AND refobjsubid > 0 AND deptype IN ('a', 'i')",
        sequence.to_u32()
    );
    now != then && !pairs(&owned).is_empty()
}

/// The name without the arguments.
fn bare<'a>(kind: &str, name: &'a str) -> &'a str {
    let mut quoted = false;
    let end = name.find(|c| {
        quoted ^= c == '"';
        c == '(' && !quoted
    });
    match end {
        Some(end) if kind == "ROUTINE" => &name[..end],
        _ => name,
    }
}

/// Whether a command names the object. Commands are printed with every name qualified.
pub fn mentions(sql: &str, object: &str) -> bool {
    // A function without the types of its arguments.
    let name = match parts(object) {
        Some((schema, rest)) => &object[..schema.len() + 1 + bare("ROUTINE", rest).len()],
        None => object,
    };
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"');
    sql.match_indices(name).any(|(at, _)| {
        let before = sql[..at].chars().next_back();
        let after = sql[at + name.len()..].chars().next();
        !before.is_some_and(|c| belongs(c) || c == '.') && !after.is_some_and(belongs)
    })
}
