//! One command of the record that makes something again: who it runs as, and what its failure says.

use super::command::{Failure, execute, execute_as, execute_making};
use super::foreign_keys;
use super::present::{is_of_kind, owner_of, role_named};
use super::read_code::calls_when_read;
use crate::pg::catalog::{self, OpenRelation};
use crate::report::{Report, sqlstate};
use pgrx::pg_sys;

/// One command of the record.
#[derive(Clone, Debug)]
pub struct Step {
    pub relation: String,
    pub operation: String,
    pub before: bool,
    pub object: String,
    pub kind: String,
    pub name: String,
    pub sql: String,
    /// Which of the statement's conversions of columns it belongs to.
    pub stage: usize,
}

impl Step {
    /// Tells the steps which of the statement's conversions they belong to; the ordinals from which on each one's rows are
    /// recorded.
    pub fn take_stages(steps: &mut Vec<Step>) -> Vec<i64> {
        let mut stages = Vec::new();
        for step in steps.iter_mut() {
            if step.kind == "first row" {
                stages.push(step.name.parse().unwrap_or(i64::MIN));
            }
            step.stage = stages.len().saturating_sub(1);
        }
        steps.retain(|step| step.kind != "first row");
        stages
    }

    /// Whether no rollback undoes it: it sets a sequence that this transaction has not made.
    pub fn moves_for_good(&self) -> bool {
        self.kind == "sequence value"
            && catalog::named_relation(&self.name)
                .and_then(|relid| OpenRelation::open(relid, pg_sys::AccessShareLock))
                .is_some_and(|sequence| !sequence.is_new())
    }

    /// Makes it. `owner`: whose it becomes, where it is made and given to its owner then; as SQL has the name.
    pub fn execute(&self, owner: Option<&str>) -> Result<(), Failure> {
        if self.kind == "sequence value" && !is_of_kind(&self.name, "S") {
            // What a view of that name shows is somebody's code.
            return Err(Failure {
                message: format!("relation \"{}\" is not a sequence", self.name),
                detail: None,
                missing: true,
            });
        }
        if self.kind == "partition" {
            foreign_keys::make_before_attaching(&self.object, &self.name)?;
            return self.attach();
        }
        if self.kind == "foreign key" {
            return foreign_keys::make(&self.sql, &self.object, &self.name);
        }
        if self.kind == "sequence owner"
            && let Some(owner) = owner_of(&self.object)
        {
            // It can only be owned by a column whose table has the same owner.
            let owner = role_named(owner);
            execute(
                &format!("ALTER SEQUENCE {} OWNER TO {owner}", self.name),
                None,
            )?;
        }
        if !self.calls_when_read() {
            return self.run();
        }
        // What is made in a schema takes a privilege on it.
        let of_table = matches!(self.kind.as_str(), "index" | "statistics");
        match (owner, of_table.then(|| owner_of(&self.object)).flatten()) {
            (_, Some(owner)) => execute_making(&self.sql, &role_named(owner), &self.name),
            (Some(owner), None) => execute_making(&self.sql, owner, &self.name),
            (None, None) => self.run(),
        }
    }

    fn run(&self) -> Result<(), Failure> {
        match self.grantor() {
            Some(role) => execute_as(&self.sql, role, &self.object),
            None => execute(&self.sql, self.runs_as()),
        }
    }

    /// Whose privilege it passes on: PostgreSQL takes no one's word for another.
    fn grantor(&self) -> Option<&str> {
        let (_, role) = self.sql.rsplit_once(" GRANTED BY ")?;
        (self.kind == "privileges").then_some(role)
    }

    /// Only who owns both can attach one to the other, and what runs then (keys of partitioning, the parent's indexes) is
    /// the parent's: the partition becomes its owner's for the time.
    fn attach(&self) -> Result<(), Failure> {
        let (of_parent, own) = (owner_of(&self.object), owner_of(&self.name));
        let belongs_to = |owner| {
            let owner = role_named(owner);
            execute(&format!("ALTER TABLE {} OWNER TO {owner}", self.name), None)
        };
        match (of_parent, own) {
            (Some(of_parent), Some(own)) if of_parent != own => {
                belongs_to(of_parent)?;
                let done = self.run();
                belongs_to(own)?;
                done
            }
            _ => self.run(),
        }
    }

