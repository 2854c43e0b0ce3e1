//! Checks, exclusion constraints, indexes and statistics with expressions on columns that are converted back. PostgreSQL makes
//! them anew from what the conversion has left of them, which is not what they were: those that are still as the conversion
//! left them go before it, and come back as recorded. Those that the user has changed since are his.
//!
//! What they evaluate is the owner's: they are made with his rights. How they are kept is in nobody's code.

use super::command::{Failure, execute};
use super::dependent_units::{BEFORE, Dependent, LEFT, SETTING, Unit, units};
use super::identity::same;
use super::present::pairs;
use super::rebuild::Rebuild;
use super::renamed::parts;
use super::retype::Conversion;
use super::step::{Step, failed, warn};
use crate::pg::catalog;
use crate::pg::settings::OwnSettings;
use crate::record::definition::{self, Definition};
use crate::report::Outcome;

/// One that is put in the place of another one, or of none.
#[derive(Default)]
struct Replaced {
    recorded: Unit,
    present: Unit,
}

/// What a conversion back replaces.
pub(super) struct Dependents {
    replaced: Vec<Replaced>,
    /// How everything on the columns is kept now.
    settings: Vec<Definition>,
    /// How it was kept: (object, name, command).
    recorded_settings: Vec<Step>,
}

impl Rebuild {
    /// What sits on the conversion's columns and is not as it was. Under the recorded names.
    pub(super) fn dependents_of(&self, conversion: &Conversion) -> Dependents {
        let stage = conversion
            .columns
            .first()
            .map(|(step, _)| (step.stage, &step.relation));
        let of_stage = |step: &&Step| stage == Some((step.stage, &step.relation));
        let steps = || self.dependents.iter().filter(of_stage);
        let read = |which: &'static str| {
            let steps = steps().filter(|step| step.kind != SETTING);
            let told = steps.filter_map(|step| {
                let kind = step.kind.strip_prefix(which)?;
                Some((kind, &*step.object, &*step.name, &*step.sql, None))
            });
            units(told, |_| None)
        };
        let (recorded, left) = (read(BEFORE), read(LEFT));
        let columns = conversion.reached();
        let here = definition::dependents(conversion.relid, &columns);
        let known = |object: &str| {
            let mut identities = self.identities.iter();
            identities.any(|one| one.object == object && same(one).is_some())
        };
        let known = known(&conversion.object);
        let called = |oid| {
            let mut all = left.iter().flat_map(|unit| &unit.0).filter(|_| known);
            all.find(|one| one.oid == Some(oid))
                .map(|one| one.name.clone())
        };
        let told = here.iter().map(|one| {
            let of = &one.definition;
            (&*of.kind, &*of.object, &*of.name, &*of.sql, Some(one.oid))
        });
        let present = units(told, called);
        let settings = definition::kept_settings(&columns);
        Dependents {
            replaced: self.replaced(&recorded, &left, &present),
            settings,
            recorded_settings: steps()
                .filter(|step| step.kind == SETTING)
                .cloned()
                .collect(),
        }
    }

    fn replaced(&self, recorded: &[Unit], left: &[Unit], present: &[Unit]) -> Vec<Replaced> {
        let mut all = Vec::new();
        for (then, was) in recorded.iter().map(|unit| (unit, of_root(left, unit))) {
            let now = of_root(present, then);
            let Some(root) = then.root() else { continue };
            if now.is_some_and(|now| now.is_like(then, true)) || self.comes_otherwise(root) {
                continue;
            }
            let step = step_of(root);
            match (was, now) {
                (Some(was), Some(now)) if now.is_like(was, false) => {}
                // The statement itself took it away.
                (None, None) => {}
                (Some(_), None) => continue,
                (_, Some(_)) => {
                    warn(&step, "it has been made otherwise since");
                    continue;
                }
            }
            let mut steps = then.0.iter().map(step_of);
            if let Some(message) = steps.find_map(|step| self.misled(&step)) {
                warn(&step, &message);
                continue;
            }
            all.push(Replaced {
                recorded: then.clone(),
                present: now.cloned().unwrap_or_default(),
            });
        }
        // What the statement itself has made.
        for was in left.iter().filter(|unit| of_root(recorded, unit).is_none()) {
            let now = of_root(present, was).filter(|now| now.is_like(was, false));
            all.extend(now.map(|now| Replaced {
                recorded: Unit::default(),
                present: now.clone(),
            }));
        }
        all
    }

    /// Whether another command of the record makes it.
    fn comes_otherwise(&self, one: &Dependent) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| {
            (&step.kind, &step.object, &step.name) == (&one.kind, &one.object, &one.name)
        })
    }
}

fn of_root<'a>(units: &'a [Unit], unit: &Unit) -> Option<&'a Unit> {
    let this = unit.root()?;
    units.iter().find(|other| {
        other.root().is_some_and(|root| {
            (&root.kind, &root.object, &root.name) == (&this.kind, &this.object, &this.name)
        })
    })
}

/// For messages.
fn step_of(one: &Dependent) -> Step {
    Step {
        relation: one.object.clone(),
        operation: String::new(),
        before: true,
        object: one.object.clone(),
        kind: one.kind.clone(),
        name: one.name.clone(),
        sql: one.command(&one.now, one.options()),
        stage: 0,
    }
}

