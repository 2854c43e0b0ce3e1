//! DDL that would take protected tables, registered sequences or the guard itself apart.
//!
//! `statement`, `drop` and `alter_table` read what a utility statement names (the ProcessUtility hook and `backstop.check()` ask
//! them), `object` what an object that is being dropped or altered is to the guard (the object-access hook asks it: it
//! sees what CASCADE, DROP OWNED and functions reach). Both speak in findings, which `enforce` judges.

mod alter_table;
pub mod capture;
mod drop;
pub mod enforce;
pub mod everyone;
mod expendable;
pub mod inner;
pub mod names;
pub mod object;
pub mod own_trigger;
pub mod scope;
pub mod sequence;
pub mod statement;
mod typed;

use crate::judge::approval::Kind as ApprovalKind;
use crate::judge::ddl::{Action, Registration, tamper};
use crate::judge::limits::Subject;
use crate::judge::sequence::{Position, altered, judge};
use crate::model::{Operation, Violation};
use crate::pg::catalog;
use crate::registry::{Registry, SequencePolicy};
use crate::running::coverage;
use pgrx::pg_sys::Oid;
use std::rc::Rc;

/// A protected table as a refusal and an approval name it.
#[derive(Clone, Debug)]
pub struct Table {
    pub relid: Oid,
    pub schema: String,
    pub table: String,
    pub qualified: String,
    /// The names under which an approval may list it.
    pub names: Vec<String>,
    /// The weakest approval it accepts.
    pub kind: ApprovalKind,
    pub registration: Registration,
}

impl Table {
    /// The relation, when a command on it (and with `inh` on its children) meets a protection.
    pub fn protected(registry: &Registry, relid: Oid, inh: bool) -> Option<Table> {
        if registry.policies(relid, inh).is_empty() {
            return None;
        }
        Table::registered(registry, relid, inh, None)
    }

    /// The relation, whatever is registered of it; `renamed` is a column's old and new name.
    pub fn registered(
        registry: &Registry,
        relid: Oid,
        inh: bool,
        renamed: Option<(&str, &str)>,
    ) -> Option<Table> {
        let policies = registry.policies(relid, inh);
        let kind = policies.iter().map(|policy| policy.approval).max();
        let (schema, table) = catalog::relation_name(relid)?;
        let qualified = catalog::qualified(&schema, &table);
        let mut names = match registry.table(relid) {
            Some(guarded) => coverage::approval_names(guarded),
            None => vec![qualified.clone(), format!("{schema}.{table}")],
        };
        names.extend(policies.iter().map(|policy| policy.qualified.clone()));
        Some(Table {
            relid,
            schema,
            table,
            qualified,
            names,
            kind: kind.unwrap_or(ApprovalKind::Session),
            registration: registry.registration(relid, inh, renamed),
        })
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject {
            schema: &self.schema,
            table: &self.table,
            qualified: &self.qualified,
        }
    }
}

/// What happens to a registered sequence.
#[derive(Clone, Debug)]
pub enum Change {
    /// Its position: from where, to where, by the increment it has.
    Move {
        old: Position,
        new: Position,
        increment: i64,
    },
    /// Something else: the words for it.
    Altered { old: Position, what: &'static str },
}

/// One thing that a statement would do to what is guarded.
#[derive(Clone, Debug)]
pub enum Finding {
    Table {
        table: Table,
        action: Action,
    },
    Sequence {
        policy: Rc<SequencePolicy>,
        operation: Operation,
        change: Change,
        /// The change itself will be met by its object: this is the look ahead, which spends and records nothing.
        ahead: bool,
    },
    /// A part of the guard: how it is called, and the table it is on.
    Guard {
        what: String,
        table: Option<(String, String)>,
    },
    /// What is in a table of the guard's own, and what it breaks to remove it.
    OwnRows(Violation),
}

impl Finding {
    /// Whether the other finds the same done to the same.
    pub fn is(&self, other: &Finding) -> bool {
        match (self, other) {
            (
                Finding::Table { table, action },
                Finding::Table {
                    table: other,
                    action: done,
                },
            ) => table.relid == other.relid && action == done,
            (
                Finding::Sequence {
                    policy, operation, ..
                },
                Finding::Sequence {
                    policy: other,
                    operation: done,
                    ..
                },
            ) => policy.qualified == other.qualified && operation == done,
            _ => false,
        }
    }

    /// What an unapproved statement breaks with it.
    pub fn violation(&self) -> Option<Violation> {
        match self {
            Finding::Table { table, action } => {
                Some(action.violation(table.subject(), &table.registration, table.kind))
            }
            Finding::Sequence { policy, change, .. } => match change {
                Change::Move {
                    old,
                    new,
                    increment,
                } => judge(policy, *old, *new, *increment),
                Change::Altered { what, .. } => Some(altered(policy, what)),
            },
            Finding::Guard { what, table } => Some(tamper(
                what,
                table.as_ref().map(|(schema, table)| Subject {
                    schema,
                    table,
                    qualified: table,
                }),
            )),
            Finding::OwnRows(violation) => Some(violation.clone()),
        }
    }
}
