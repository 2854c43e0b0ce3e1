//! Recorded commands name tables and columns as they were called then. What has another name today, and is surely the
//! same because it has its OID, gets the recorded one while they run.

use super::command::execute;
use super::present::pairs;
use super::step::{Step, failed};
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

/// What takes the names back, in the order in which they were given.
#[derive(Default)]
pub struct Names(Vec<String>);

impl Names {
    /// Gives the tables of the identities, and their columns, the recorded names. `steps`: what will run.
    pub fn recorded(identities: &[Step], steps: &[Step]) -> Outcome<Names> {
        let mut names = Names::default();
        let mut moves = Vec::new();
        for identity in identities {
            // What sits on a view is not brought back under another name.
            let is_table = read(identity).is_some_and(|is| matches!(is.kind, "r" | "p"));
            let Some(relid) = same(identity).filter(|_| is_table) else {
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
            if !has_schema(schema) {
                let (make, drop) = ("CREATE SCHEMA", "DROP SCHEMA");
                names.run(
                    identity,
                    format!("{make} {schema}"),
                    format!("{drop} {schema}"),
                )?;
            }
            names.run(
                identity,
                format!("ALTER TABLE {aside}.{to} SET SCHEMA {schema}"),
                format!("ALTER TABLE {} SET SCHEMA {aside}", identity.object),
            )?;
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

    fn run(&mut self, identity: &Step, sql: String, back: String) -> Outcome<()> {
        execute(&sql, None).map_err(|failure| failed(identity, &failure))?;
        self.0.push(back);
        Ok(())
    }

    /// Everything is called again as before.
    pub fn take_back(self, identities: &[Step]) -> Outcome<()> {
        for sql in self.0.iter().rev() {
            execute(sql, None).map_err(|failure| failed(&identities[0], &failure))?;
        }
        Ok(())
    }
}

/// Schema and name, quoted as they are.
fn parts(object: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let dot = object.find(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    })?;
    Some((&object[..dot], &object[dot + 1..]))
}

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

/// The relation, if this is the database it was recorded in, and it is still there.
fn same(identity: &Step) -> Option<Oid> {
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

/// Whether there is a schema of that name, quoted where SQL needs it.
fn has_schema(name: &str) -> bool {
    let sql = "SELECT ''::text, ''::text FROM pg_catalog.pg_namespace WHERE pg_catalog.quote_ident(nspname)";
    !pairs(&format!("{sql} = '{}'", name.replace('\'', "''"))).is_empty()
}