impl Dependents {
    /// Takes away what is replaced. That evaluates nothing.
    pub fn drop(&self) -> Outcome<()> {
        // Children's own checks after their parents'.
        for replaced in &self.replaced {
            let Some(root) = replaced.present.root() else {
                continue;
            };
            let sql = match root.kind.as_str() {
                "constraint" => format!(
                    "ALTER TABLE {} DROP CONSTRAINT {}",
                    root.object,
                    catalog::quoted(&root.now)
                ),
                "index" => format!("DROP INDEX {}", root.now),
                _ => format!("DROP STATISTICS {}", root.now),
            };
            execute(&sql, None).map_err(|failure| failed(&step_of(root), &failure))?;
        }
        Ok(())
    }

    /// Makes what was recorded.
    pub fn make(&self) -> Result<(), Box<(Step, Failure)>> {
        for replaced in &self.replaced {
            let now = |one: &Dependent| {
                let present = replaced.present.named(&one.name);
                (
                    present.map_or(one.now.clone(), |one| one.now.clone()),
                    present,
                )
            };
            for one in &replaced.recorded.0 {
                let step = step_of(one);
                let stop = |failure| Box::new((step.clone(), failure));
                let (name, present) = now(one);
                let options = present.map_or(one.options(), |present| present.options());
                make(&one.command(&name, options), &one.object, schema_of(one)).map_err(stop)?;
                if let (None, Some(options), "index") = (one.options(), options, &*one.kind) {
                    let sql = format!("ALTER INDEX {name} SET ({options})");
                    execute(&sql, None).map_err(stop)?;
                }
                if present.is_some_and(|present| present.valid) && !one.valid {
                    validate(&step, &name);
                }
                self.keep(one, &name, present.is_some()).map_err(stop)?;
            }
            for (child, parent) in replaced.recorded.attachments() {
                let (Some(child), Some(parent)) = (
                    replaced.recorded.named(child),
                    replaced.recorded.named(parent),
                ) else {
                    continue;
                };
                let sql = format!(
                    "ALTER INDEX {} ATTACH PARTITION {}",
                    now(parent).0,
                    now(child).0
                );
                execute(&sql, None).map_err(|failure| Box::new((step_of(child), failure)))?;
            }
        }
        self.keep_targets();
        Ok(())
    }

    /// Gives one that was made again what it had besides: now or, where it was gone, before the conversion.
    fn keep(&self, one: &Dependent, now: &str, was_here: bool) -> Result<(), Failure> {
        let present = self
            .settings
            .iter()
            .filter(|setting| was_here && definition::is_about(setting, &one.object, now));
        let recorded = self.recorded_settings.iter().filter(|setting| {
            !was_here && setting.object == one.object && setting.name == one.name
        });
        let present = present.map(|setting| &setting.sql);
        let mut all = present.chain(recorded.map(|setting| &setting.sql));
        all.try_for_each(|sql| execute(sql, None))
    }

    /// A change of type takes statistics targets away from what it makes anew itself, too.
    fn keep_targets(&self) {
        let targets = ["index statistics", "statistics target"];
        for setting in self
            .settings
            .iter()
            .filter(|one| targets.contains(&&*one.kind))
        {
            // What is gone has none.
            let _ = execute(&setting.sql, None);
        }
    }
}

/// The user has validated it since: so it stays, if the rows let it.
fn validate(step: &Step, name: &str) {
    let sql = format!(
        "ALTER TABLE {} VALIDATE CONSTRAINT {}",
        step.object,
        catalog::quoted(name)
    );
    if let Err(failure) = execute(&sql, Some(&step.object)) {
        warn(
            step,
            &format!("it is not validated any more: {}", failure.message),
        );
    }
}

/// The schema that it is made in.
fn schema_of(one: &Dependent) -> Option<&str> {
    match one.kind.as_str() {
        "constraint" => parts(&one.object),
        _ => parts(&one.now),
    }
    .map(|(schema, _)| schema)
}

/// Runs a command as the owner of `object`, who may have lost the right to make anything in the schema.
fn make(sql: &str, object: &str, schema: Option<&str>) -> Result<(), Failure> {
    // Where the session puts what it makes says nothing of where this was.
    let _settings = OwnSettings::of(&[(c"default_tablespace", c"")]);
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let closed = pairs(&format!(
        "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner))
         FROM pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n
         WHERE c.oid = pg_catalog.to_regclass({}) AND pg_catalog.quote_ident(n.nspname) = {}
             AND NOT pg_catalog.has_schema_privilege(c.relowner, n.oid, 'CREATE')",
        literal(object),
        literal(schema.unwrap_or_default())
    ));
    for (schema, owner) in &closed {
        execute(&format!("GRANT CREATE ON SCHEMA {schema} TO {owner}"), None)?;
    }
    execute(sql, Some(object))?;
    for (schema, owner) in &closed {
        execute(
            &format!("REVOKE CREATE ON SCHEMA {schema} FROM {owner}"),
            None,
        )?;
    }
    Ok(())
}
