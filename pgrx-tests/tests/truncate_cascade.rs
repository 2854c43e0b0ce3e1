//! TRUNCATE ... CASCADE of a table that nothing protects: the approval that names it covers what it cascades to, as with
//! DELETE, and every row of that counts.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE up (id int PRIMARY KEY); CREATE TABLE plain (id int PRIMARY KEY);
    CREATE TABLE down (id int PRIMARY KEY, up_id int REFERENCES up);
    CREATE TABLE below (id int PRIMARY KEY, down_id int REFERENCES down);
    CREATE TABLE loose (id int PRIMARY KEY); CREATE TABLE looser (id int REFERENCES loose);
    CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);
    CREATE TABLE whole (id int PRIMARY KEY, part_id int REFERENCES parts);
    INSERT INTO up SELECT n FROM generate_series(1, 5) n; INSERT INTO down SELECT n, n FROM generate_series(1, 3) n;
    INSERT INTO below SELECT n, n FROM generate_series(1, 2) n;
    INSERT INTO loose SELECT n FROM generate_series(1, 5) n; INSERT INTO looser SELECT n FROM generate_series(1, 5) n;
    INSERT INTO parts VALUES (1); INSERT INTO whole VALUES (1, 1);
    SELECT backstop.protect('down'), backstop.protect('whole')";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// `statement` under an approval of `max_rows` rows of `relations`.
fn under(max_rows: i64, relations: &str, statement: &str) -> String {
    format!(
        "BEGIN; SELECT backstop.approve_batch('x', {max_rows}, '{{{relations}}}', '{{truncate}}'); {statement}; COMMIT"
    )
}

/// Relation, operation, cause and rows of what the last statement destroyed.
fn destroyed(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT relation, operation, cause, count(*) FROM backstop.preimage
         WHERE statement_id = (SELECT max(statement_id) FROM backstop.statement) GROUP BY 1, 2, 3 ORDER BY 1",
    )
}

/// The DETAIL of the refusal for want of an approval that covers it.
#[track_caller]
fn not_covered(client: &mut Client, sql: &str) -> String {
    let refusal = refused(client, sql);
    passes(client, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF010", "{sql}\n{refusal:?}");
    let left = "SELECT (SELECT count(*) FROM up), (SELECT count(*) FROM down), (SELECT count(*) FROM below)";
    assert_eq!(query_text(client, left), "5|3|2", "{sql}");
    refusal.detail
}

#[test]
fn the_approval_of_the_named_table_covers_what_it_cascades_to() {
    let (_db, mut admin) = world();
    let truncate = "TRUNCATE up CASCADE";
    assert!(not_covered(&mut admin, &under(4, "up", truncate)).contains("max_rows is 4"));
    passes(&mut admin, &under(5, "up", truncate));
    assert_eq!(
        destroyed(&mut admin),
        "public.below|TRUNCATE|cascade from public.up|2\npublic.down|TRUNCATE|cascade from public.up|3"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT rows, approval -> 'relations' FROM backstop.statement"
        ),
        r#"5|["public.up"]"#
    );
}

#[test]
fn an_approval_of_the_protected_table_counts_its_rows_too() {
    let (_db, mut admin) = world();
    not_covered(&mut admin, &under(4, "down", "TRUNCATE up CASCADE"));
    passes(&mut admin, &under(5, "down", "TRUNCATE up CASCADE"));
}

#[test]
fn everything_that_is_named_has_to_be_covered() {
    let (_db, mut admin) = world();
    let both = "TRUNCATE plain, up CASCADE";
    let why = not_covered(&mut admin, &under(9, "plain", both));
    assert!(
        why.contains("covers public.plain, not public.down"),
        "{why}"
    );
    not_covered(&mut admin, &under(9, "plain", "TRUNCATE up CASCADE"));
    passes(&mut admin, &under(9, "up,plain", both));
    passes(&mut admin, &under(9, "parts", "TRUNCATE parts CASCADE"));
    assert_eq!(
        destroyed(&mut admin),
        "public.whole|TRUNCATE|cascade from public.parts|1"
    );
}

#[test]
fn a_table_that_asks_for_more_gets_more() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SELECT backstop.protect('down', approval => 'preview')",
    );
    let why = not_covered(&mut admin, &under(9, "up", "TRUNCATE up CASCADE"));
    assert!(why.contains("of kind \"preview\""), "{why}");
}

#[test]
fn what_reaches_nothing_protected_spends_nothing() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        &under(1, "loose", "TRUNCATE loose CASCADE; TRUNCATE plain CASCADE"),
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "0"
    );
}
