//! SF008 and SF013: what takes a protected table, its rows, its key or its guard away, and what it says. Pure.

mod kind;

pub use kind::{Approvable, Kind};

use crate::judge::approval::Kind as ApprovalKind;
use crate::judge::limits::{Subject, approve_previewed};
use crate::judge::spelling::{array, literal};
use crate::model::{Rule, Violation};

/// One thing that a statement would do to a protected table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub kind: Kind,
    /// The column, trigger, rule or constraint meant.
    pub object: Option<String>,
    /// The command that reaches the table without naming it: `DROP SCHEMA`.
    pub through: Option<&'static str>,
}

/// The commands that end what protects a table, and that make it again as it is, without the last semicolon.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    pub end: String,
    pub again: String,
    /// The protected child for whose sake a table counts that is not protected itself.
    pub child: Option<String>,
}

impl Registration {
    /// What the table is called in the middle of a message.
    fn calls(&self, subject: Subject) -> String {
        match &self.child {
            Some(child) => format!(
                "table \"{}\", parent of protected table \"{child}\",",
                subject.table
            ),
            None => format!("protected table \"{}\"", subject.table),
        }
    }
}

impl Action {
    pub fn new(kind: Kind, object: Option<String>) -> Action {
        Action {
            kind,
            object,
            through: None,
        }
    }

    /// What a preview shows of it, where it destroys no rows of its own.
    pub fn change(&self, relation: &str) -> String {
        let object = self.object.iter().map(|object| format!(" \"{object}\""));
        let through = self.through.iter().map(|through| format!(", by {through}"));
        let words: String = object.collect();
        let by: String = through.collect();
        format!("{}{words} of {relation}{by}", self.kind.words())
    }

    /// The unapproved action, refused; `asked` is the weakest kind of approval that the table accepts.
    pub fn violation(
        &self,
        subject: Subject,
        registration: &Registration,
        asked: ApprovalKind,
    ) -> Violation {
        let called = registration.calls(subject);
        let message = match (self.through, &self.object) {
            (None, Some(object)) if self.kind == Kind::ChangeExpendable => {
                format!("{object} is refused: rows of {called} are expendable by it")
            }
            (Some(through), _) if self.kind == Kind::DropFollowersAttribute => format!(
                "{through} would reach table \"{}\", whose rows go with those of a protected one",
                subject.table
            ),
            (Some(through), _) => format!("{through} would reach {}", called.trim_end_matches(',')),
            (None, Some(object)) => {
                format!("{} \"{object}\" of {called} is refused", self.kind.words())
            }
            (None, None) => format!("{} of {called} is refused", self.kind.words()),
        };
        let hint = match (self.kind.approvable(), approve_previewed(asked)) {
            (Approvable::Never, _) => self.give_up(registration),
            (_, Some(approve)) => format!("If it is meant, see what it would destroy: {approve}"),
            (Approvable::Yes, None) if self.kind == Kind::DetachPartitionConcurrently => {
                let intent = serde_json::json!({
                    "reason": "why",
                    "max_rows": 1,
                    "relations": [subject.qualified],
                    "operations": [self.kind.operation().approval_name()],
                });
                format!(
                    "If it is meant, approve it for the session, since it cannot run in a transaction block: SET \
                     backstop.approval = {}. Afterwards: RESET backstop.approval.",
                    literal(&intent.to_string())
                )
            }
            (Approvable::Yes, None) => format!(
                "If it is meant, approve it in the same transaction: SELECT backstop.approve_batch('why', max_rows => \
                 1, relations => {}, operations => '{{{}}}').",
                array(&[subject.qualified]),
                self.kind.operation().approval_name()
            ),
            (Approvable::Captured, None) => format!(
                "If every row of it is meant, approve it in the same transaction with as many rows as it holds: SELECT \
                 backstop.approve_batch('why', max_rows => <rows>, relations => {}, operations => '{{{}}}'). They are \
                 recorded first, and backstop.restore() brings them back.",
                array(&[subject.qualified]),
                self.kind.operation().approval_name()
            ),
        };
        self.refused(subject, message, self.kind.why().to_owned(), hint)
    }

    /// The approved action, refused because what it destroys could not be given back.
    pub fn unrecorded(&self, subject: Subject, registration: &Registration) -> Violation {
        self.refused(
            subject,
            format!(
                "approved {} of {} cannot be recorded",
                self.kind.words(),
                registration.calls(subject)
            ),
            format!(
                "{} What it destroys could not be captured before it runs, and nothing is run on a protected table that \
                 could not be undone.",
                self.kind.why()
            ),
            self.way_out(subject, registration),
        )
    }

