use super::super::wrap::WIDTH;
use super::*;

fn destroyed(relation: &str, operation: &str, rows: i64, cause: Option<&str>) -> Step {
    Step {
        relation: relation.to_owned(),
        operation: operation.to_owned(),
        rows,
        cause: cause.map(str::to_owned),
        ..Step::default()
    }
}

fn request() -> Request {
    Request {
        id: 17,
        state: "denied".to_owned(),
        session_role: "app".to_owned(),
        role: "app".to_owned(),
        requested_at: "now".to_owned(),
        statement: "DELETE FROM users".to_owned(),
        kind: "preview".to_owned(),
        rows: 9,
        expendable_rows: 2,
        ..Request::default()
    }
}

/// The tree without its head.
fn steps_of(steps: &[Step]) -> Vec<String> {
    let lines = tree(&request(), steps);
    let start = lines.iter().position(|line| line == "|").unwrap_or(0);
    lines[start + 1..].to_vec()
}

#[test]
fn what_a_relation_causes_stands_below_it() {
    let steps = [
        destroyed("public.users", "DELETE", 2, None),
        destroyed(
            "public.subs",
            "DELETE",
            3,
            Some("cascade from public.users"),
        ),
        destroyed(
            "public.log",
            "UPDATE",
            1,
            Some("trigger purge on public.subs"),
        ),
        destroyed("public.other", "UPDATE", 4, None),
    ];
    assert_eq!(
        steps_of(&steps),
        [
            "+- DELETE public.users: 2 rows",
            "|  `- DELETE public.subs: 3 rows, by cascade",
            "|     `- UPDATE public.log: 1 row, by trigger purge",
            "`- UPDATE public.other: 4 rows",
        ]
    );
}

#[test]
fn a_cause_that_is_not_listed_is_named() {
    let steps = [destroyed(
        "public.log",
        "DELETE",
        1,
        Some("trigger t on public.x"),
    )];
    assert_eq!(
        steps_of(&steps),
        ["`- DELETE public.log: 1 row, by trigger t on public.x"]
    );
}

#[test]
fn a_relation_that_cascades_to_itself_is_no_circle() {
    let steps = [
        destroyed("public.tree", "DELETE", 1, None),
        destroyed("public.tree", "DELETE", 5, Some("cascade from public.tree")),
    ];
    assert_eq!(
        steps_of(&steps),
        [
            "`- DELETE public.tree: 1 row",
            "   `- DELETE public.tree: 5 rows, by cascade",
        ]
    );
}

#[test]
fn a_sequence_says_where_it_would_go() {
    let steps = [Step {
        relation: "public.users_id_seq".to_owned(),
        operation: "SETVAL".to_owned(),
        rules: vec!["sequence_guard".to_owned()],
        movement: Some(Movement {
            from: "57".to_owned(),
            to: "9000000000".to_owned(),
            next: Some("9000000001".to_owned()),
            warning: None,
        }),
        ..Step::default()
    }];
    assert_eq!(
        steps_of(&steps),
        [
            "`- SETVAL public.users_id_seq",
            "        from:    57",
            "        to:      9000000000",
            "        next:    9000000001",
            "        breaks:  sequence_guard",
        ]
    );
}

#[test]
fn deep_and_wide_stays_within_the_terminal() {
    let mut steps = vec![destroyed("public.t0", "DELETE", 1, None)];
    for n in 1..12 {
        let mut step = destroyed(
            &format!("public.t{n}"),
            "UPDATE",
            1,
            Some(&format!("cascade from public.t{}", n - 1)),
        );
        step.columns = (0..20).map(|n| format!("column_{n}")).collect();
        step.cleared_columns = vec!["a".repeat(100)];
        steps.push(step);
    }
    let lines = tree(&request(), &steps);
    assert!(
        lines.iter().all(|line| line.chars().count() <= WIDTH),
        "{lines:#?}"
    );
}

#[test]
fn a_name_cannot_draw_a_line_of_its_own() {
    let steps = [destroyed("public.\"a\n`- DELETE b\"", "DELETE", 1, None)];
    assert_eq!(steps_of(&steps).len(), 1);
}
