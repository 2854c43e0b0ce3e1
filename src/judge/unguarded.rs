//! SF012 and SF013 of a statement that the guard does not see: it fails closed.

use super::limits::Subject;
use crate::model::{Rule, Violation};

/// SF012.
pub fn not_loaded(subject: Option<Subject>) -> Violation {
    let statement = subject
        .map(|subject| format!("statement on protected table \"{}\"", subject.table))
        .unwrap_or_else(|| "statement".to_owned());
    Violation {
        rule: Rule::NotLoaded,
        message: format!("pg_backstop was not loaded when this {statement} was planned"),
        detail: "It reached what is protected, whose rules could not be checked, so it was refused. Nothing was changed."
            .to_owned(),
        hint: "The library is loaded now: run the statement again. To load it in every session, add pg_backstop to \
               shared_preload_libraries, or ALTER DATABASE ... SET session_preload_libraries = 'pg_backstop'."
            .to_owned(),
        schema: subject.map(|subject| subject.schema.to_owned()),
        table: subject.map(|subject| subject.table.to_owned()),
        column: None,
    }
}

/// SF012, of a table that has become protected since the statement's rules were asked.
pub fn protected_since(subject: Subject) -> Violation {
    Violation {
        rule: Rule::NotLoaded,
        message: format!(
            "table \"{}\" has been protected since this statement began",
            subject.table
        ),
        detail:
            "Its rules could not be checked, so the statement was refused. Nothing was changed."
                .to_owned(),
        hint: "Run the statement again.".to_owned(),
        schema: Some(subject.schema.to_owned()),
        table: Some(subject.table.to_owned()),
        column: None,
    }
}

/// SF001, of a row that is taken where a query stands that was not planned to feed a cursor: which keys it reads is not known.
pub fn cursor_not_judged(subject: Subject, cursor: &str) -> Violation {
    Violation {
        rule: Rule::KeyRange,
        message: format!(
            "statement on protected table \"{}\" goes by portal \"{cursor}\", which is no declared cursor",
            subject.table
        ),
        detail: "Its query was not planned as a cursor's, so how it reads the protected key is not known. Nothing was changed."
            .to_owned(),
        hint: "Name the row by its key, or declare the cursor: DECLARE c CURSOR FOR SELECT ... FOR UPDATE.".to_owned(),
        schema: Some(subject.schema.to_owned()),
        table: Some(subject.table.to_owned()),
        column: None,
    }
}

/// The trigger that counts and records a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowTrigger {
    Missing,
    /// `tgenabled` of pg_trigger.
    Made(u8),
    /// A partitioned table has no rows of its own.
    NotNeeded,
}

impl RowTrigger {
    /// Whether it fires, in a session that is a replica (`session_replication_role`) or is not.
    pub fn fires(self, replica: bool) -> bool {
        match self {
            RowTrigger::Missing => false,
            RowTrigger::Made(b'O') => !replica,
            RowTrigger::Made(b'R') => replica,
            RowTrigger::Made(enabled) => enabled != b'D',
            RowTrigger::NotNeeded => true,
        }
    }

    /// SF013. `register`: the commands that register the table, or what it follows, as it is.
    pub fn violation(self, subject: Subject, register: &str) -> Violation {
        let table = subject.table;
        let (message, hint) = match self {
            RowTrigger::Missing => (
                format!("table \"{table}\" lacks the trigger \"backstop_capture\""),
                format!("Registering again what guards it makes it: {register}"),
            ),
            _ => (
                format!("the trigger \"backstop_capture\" of table \"{table}\" is disabled"),
                format!(
                    "ALTER TABLE {} ENABLE ALWAYS TRIGGER backstop_capture;",
                    subject.qualified
                ),
            ),
        };
        Violation {
            rule: Rule::Tamper,
            message,
            detail: "It counts and records what a statement destroys, so the statement was refused. Nothing was changed."
                .to_owned(),
            hint,
            schema: Some(subject.schema.to_owned()),
            table: Some(table.to_owned()),
            column: None,
        }
    }
}

/// SF013, of a follower that a TRUNCATE emptied without the trigger that records it. `register`: as for a row trigger.
pub fn truncate_unseen(subject: Subject, register: &str) -> Violation {
    Violation {
        rule: Rule::Tamper,
        message: format!(
            "the trigger \"backstop_guard_truncate\" of table \"{}\" is disabled or missing",
            subject.table
        ),
        detail:
            "It records what TRUNCATE removes, so the statement was refused. Nothing was changed."
                .to_owned(),
        hint: format!("Registering again what guards it makes and enables it: {register}"),
        schema: Some(subject.schema.to_owned()),
        table: Some(subject.table.to_owned()),
        column: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_fires_as_it_is_enabled() {
        let fires = |trigger: RowTrigger| (trigger.fires(false), trigger.fires(true));
        assert_eq!(fires(RowTrigger::Made(b'A')), (true, true));
        assert_eq!(fires(RowTrigger::Made(b'O')), (true, false));
        assert_eq!(fires(RowTrigger::Made(b'R')), (false, true));
        assert_eq!(fires(RowTrigger::Made(b'D')), (false, false));
        assert_eq!(fires(RowTrigger::Missing), (false, false));
        assert_eq!(fires(RowTrigger::NotNeeded), (true, true));
    }

    #[test]
    fn the_next_step_is_a_command() {
        let subject = Subject {
            schema: "public",
            table: "Users",
            qualified: "public.\"Users\"",
        };
        let disabled = RowTrigger::Made(b'D').violation(subject, "");
        assert_eq!(
            disabled.hint,
            "ALTER TABLE public.\"Users\" ENABLE ALWAYS TRIGGER backstop_capture;"
        );
        let missing = RowTrigger::Missing.violation(subject, "SELECT 1;");
        assert!(missing.hint.ends_with(" makes it: SELECT 1;"));
    }
}
