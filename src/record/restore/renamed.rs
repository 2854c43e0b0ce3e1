//! Recorded commands name relations and columns as they were called then. What has another name today, and is surely the
//! same because it has its OID, gets the recorded one while they run. `referred` does the same for functions, types and
//! sequences.

use super::command::execute;
use super::present::pairs;
use super::referred::same;
use super::step::{Step, failed};
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

/// Names that were given for the time of a restore.
#[derive(Default)]
pub struct Names {
    /// What takes them back, in the order in which they were given.
    back: Vec<String>,
    /// Recorded names that what had them could not be given.
    pub out_of_reach: Vec<String>,
}

impl Names {
    /// Gives the tables of the identities, and their columns, the recorded names. `steps`: what will run.
    pub fn recorded(identities: &[Step], steps: &[Step]) -> Outcome<Names> {
        let mut names = Names::default();
        let mut moves = Vec::new();
        for identity in identities {
            let Some(relid) = same(identity).filter(|_| identity.kind == "table identity") else {
                continue;
            };
            names.columns(identity, relid, steps)?;
            if catalog::display_name(relid) != identity.object {
                moves.push((identity, relid));
            }
        }
        let strangers = moves.iter().filter_map(|(identity, _)| {
            let there = catalog::named_relation(&identity.object)?;
            (!moves.iter().any(|(_, relid)| *relid == there)).then_some((*identity, there))
        });
        // Each into a schema of its own first: with its indexes, it is in nobody's way there.
        for (n, (identity, relid)) in strangers.chain(moves.iter().copied()).enumerate() {
            let Some((schema, table)) = catalog::relation_name(relid) else {
                continue;
            };
            let aside = format!("backstop_aside_{n}");
            let (from, to) = (
                catalog::qualified(&schema, &table),
                catalog::qualified(&aside, &table),
            );
            names.run(
                identity,
                format!("CREATE SCHEMA {aside}"),
                format!("DROP SCHEMA {aside}"),
            )?;
            names.run(
                identity,
                format!("ALTER TABLE {from} SET SCHEMA {aside}"),
                format!("ALTER TABLE {to} SET SCHEMA {}", catalog::quoted(&schema)),
            )?;
        }
        for (identity, relid) in moves {
            let (Some((aside, table)), Some((schema, name))) =
                (catalog::relation_name(relid), parts(&identity.object))
            else {
                continue;
            };
            let (from, to) = (catalog::quoted(&table), name);
            if from != to {
                names.run(
                    identity,
                    format!("ALTER TABLE {aside}.{from} RENAME TO {to}"),
                    format!("ALTER TABLE {aside}.{to} RENAME TO {from}"),
                )?;
            }
            names.schema(identity, schema)?;
            names.run(
                identity,
                format!("ALTER TABLE {aside}.{to} SET SCHEMA {schema}"),
                format!("ALTER TABLE {} SET SCHEMA {aside}", identity.object),
            )?;
        }
        for kind in ["TYPE", "SEQUENCE", "ROUTINE"] {
            names.referred(identities, kind)?;
        }
        Ok(names)
    }

    fn columns(&mut self, identity: &Step, relid: Oid, steps: &[Step]) -> Outcome<()> {
        let comes = |name: &String| {
            let mut steps = steps.iter();
            steps.any(|step| {
                step.kind == "column" && step.object == identity.object && step.name == *name
            })
        };
        // A column that is to come back finds its name taken, and stays away.
        let renamed: Vec<(String, String)> = pairs(&identity.sql)
            .into_iter()
            .filter(|(_, today)| !comes(today))
            .collect();
        let table = catalog::display_name(relid);
        let all = pairs(&format!(
            "SELECT attname::text, attname::text FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
            relid.to_u32()
        ));
        let strangers = all.iter().map(|(name, _)| name).filter(|name| {
            renamed.iter().any(|(then, _)| then == *name)
                && !renamed.iter().any(|(_, today)| today == *name)
        });
        let today = renamed.iter().map(|(_, today)| today);
        let rename = |from: &str, to: &str| {
            format!(
                "ALTER TABLE {table} RENAME COLUMN {} TO {}",
                catalog::quoted(from),
                catalog::quoted(to)
            )
        };
        for (n, name) in today.chain(strangers).enumerate() {
            let aside = format!("backstop_aside_{n}");
            self.run(identity, rename(name, &aside), rename(&aside, name))?;
        }
        for (n, (then, _)) in renamed.iter().enumerate() {
            let aside = format!("backstop_aside_{n}");
            self.run(identity, rename(&aside, then), rename(then, &aside))?;
        }
        Ok(())
    }

    pub(super) fn run(&mut self, identity: &Step, sql: String, back: String) -> Outcome<()> {
        execute(&sql, None).map_err(|failure| failed(identity, &failure))?;
        self.back.push(back);
        Ok(())
    }

    pub(super) fn taken_back_by(&mut self, sql: String) {
        self.back.push(sql);
    }

    /// A schema of that name, quoted where SQL needs it.
    pub(super) fn schema(&mut self, identity: &Step, schema: &str) -> Outcome<()> {
        if has_schema(schema) {
            return Ok(());
        }
        self.run(
            identity,
            format!("CREATE SCHEMA {schema}"),
            format!("DROP SCHEMA {schema}"),
        )
    }

    /// Everything is called again as before.
    pub fn take_back(self, identities: &[Step]) -> Outcome<()> {
        for sql in self.back.iter().rev() {
            execute(sql, None).map_err(|failure| failed(&identities[0], &failure))?;
        }
        Ok(())
    }
}

/// Schema and name, quoted as they are.
pub(super) fn parts(object: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let dot = object.find(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    })?;
    Some((&object[..dot], &object[dot + 1..]))
}

/// Whether there is a schema of that name, quoted where SQL needs it.
fn has_schema(name: &str) -> bool {
    let sql = "SELECT ''::text, ''::text FROM pg_catalog.pg_namespace WHERE pg_catalog.quote_ident(nspname)";
    !pairs(&format!("{sql} = '{}'", name.replace('\'', "''"))).is_empty()
}
