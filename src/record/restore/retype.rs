//! The commands that give columns their former types, in one rewrite of their table, with the recorded values.

use super::command::{Failure, execute};
use super::fill::Filler;
use super::filled;
use super::kept::as_it_is;
use super::present::type_of;
use super::rebuild::Rebuild;
use super::step::{Step, failed, warn};
use crate::ddl::capture::closure;
use crate::pg::catalog;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};

/// Tables to convert, and the columns that need not be, by table and number.
type Conversions = (Vec<Conversion>, Vec<(Oid, i16)>);

/// A table whose columns get their former types.
pub(super) struct Conversion {
    /// As recorded.
    pub object: String,
    pub relid: Oid,
    /// The columns' commands, and their numbers.
    pub columns: Vec<(Step, i16)>,
    defaults: Vec<Step>,
}

impl Conversion {
    pub fn numbers(&self) -> Vec<i16> {
        self.columns.iter().map(|(_, number)| *number).collect()
    }

    /// What the columns chosen are called now.
    pub fn names_of(&self, chosen: &[bool]) -> Vec<String> {
        let chosen = self
            .columns
            .iter()
            .zip(chosen)
            .filter(|(_, chosen)| **chosen);
        let name = |((_, number), _): (&(Step, i16), &bool)| {
            // SAFETY: a syscache look-up that returns a palloc'd name or, missing_ok, NULL.
            unsafe { catalog::owned(pg_sys::get_attname(self.relid, *number, true)) }
        };
        chosen.filter_map(name).collect()
    }

    /// Its columns and those of children that go with them, by table and number.
    pub fn reached(&self) -> Vec<(Oid, i16)> {
        let names = self.names_of(&vec![true; self.columns.len()]).into_iter();
        names
            .flat_map(|name| with_children(self.relid, &name))
            .collect()
    }

    /// The command, in which a row that is not recorded keeps its value as far as that can be converted.
    fn command(&self) -> String {
        let mut parts = Vec::new();
        for (n, (step, number)) in self.columns.iter().enumerate() {
            let column = catalog::quoted(&step.name);
            let Some(typed) = typed(step) else {
                return step.sql.clone();
            };
            parts.push(match typed.split_once(&format!(" USING {column}::text::")) {
                // A value of the type itself, whatever it is: an array of it is no array of a domain that refuses NULL.
                Some((typed, name)) => {
                    let value = match name.ends_with("[]") {
                        true => format!("backstop.recorded_array('{{}}'::{name}, {n})"),
                        false => format!("backstop.recorded_value('{{}}'::{name}[], {n})"),
                    };
                    let present = as_it_is(self.relid, *number, &column, name);
                    format!(
                        "ALTER COLUMN {column} TYPE {typed} USING CASE WHEN backstop.is_recorded(tableoid, ctid) THEN {value} \
                         {present} END"
                    )
                }
                // The server computes it.
                None => format!("ALTER COLUMN {column} TYPE {typed}"),
            });
        }
        format!("ALTER TABLE {} {}", self.object, parts.join(", "))
    }
}

/// A column and its children's.
fn with_children(relid: Oid, name: &str) -> impl Iterator<Item = (Oid, i16)> + use<> {
    closure::columns(relid, name, true, true)
        .into_iter()
        .map(|column| (column.oid, column.column as i16))
}

/// The table, or its column, is not there.
fn missing(step: &Step, table: bool) -> Failure {
    Failure::of(match table {
        true => format!(
            "column \"{}\" of table \"{}\" does not exist",
            step.name, step.object
        ),
        false => format!("table \"{}\" does not exist", step.object),
    })
}

/// What follows TYPE in the step's command.
fn typed(step: &Step) -> Option<&str> {
    let column = catalog::quoted(&step.name);
    let start = format!("ALTER TABLE {} ALTER COLUMN {column} TYPE ", step.object);
    step.sql.strip_prefix(&start)
}

