//! DDL on a table that counts for its protected children alone: the approval that the refusal asks for covers it, and what it
//! takes along is recorded.

use pg_backstop_tests::{approved, database_with, last_statement, passes, query_text, refused};

const INHERITED: &str = "CREATE TABLE par (id int, v int); CREATE TABLE inh (PRIMARY KEY (id)) INHERITS (par);
    INSERT INTO par VALUES (1, 1); INSERT INTO inh VALUES (2, 2), (3, 3); SELECT backstop.protect('inh')";

const PARTITIONED: &str = "CREATE TABLE par (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
    CREATE TABLE inh PARTITION OF par FOR VALUES FROM (0) TO (10);
    INSERT INTO par VALUES (2, 2), (3, 3); SELECT backstop.protect('inh')";

const DESTRUCTIVE: [(&str, &str); 4] = [
    ("DROP TABLE par CASCADE", "drop"),
    ("TRUNCATE par", "truncate"),
    ("ALTER TABLE par DROP COLUMN v", "alter"),
    (
        "ALTER TABLE par ALTER COLUMN v TYPE bigint USING v + 1",
        "alter",
    ),
];

/// What an approval of `operation` has to name, as the refusal's hint says.
fn hinted(hint: &str, operation: &str) -> String {
    let relations = "relations => '{public.par}', operations => ";
    assert!(
        hint.contains(&format!("{relations}'{{{operation}}}'")),
        "{hint}"
    );
    format!("SELECT backstop.approve_batch('why', 1000, '{{public.par}}', '{{{operation}}}')")
}

#[test]
fn the_approval_that_the_refusal_asks_for_covers_the_children() {
    for world in [INHERITED, PARTITIONED] {
        for (statement, operation) in DESTRUCTIVE {
            let (_db, mut admin) = database_with(world);
            let rows = "SELECT string_agg(inh::text, ' ' ORDER BY id) FROM inh";
            let before = query_text(&mut admin, rows);
            let refusal = refused(&mut admin, statement);
            assert_eq!(refusal.sqlstate, "SF008", "{statement}: {refusal:?}");
            let named = "of table \"par\", parent of protected table \"inh\", is refused";
            assert!(refusal.message.ends_with(named), "{refusal:?}");
            let approve = hinted(&refusal.hint, operation);
            passes(
                &mut admin,
                &format!("BEGIN; {approve}; {statement}; COMMIT"),
            );
            let id = last_statement(&mut admin);
            if world == INHERITED && operation == "drop" {
                // A parent with rows of its own is nobody's to record: the child comes back when it is there.
                passes(&mut admin, "CREATE TABLE par (id int, v int)");
            }
            let restore = format!("SELECT FROM backstop.restore({id}, dry_run => false)");
            passes(&mut admin, &restore);
            assert_eq!(query_text(&mut admin, rows), before, "{statement}");
        }
    }
}

#[test]
fn an_approval_of_something_else_covers_neither() {
    let (_db, mut admin) = database_with(INHERITED);
    for (statement, operation) in DESTRUCTIVE {
        for approve in [
            format!("'{{public.other}}', '{{{operation}}}'"),
            "'{public.par}', '{delete}'".to_owned(),
        ] {
            let refusal = refused(
                &mut admin,
                &format!(
                    "BEGIN; SELECT backstop.approve_batch('why', 1000, {approve}); {statement}"
                ),
            );
            assert_eq!(refusal.sqlstate, "SF010", "{statement}: {refusal:?}");
            passes(&mut admin, "ROLLBACK");
        }
    }
}

#[test]
fn a_child_that_asks_for_more_gets_it() {
    let (_db, mut admin) = database_with(INHERITED);
    passes(
        &mut admin,
        "SELECT backstop.protect('inh', approval => 'preview')",
    );
    let refusal = refused(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('why', 1000, '{public.par}', '{drop}'); DROP TABLE par CASCADE",
    );
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    passes(&mut admin, "ROLLBACK");
}

#[test]
fn the_budget_counts_the_children() {
    let (_db, mut admin) = database_with(INHERITED);
    let refusal = refused(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('why', 1, '{public.par}', '{drop}'); DROP TABLE par CASCADE",
    );
    assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
    passes(&mut admin, "ROLLBACK");
    approved(&mut admin, 2, "DROP TABLE par CASCADE");
}
