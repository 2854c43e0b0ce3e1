//! The commands that take away what sits on converted columns by an expression, and make it again.
//!
//! What they evaluate is the owner's: they are made with his rights. How they are kept is in nobody's code.

use super::command::{Failure, execute, execute_making, execute_on};
use super::dependent_units::Dependent;
use super::dependents::{Dependents, step_of};
use super::present::{owner_of, role_named};
use super::renamed::parts;
use super::step::{Step, failed, warn};
use crate::pg::catalog;
use crate::record::definition;
use crate::report::Outcome;

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
                // Both indexes' expressions are simplified to be compared.
                execute_on(&sql, &parent.object, &child.object)
                    .map_err(|failure| Box::new((step_of(child), failure)))?;
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
    match (owner_of(object), schema) {
        (Some(owner), Some(schema)) => {
            execute_making(sql, &role_named(owner), &format!("{schema}.made"))
        }
        _ => execute(sql, Some(object)),
    }
}