    fn give_up(&self, registration: &Registration) -> String {
        let instead = match self.kind {
            Kind::SwitchAllTriggers => "Name the one trigger that is meant, or give",
            Kind::DropAttribute | Kind::DropFollowersAttribute | Kind::AlterAttributeType => {
                "Add a new attribute and stop using the old one, or give"
            }
            Kind::ChangeExpendable => "If it is meant, give",
            _ => "Give",
        };
        let names = match self.kind {
            // Which words of it are the column is not known.
            Kind::RenameRegisteredColumn if registration.again.contains(", expendable => ") => {
                " What is expendable has to be said with the new name."
            }
            _ => "",
        };
        format!(
            "{instead} up the protection in the same transaction: {}; ...; {}.{names}",
            registration.end, registration.again
        )
    }

    fn way_out(&self, subject: Subject, registration: &Registration) -> String {
        match self.kind {
            Kind::DropColumn | Kind::AlterColumnType => format!(
                "Add a new column and stop using the old one, or give up the protection in the same transaction: \
                 {}; ...; {}.",
                registration.end, registration.again
            ),
            _ => format!(
                "Delete the rows that are meant by an attribute they share, under an approval: SELECT \
                 backstop.approve_batch('why', max_rows => <rows>, relations => {}, operations => '{{delete}}'). To \
                 give up the protection: {}.",
                array(&[subject.qualified]),
                registration.end
            ),
        }
    }

    fn refused(
        &self,
        subject: Subject,
        message: String,
        detail: String,
        hint: String,
    ) -> Violation {
        let column = matches!(
            self.kind,
            Kind::DropColumn
                | Kind::AlterColumnType
                | Kind::DropAttribute
                | Kind::AlterAttributeType
                | Kind::RenameColumn
                | Kind::RenameRegisteredColumn
        );
        Violation {
            rule: Rule::DestructiveDdl,
            message,
            detail,
            hint,
            schema: Some(subject.schema.to_owned()),
            table: Some(subject.table.to_owned()),
            column: self.object.clone().filter(|_| column),
        }
    }
}

/// SF013: the guard itself would be changed. `what` is the object, as in `schema "backstop"`.
pub fn tamper(what: &str, subject: Option<Subject>) -> Violation {
    Violation {
        rule: Rule::Tamper,
        message: format!("change of {what} is refused"),
        detail: "It belongs to pg_backstop, and tables or sequences are protected in this database.".to_owned(),
        hint: "Give up the protections first: backstop.protected_table, protected_column and protected_sequence list them, \
               backstop.unprotect(), unprotect_columns() and unprotect_sequence() end them."
            .to_owned(),
        schema: subject.map(|subject| subject.schema.to_owned()),
        table: subject.map(|subject| subject.table.to_owned()),
        column: None,
    }
}

/// SF013: PUBLIC would no longer be allowed to execute a function that the guard calls for everyone.
pub fn withheld(function: &str) -> Violation {
    Violation {
        rule: Rule::Tamper,
        message: format!("change of everyone's privileges on function \"{function}\" is refused"),
        detail: "Guarded tables and sequences call it with the rights of whoever changes them, and tables or sequences are \
                 protected in this database: their changes would fail with \"permission denied\"."
            .to_owned(),
        hint: "PUBLIC keeps EXECUTE on backstop.capture_row(), backstop.capture() and backstop.guarded_setval(): revoke it on \
               other functions of pg_backstop by name."
            .to_owned(),
        schema: None,
        table: None,
        column: None,
    }
}

/// A row of the record's `table` would be changed or removed.
pub fn append_only(table: &str) -> Violation {
    Violation {
        rule: Rule::Tamper,
        message: format!("change of what is in table \"{table}\" is refused"),
        detail: "It is part of pg_backstop's record, which is append-only, for superusers too."
            .to_owned(),
        hint: "SELECT backstop.prune(interval '90 days') removes what is older than that."
            .to_owned(),
        schema: Some("backstop".to_owned()),
        table: Some(table.to_owned()),
        column: None,
    }
}

/// A registration would be changed or removed other than by the functions that are there for it.
pub fn by_functions_only(table: &str) -> Violation {
    Violation {
        rule: Rule::Tamper,
        message: format!("change of what is in table \"{table}\" is refused"),
        detail: "It says what pg_backstop protects, and its functions alone change it, for superusers too: triggers and \
                 other sessions follow only them."
            .to_owned(),
        hint: "backstop.protect(), protect_columns() and protect_sequence() change a registration, backstop.unprotect(), \
               unprotect_columns() and unprotect_sequence() end it."
            .to_owned(),
        schema: Some("backstop".to_owned()),
        table: Some(table.to_owned()),
        column: None,
    }
}

#[cfg(test)]
mod tests;
