use super::*;

fn standing(text: &str) -> Standing {
    Standing {
        intent: Intent::parse(text).expect("valid"),
        spent: 0,
        set_at: 0,
    }
}

fn request<'a>(names: &'a [String], operation: Operation) -> Request<'a> {
    Request {
        names,
        operation,
        kind: Kind::Session,
        now: 1_000_000,
        ttl: 900_000_000,
    }
}

#[test]
fn a_time_may_be_written_as_postgresql_prints_it() {
    let utc = parse_time("2026-11-21T12:00:00.5Z").unwrap();
    for same in [
        "2026-11-21 12:00:00.5+00",
        "2026-11-21 12:00:00.500000+00:00",
        "2026-11-21 17:30:00.5+05:30",
        "2026-11-21T17:30:00.5+0530",
        "2026-11-21 09:00:00.5-03",
    ] {
        assert_eq!(parse_time(same).unwrap(), utc, "{same}");
    }
    for none in [
        "2026-11-21 12:00:00",
        "2026-11-21",
        "now",
        "2026-11-21 12:00:00+\u{e9}",
        "2026-11-2\u{e9}+1\u{e9}2",
        "",
    ] {
        assert!(parse_time(none).is_err(), "{none}");
    }
}

#[test]
fn unknown_and_missing_members_are_refused() {
    assert!(
        Intent::parse(r#"{"reason": "a", "max_rows": 1, "rows": 2}"#)
            .unwrap_err()
            .contains("rows")
    );
    assert!(
        Intent::parse(r#"{"reason": "a"}"#)
            .unwrap_err()
            .contains("max_rows")
    );
    assert!(
        Intent::parse(r#"{"max_rows": 1}"#)
            .unwrap_err()
            .contains("reason")
    );
    assert!(Intent::parse(r#"{"reason": " ", "max_rows": 1}"#).is_err());
    assert!(Intent::parse(r#"{"reason": "a", "max_rows": 0}"#).is_err());
    assert!(Intent::parse(r#"{"reason": "a", "max_rows": 1, "operations": ["erase"]}"#).is_err());
    assert!(Intent::parse(r#"{"reason": "a", "max_rows": 1, "expires": "tomorrow"}"#).is_err());
    assert!(Intent::parse("yes").is_err());
    let twice = Intent::parse(r#"{"reason": "a", "max_rows": 1, "max_rows": 500}"#);
    assert!(twice.unwrap_err().contains("duplicate field `max_rows`"));
}

#[test]
fn relations_operations_time_and_budget_are_checked() {
    let users = ["public.users".to_owned()];
    let other = ["public.orders".to_owned()];
    let text = r#"{"reason": "a", "max_rows": 2, "relations": ["public.users"], "operations": ["delete"]}"#;
    let mut approval = standing(text);
    assert_eq!(approval.refusal(&request(&users, Operation::Delete)), None);
    assert!(
        approval
            .refusal(&request(&other, Operation::Delete))
            .is_some()
    );
    assert!(
        approval
            .refusal(&request(&users, Operation::Update))
            .is_some()
    );
    approval.spent = 2;
    assert!(
        approval
            .refusal(&request(&users, Operation::Delete))
            .expect("spent")
            .contains("spent")
    );
}

#[test]
fn an_approval_of_ddl_covers_what_the_record_calls_it() {
    let users = ["public.users".to_owned()];
    for (approved, operations) in [
        ("drop", vec![Operation::Drop, Operation::DropTable]),
        (
            "alter",
            vec![
                Operation::Alter,
                Operation::DropColumn,
                Operation::AlterColumnType,
            ],
        ),
    ] {
        let text = format!(r#"{{"reason": "a", "max_rows": 2, "operations": ["{approved}"]}}"#);
        for operation in operations {
            let asked = request(&users, operation);
            assert_eq!(standing(&text).refusal(&asked), None, "{operation:?}");
        }
        let asked = request(&users, Operation::Delete);
        assert!(standing(&text).refusal(&asked).is_some());
    }
}

#[test]
fn an_approval_ends_with_its_time_to_live_and_at_its_expiry() {
    let users = ["public.users".to_owned()];
    let approval = standing(r#"{"reason": "a", "max_rows": 2, "expires": "1970-01-01T00:00:02Z"}"#);
    let mut asked = request(&users, Operation::Delete);
    assert_eq!(approval.refusal(&asked), None);
    asked.now = 2_000_000;
    assert!(
        approval
            .refusal(&asked)
            .expect("expired")
            .contains("expired")
    );
    let forever = standing(r#"{"reason": "a", "max_rows": 2}"#);
    asked.now = 900_000_001;
    assert!(
        forever
            .refusal(&asked)
            .expect("old")
            .contains("approval_ttl")
    );
}

#[test]
fn a_stronger_kind_is_asked_for() {
    let users = ["public.users".to_owned()];
    let approval = standing(r#"{"reason": "a", "max_rows": 2}"#);
    let asked = Request {
        kind: Kind::Preview,
        ..request(&users, Operation::Delete)
    };
    assert!(
        approval
            .refusal(&asked)
            .expect("weaker")
            .contains("preview")
    );
}

#[test]
fn a_nul_is_malformed_and_cuts_no_sentence_short() {
    for (text, member) in [
        (r#"{"reason": "a\u0000b", "max_rows": 1}"#, "reason"),
        (
            r#"{"reason": "a", "max_rows": 1, "relations": ["public.t", "public.\u0000"]}"#,
            "relations",
        ),
        (
            r#"{"reason": "a", "max_rows": 1, "expires": "2026-11-21T12:00:00Z\u0000"}"#,
            "expires",
        ),
    ] {
        assert_eq!(
            Intent::parse(text).unwrap_err(),
            format!(
                "The member \"{member}\" holds a NUL character (\\u0000): PostgreSQL's text cannot."
            )
        );
    }
    let nowhere = [
        Intent::parse(r#"{"reason": "a", "max_rows": 1, "no\u0000te": 2}"#),
        Intent::parse(r#"{"reason": "a", "max_rows": "\u0000"}"#),
        Intent::parse(r#"{"reason": "a", "max_rows": 1, "operations": ["dr\u0000op"]}"#),
    ];
    for refused in nowhere {
        let why = refused.unwrap_err();
        assert!(!why.contains('\0') && why.contains("\\u0000"), "{why}");
    }
}