    /// The relation whose owner's code the command evaluates.
    pub fn runs_as(&self) -> Option<&str> {
        let evaluates = match self.kind.as_str() {
            "column" | "column type" | "not null" | "partition" => true,
            // Whether the index has expressions is told by simplifying them.
            "replica identity" => true,
            "constraint" => !self.makes_index() || self.calls_when_read(),
            // They belong to no relation that is there.
            "table" | "view" | "function" | "type" => false,
            _ => self.calls_when_read(),
        };
        evaluates.then_some(&*self.object)
    }

    fn calls_when_read(&self) -> bool {
        let written_by_users = matches!(
            self.kind.as_str(),
            "table"
                | "view"
                | "function"
                | "type"
                | "type constraint"
                | "constraint"
                | "index"
                | "statistics"
                | "policy"
                | "trigger"
                | "rule"
        ) || self.kind.ends_with("default");
        written_by_users && calls_when_read(&self.kind, &self.sql)
    }

    /// A constraint that is an index: PostgreSQL itself goes over to the owner to build it.
    fn makes_index(&self) -> bool {
        let name = catalog::quoted(&self.name);
        let start = format!("ALTER TABLE {} ADD CONSTRAINT {name} ", self.object);
        let rest = self.sql.strip_prefix(&start).unwrap_or_default();
        ["PRIMARY KEY", "UNIQUE", "EXCLUDE"]
            .iter()
            .any(|kind| rest.starts_with(kind))
    }

    /// The command's start that gives what this one makes to its owner.
    pub fn giving(&self) -> Option<String> {
        let what = match self.kind.as_str() {
            "table" | "view" => "TABLE",
            "function" => "ROUTINE",
            "type" | "type constraint" => "TYPE",
            "sequence" => "SEQUENCE",
            "collation" => "COLLATION",
            _ => return None,
        };
        Some(format!("ALTER {what} {} OWNER TO ", self.name))
    }

    /// It makes what runs with its owner's rights.
    pub fn runs_for_its_owner(&self) -> bool {
        matches!(self.kind.as_str(), "table" | "view" | "function")
    }

    /// It belongs to a column's conversion, which waits until all that was recorded later is undone.
    pub fn converts(&self) -> bool {
        matches!(self.kind.as_str(), "column type" | "column default")
    }

    /// It brings a column, or a column's type, back.
    pub fn is_of_column(&self) -> bool {
        matches!(self.kind.as_str(), "column" | "column type")
    }

    /// It belongs to a column that the server computes.
    pub fn is_computed(&self) -> bool {
        self.kind == "column" && self.sql.contains(" GENERATED ALWAYS AS (")
    }

    /// Whether it makes what other tables may stand on, too.
    pub fn is_shared(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "schema" | "collation" | "type" | "function"
        )
    }

    /// It holds nothing that is not elsewhere.
    pub fn is_derived(&self) -> bool {
        self.kind == "materialized rows"
    }
}

/// `trigger "touch" of "shop.users"`
fn words(step: &Step) -> String {
    if step.kind == "table identity" {
        return format!("the recorded names of table \"{}\"", step.object);
    }
    match step.name == step.object {
        true => format!("{} \"{}\"", step.kind, step.name),
        false => format!("{} \"{}\" of \"{}\"", step.kind, step.name, step.object),
    }
}

pub fn warn(step: &Step, message: &str) {
    pgrx::warning!("{} was not brought back: {message}", words(step));
}

/// A dropped column cannot come back, because another one has its name.
pub fn name_taken(column: &str, table: &str) -> Box<Report> {
    let quoted = catalog::quoted(column);
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot bring back column \"{column}\" of table \"{table}\": another column has its name"),
    )
    .detail("The column was dropped, and its name was given to another one since.")
    .hint(format!(
        "Give that one another name, for the time of the restore at least: ALTER TABLE {table} RENAME COLUMN {quoted} TO ..."
    ))
}

/// What runs with its owner's rights cannot come back to a role that is gone, and must not stay with who restores.
pub fn owner_gone(step: &Step, role: &str) -> Box<Report> {
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot bring back {}: its owner is gone", words(step)),
    )
    .detail(format!(
        "It belonged to role {role}, with whose rights it runs, and there is no such role any more."
    ))
    .hint(format!(
        "Make a role of that name (CREATE ROLE {role}), restore again, and give it to another owner then."
    ))
}

pub fn failed(step: &Step, failure: &Failure) -> Box<Report> {
    let detail = match &failure.detail {
        Some(detail) => format!("{}: {detail}", failure.message),
        None => format!("{}.", failure.message),
    };
    Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("cannot bring back {}", words(step)),
    )
    .detail(detail)
    .hint(
        "backstop.definition holds the commands, and backstop.preimage the rows: restore them by hand, or remove what \
         stands in the way.",
    )
}