impl Rebuild {
    /// The statement's conversions of columns, one after the other.
    pub fn converting(&self) -> Vec<usize> {
        let steps = self.steps.iter().filter(|step| step.kind == "column type");
        let mut stages: Vec<usize> = steps.map(|step| step.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    /// The first ordinal of a conversion's rows, and of the next one's.
    pub fn rows_of(&self, stage: usize) -> (i64, i64) {
        let start = |stage| self.stages.get(stage).copied();
        (
            start(stage).unwrap_or(i64::MIN),
            start(stage + 1).unwrap_or(i64::MAX),
        )
    }

    /// Whether the column's values stay as the record writes them.
    pub fn keeps_values(&self, step: &Step) -> bool {
        let mut same = self.same_values.iter();
        same.any(|(stage, object, column)| {
            (*stage, object, column) == (step.stage, &step.object, &step.name)
        })
    }

    /// The tables with columns of one conversion that are not of the recorded types, and the columns that are.
    pub fn conversions(&self, stage: usize) -> Outcome<Conversions> {
        let mut as_they_are = Vec::new();
        self.check_converted(stage)?;
        let names = self.names_of(Some(stage))?;
        let mut conversions: Vec<Conversion> = Vec::new();
        let steps = self.steps.iter();
        for step in steps.filter(|step| step.kind == "column type" && step.stage == stage) {
            if self.is_done(step) {
                continue;
            }
            if self.strangers.contains(&step.object) {
                warn(step, "what has that name now is somebody else's");
                continue;
            }
            if let Some(message) = self.misled(step) {
                return Err(failed(step, &Failure::of(message)));
            }
            let here = catalog::named_relation(&step.object);
            let there = here.zip(type_of(&step.object, &step.name));
            let Some((relid, (present, number))) = there else {
                return Err(failed(step, &missing(step, here.is_some())));
            };
            let column = catalog::quoted(&step.name);
            let recorded = typed(step).map(|typed| {
                let using = typed.split_once(&format!(" USING {column}::text::"));
                using.map_or(typed, |(typed, _)| typed)
            });
            if recorded == Some(&*present) {
                as_they_are.extend(with_children(relid, &step.name));
                continue;
            }
            let of_table = conversions.iter_mut().find(|c| c.object == step.object);
            match of_table {
                Some(conversion) => conversion.columns.push((step.clone(), number)),
                None => conversions.push(Conversion {
                    object: step.object.clone(),
                    relid,
                    columns: vec![(step.clone(), number)],
                    defaults: Vec::new(),
                }),
            }
        }
        for conversion in &mut conversions {
            let comes = |step: &&Step| {
                let mut columns = conversion.columns.iter();
                step.kind == "column default"
                    && step.stage == stage
                    && step.object == conversion.object
                    && columns.any(|(column, _)| column.name == step.name)
            };
            conversion.defaults = self.steps.iter().filter(comes).cloned().collect();
        }
        names.take_back(&self.identities)?;
        Ok((conversions, as_they_are))
    }

    /// Gives a table's columns their former types. `heaps`: the table and its children.
    ///
    /// # Safety
    /// The heaps must be locked against everyone, and not open.
    pub unsafe fn retype(
        &mut self,
        conversion: &Conversion,
        filler: &mut Option<Filler>,
        heaps: &[Oid],
    ) -> Outcome<()> {
        let names = self.names_of(conversion.columns.first().map(|(step, _)| step.stage))?;
        for step in &conversion.defaults {
            step.execute(None)
                .map_err(|failure| failed(step, &failure))?;
        }
        let dependents = self.dependents_of(conversion);
        dependents.drop()?;
        let columns = conversion.columns.iter();
        let columns: Vec<String> = columns.map(|(step, _)| step.name.clone()).collect();
        if let Some(filler) = filler {
            // SAFETY: the caller vouches for the heaps.
            unsafe { filler.begin(columns, heaps)? };
        }
        let sql = conversion.command();
        let done = filled::during(filler, || execute(&sql, Some(&conversion.object)));
        let mut kept = 0;
        if let Some(filler) = filler {
            // SAFETY: begun above.
            unsafe { filler.end(done.is_ok()) };
            if let Some(refusal) = filler.refusal.take() {
                return Err(refusal);
            }
            kept = filler.kept;
        }
        let (first, _) = &conversion.columns[0];
        let done = match done {
            Ok(()) => dependents.make(),
            Err(failure) => Err(Box::new((first.clone(), failure))),
        };
        names.take_back(&self.identities)?;
        done.map_err(|stopped| match kept {
            0 => failed(&stopped.0, &stopped.1),
            _ => Report::new(
                sqlstate::NOT_IN_PREREQUISITE_STATE,
                format!(
                    "cannot change the column types of table \"{}\" back",
                    catalog::display_name(conversion.relid)
                ),
            )
            .detail(format!(
                "Rows that were inserted or changed since keep their present values, and those do not fit: {}.",
                stopped.1.message
            ))
            .hint(format!(
                "Change those values or remove those rows. Where that was done since, undo the conversion alone \
                 (backstop.restore({})), or convert the column by hand; backstop.preimage holds the former values.",
                self.statement_id
            )),
        })?;
        for (step, _) in &conversion.columns {
            self.converted
                .push((step.relation.clone(), step.name.clone()));
            self.made.push(step.clone());
        }
        Ok(())
    }
}
