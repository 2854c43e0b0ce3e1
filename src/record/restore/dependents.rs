//! Checks, exclusion constraints, indexes and statistics with expressions on columns that are converted back. PostgreSQL makes
//! them anew from what the conversion has left of them, which is not what they were: those that are still as the conversion
//! left them go before it, and come back as recorded. Those that the user has changed since are his.

use super::dependent_units::{BEFORE, Dependent, LEFT, SETTING, Unit, units};
use super::identity::same;
use super::rebuild::Rebuild;
use super::retype::Conversion;
use super::step::{Step, warn};
use crate::pg::catalog;
use crate::record::definition::{self, Definition};

/// One that is put in the place of another one, or of none.
#[derive(Default)]
pub(super) struct Replaced {
    pub recorded: Unit,
    pub present: Unit,
}

/// What a conversion back replaces.
pub(super) struct Dependents {
    pub replaced: Vec<Replaced>,
    /// How everything on the columns is kept now.
    pub settings: Vec<Definition>,
    /// How it was kept before the conversion.
    pub recorded_settings: Vec<Step>,
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
        let columns = conversion.reached();
        // What has left the table since, a partition, keeps what it has.
        let tables: Vec<String> = columns
            .iter()
            .map(|(table, _)| catalog::display_name(*table))
            .collect();
        let read = |which: &'static str| {
            let steps = steps().filter(|step| step.kind != SETTING);
            let steps = steps.filter(|step| tables.contains(&step.object));
            let told = steps.filter_map(|step| {
                let kind = step.kind.strip_prefix(which)?;
                Some((kind, &*step.object, &*step.name, &*step.sql, None))
            });
            units(told, |_| None)
        };
        let (recorded, left) = (read(BEFORE), read(LEFT));
        let here = definition::dependents(conversion.relid, &columns);
        let mut identities = self.identities.iter();
        let known = identities.any(|one| one.object == conversion.object && same(one).is_some());
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
pub(super) fn step_of(one: &Dependent) -> Step {
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
