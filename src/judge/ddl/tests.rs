use super::*;

const USERS: Subject = Subject {
    schema: "public",
    table: "users",
    qualified: "public.users",
};

fn registration() -> Registration {
    Registration {
        end: "SELECT backstop.unprotect('public.users')".to_owned(),
        again: "SELECT backstop.protect('public.users', max_rows => 7)".to_owned(),
        child: None,
    }
}

#[test]
fn a_table_that_counts_for_its_child_is_not_called_protected() {
    let registration = Registration {
        child: Some("admins".to_owned()),
        ..registration()
    };
    for (through, object, message) in [
        (
            None,
            None,
            "DROP TABLE of table \"users\", parent of protected table \"admins\", is refused",
        ),
        (
            None,
            Some("plan"),
            "DROP TABLE \"plan\" of table \"users\", parent of protected table \"admins\", is refused",
        ),
        (
            Some("DROP SCHEMA"),
            None,
            "DROP SCHEMA would reach table \"users\", parent of protected table \"admins\"",
        ),
    ] {
        let action = Action {
            through,
            ..Action::new(Kind::DropTable, object.map(str::to_owned))
        };
        let violation = action.violation(USERS, &registration, ApprovalKind::Session);
        assert_eq!(violation.message, message);
    }
}

#[test]
fn what_destroys_rows_is_approved_with_its_rows() {
    for kind in [
        Kind::Truncate,
        Kind::DropTable,
        Kind::DropColumn,
        Kind::AlterColumnType,
    ] {
        assert_eq!(kind.approvable(), Approvable::Captured);
        let hint = Action::new(kind, None)
            .violation(USERS, &registration(), ApprovalKind::Session)
            .hint;
        assert!(
            hint.contains("max_rows => <rows>") && hint.contains("restore"),
            "{hint}"
        );
        let violation = Action::new(kind, None).unrecorded(USERS, &registration());
        assert_eq!(violation.rule, Rule::DestructiveDdl);
        assert!(violation.message.contains("cannot be recorded"));
        assert!(
            violation
                .hint
                .contains("backstop.unprotect('public.users')")
        );
    }
}

#[test]
fn a_refusal_names_the_column_and_how_to_approve() {
    let rename = Action::new(Kind::RenameColumn, Some("plan".to_owned())).violation(
        USERS,
        &registration(),
        ApprovalKind::Session,
    );
    assert_eq!(
        rename.message,
        "RENAME COLUMN \"plan\" of protected table \"users\" is refused"
    );
    assert_eq!(rename.column.as_deref(), Some("plan"));
    assert!(rename.hint.contains("operations => '{alter}'"));
    let trigger = Action::new(Kind::DropTrigger, Some("purge".to_owned())).violation(
        USERS,
        &registration(),
        ApprovalKind::Session,
    );
    assert_eq!(trigger.column, None);
}

#[test]
fn a_command_that_reaches_the_table_indirectly_is_named() {
    let action = Action {
        through: Some("DROP SCHEMA"),
        ..Action::new(Kind::DropTable, None)
    };
    assert_eq!(
        action
            .violation(USERS, &registration(), ApprovalKind::Session)
            .message,
        "DROP SCHEMA would reach protected table \"users\""
    );
}

#[test]
fn the_next_step_is_of_the_kind_that_the_table_accepts() {
    for kind in [Kind::Truncate, Kind::DropColumn, Kind::RenameColumn] {
        let violation =
            Action::new(kind, None).violation(USERS, &registration(), ApprovalKind::SecondPerson);
        assert!(violation.hint.contains("approved by someone else"));
        assert!(!violation.hint.contains("approve_batch"));
    }
    for kind in [Kind::SwitchAllTriggers, Kind::RenameRegisteredColumn] {
        let violation =
            Action::new(kind, None).violation(USERS, &registration(), ApprovalKind::SecondPerson);
        assert!(
            violation
                .hint
                .contains("backstop.unprotect('public.users')")
        );
        let one = kind == Kind::SwitchAllTriggers;
        assert_eq!(violation.hint.contains("the one trigger"), one);
    }
}

#[test]
fn what_decides_which_rows_are_expendable_is_named() {
    let violation = Action::new(
        Kind::ChangeExpendable,
        Some("change of function is_test(text)".to_owned()),
    )
    .violation(USERS, &registration(), ApprovalKind::Session);
    assert_eq!(
        violation.message,
        "change of function is_test(text) is refused: rows of protected table \"users\" are expendable by it"
    );
    assert!(
        violation
            .hint
            .contains("backstop.unprotect('public.users')")
    );
    assert_eq!(violation.column, None);
}

#[test]
fn no_approval_switches_the_guard_off() {
    assert_eq!(Kind::SwitchAllTriggers.approvable(), Approvable::Never);
    assert_eq!(tamper("schema \"backstop\"", None).rule, Rule::Tamper);
}
