//! What recorded commands refer to by name gets its recorded name while they run.

use super::command::execute;
use super::identity::{called, named, read, same};
use super::present::pairs;
use super::renamed::{Names, parts};
use super::step::{Step, failed};
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

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
