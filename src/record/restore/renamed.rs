//! Recorded commands name relations and columns as they were called then. What has another name today, and is surely the
//! same because it has its OID, gets the recorded one while they run. `referred` does the same for functions, types and
//! sequences.

use super::aside::{free_name, names_in, names_in_tree};
use super::column_history::{Column, ColumnChanges};
use super::command::execute;
use super::identity::{is_strangers, same};
use super::present::pairs;
use super::step::{Step, failed, name_taken};
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
    /// Gives the tables of the identities, and their columns, the names that a statement recorded. `steps`: its commands.
    /// `converted`: columns of tables that are converted back, (table, then, today).
    ///
    /// # Errors
    /// When another column has the name of one that the statement dropped.
    pub fn recorded(
        statement: i64,
        changes: &ColumnChanges,
        identities: &[Step],
        steps: &[Step],
        converted: &[(String, String, String)],
    ) -> Outcome<Names> {
        let mut names = Names::default();
        let mut moves = Vec::new();
        for identity in identities {
            if identity.kind != "table identity" {
                continue;
            }
            let same = same(identity);
            let here = same
                .or_else(|| catalog::named_relation(&identity.object))
                .filter(|_| !is_strangers(identity));
            let Some(relid) = here else { continue };
            let columns = steps
                .iter()
                .filter(|step| step.kind == "column" && step.object == identity.object);
            let dropped: Vec<(&str, Option<Column>)> = columns
                .map(|step| {
                    let column = changes.of_dropped(statement, relid, &identity.object, &step.name);
                    (&*step.name, column)
                })
                .collect();
            let converted = converted
                .iter()
                .filter(|(object, ..)| *object == identity.object);
            let converted: Vec<(&str, &str)> = converted
                .map(|(_, then, today)| (&**then, &**today))
                .collect();
            names.columns(identity, relid, same.is_some(), &dropped, &converted)?;
            if same.is_none() {
                continue;
            }
            if catalog::display_name(relid) != identity.object {
                moves.push((identity, relid));
            }
        }
        let strangers = moves.iter().filter_map(|(identity, _)| {
            let there = catalog::named_relation(&identity.object)?;
            (!moves.iter().any(|(_, relid)| *relid == there)).then_some((*identity, there))
        });
        // Each into a schema of its own first: with its indexes, it is in nobody's way there.
        for (identity, relid) in strangers.chain(moves.iter().copied()) {
            let Some((schema, table)) = catalog::relation_name(relid) else {
                continue;
            };
            let aside = free_name(0, has_schema);
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

    /// `known`: `relid` has the recorded OID. `dropped`: the columns that the statement dropped, and what became of them.
    /// `converted`: what columns of its conversions were called then, and today.
    fn columns(
        &mut self,
        identity: &Step,
        relid: Oid,
        known: bool,
        dropped: &[(&str, Option<Column>)],
        converted: &[(&str, &str)],
    ) -> Outcome<()> {
        let table = catalog::display_name(relid);
        let mut renamed = match known {
            true => pairs(&identity.sql),
            false => Vec::new(),
        };
        let all = names_in(relid);
        for (name, column) in dropped {
            match column {
                // It is back, and has got another name.
                Some(column) if !column.dropped => {
                    if column.name != *name && all.contains(&column.name) {
                        renamed.push(((*name).to_owned(), column.name.clone()));
                    }
                }
                _ => {
                    let taken = column.as_ref().is_some_and(|column| column.taken);
                    if taken || renamed.iter().any(|(_, today)| today == name) {
                        return Err(name_taken(name, &table));
                    }
                }
            }
        }
        for (then, today) in converted {
            let known = |(other, now): &(String, String)| other == then || now == today;
            if then != today && all.iter().any(|name| name == today) && !renamed.iter().any(known) {
                renamed.push(((*then).to_owned(), (*today).to_owned()));
            }
        }
        self.children_aside(identity, relid, &renamed)?;
        let strangers = all.iter().filter(|name| {
            renamed.iter().any(|(then, _)| then == *name)
                && !renamed.iter().any(|(_, today)| today == *name)
        });
        let rename = |from: &str, to: &str| {
            format!(
                "ALTER TABLE {table} RENAME COLUMN {} TO {}",
                catalog::quoted(from),
                catalog::quoted(to)
            )
        };
        let today = renamed.iter().map(|(_, today)| today);
        let away: Vec<&String> = today.chain(strangers).collect();
        let mut used = match away.is_empty() {
            true => Vec::new(),
            false => names_in_tree(relid),
        };
        used.extend(renamed.iter().map(|(then, _)| then.clone()));
        let mut asides = Vec::new();
        for name in away {
            let aside = free_name(asides.len(), |name| used.iter().any(|used| used == name));
            self.run(identity, rename(name, &aside), rename(&aside, name))?;
            used.push(aside.clone());
            asides.push(aside);
        }
        for (aside, (then, _)) in asides.iter().zip(&renamed) {
            self.run(identity, rename(aside, then), rename(then, aside))?;
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
