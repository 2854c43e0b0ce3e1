use super::*;

const USERS: Subject = Subject {
    schema: "public",
    table: "users",
    qualified: "public.users",
};

#[test]
fn a_limit_names_the_count_and_the_next_step() {
    let violation = row_limit(USERS, Operation::Delete, 1, Kind::Session);
    assert_eq!(
        violation.message,
        "DELETE on table \"users\" would destroy more than 1 row"
    );
    assert!(violation.detail.contains("row 2"));
    assert!(violation.hint.contains("approve_batch"));
    assert_eq!(violation.table.as_deref(), Some("users"));
}

#[test]
fn the_next_step_is_of_the_kind_that_the_table_accepts() {
    for asked in [Kind::Preview, Kind::SecondPerson] {
        for violation in [
            approval_needed(USERS, Operation::Delete, asked),
            transaction_limit(USERS, Operation::Delete, 1, 1, asked),
            beyond_approvals(USERS, Operation::Delete, 1, 1, asked),
        ] {
            assert!(!violation.hint.contains("approve_batch"));
            assert!(violation.hint.contains("backstop.preview($$"));
            let other = asked == Kind::SecondPerson;
            assert_eq!(violation.hint.contains("someone else"), other);
        }
    }
}

#[test]
fn upstreams_are_listed() {
    assert!(
        mixed_upstreams(USERS, "cache", &["a", "b", "c"])
            .detail
            .contains("\"a\", \"b\" and \"c\"")
    );
}
