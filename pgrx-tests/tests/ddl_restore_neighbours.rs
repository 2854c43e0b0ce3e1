//! What a drop takes from tables that stay, and from views, comes back with the table; what cannot is named.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Notices, approved, database, passes, query_text};

fn world(sql: &str) -> (Database, Client, Notices) {
    let db = database();
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(&mut admin, sql);
    (db, admin, notices)
}

/// Restores the last statement; the warnings.
fn restore(admin: &mut Client, notices: &Notices) -> String {
    notices.take();
    passes(
        admin,
        "SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)",
    );
    let warnings: Vec<String> = notices
        .take()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    warnings.join("\n")
}

/// What `query` says comes back with what `statement` takes.
fn comes_back(sql: &str, statement: &str, query: &str) {
    let (_db, mut admin, notices) = world(sql);
    let before = query_text(&mut admin, query);
    approved(&mut admin, 1000, statement);
    assert_ne!(query_text(&mut admin, query), before, "{statement}");
    assert_eq!(restore(&mut admin, &notices), "");
    assert_eq!(query_text(&mut admin, query), before, "{statement}");
}

#[test]
fn indexes_of_a_materialized_view() {
    comes_back(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
         CREATE UNIQUE INDEX ON mv (id); CREATE INDEX mv_more ON mv ((id + 1)); SELECT backstop.protect('t')",
        "DROP TABLE t CASCADE",
        "SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid::regclass::text) FROM pg_index
         WHERE indrelid = to_regclass('mv')",
    );
}
