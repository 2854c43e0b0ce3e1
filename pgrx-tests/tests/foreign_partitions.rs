//! Foreign tables as partitions of a protected table: their rows have no place that tells them apart, and each is
//! counted and recorded once.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, PORT, database, passes, query_text, refused};

/// `orders` has a local partition and one that postgres_fdw finds in the same database.
fn world() -> Option<(Database, Client)> {
    let db = database();
    let mut admin = db.connect();
    let found = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'";
    if query_text(&mut admin, found) == "0" {
        println!("SKIPPED: this PostgreSQL came without postgres_fdw");
        return None;
    }
    passes(
        &mut admin,
        &format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw
                 OPTIONS (host '{}', port '{}', dbname '{}');
             CREATE USER MAPPING FOR postgres SERVER loopback OPTIONS (user 'postgres');
             CREATE TABLE far (id bigint, region text, v text);
             INSERT INTO far SELECT n, 'far', 'v' || n FROM generate_series(11, 20) n;
             CREATE TABLE orders (id bigint, region text, v text) PARTITION BY LIST (region);
             CREATE TABLE orders_near PARTITION OF orders FOR VALUES IN ('near');
             CREATE FOREIGN TABLE orders_far PARTITION OF orders FOR VALUES IN ('far')
                 SERVER loopback OPTIONS (table_name 'far');
             INSERT INTO orders SELECT n, 'near', 'v' || n FROM generate_series(1, 10) n;
             SELECT backstop.protect('orders', key_columns => '{{id}}', max_rows => 8)",
            db.endpoint.socket.display(),
            PORT,
            db.name
        ),
    );
    Some((db, admin))
}

const RECORDED: &str = "SELECT operation, count(*), count(DISTINCT key), string_agg(old_row ->> 'v', ',' ORDER BY old_row ->> 'id')
    FROM backstop.preimage GROUP BY 1";

#[test]
fn a_delete_through_the_parent_is_recorded_row_by_row() {
    let Some((_db, mut admin)) = world() else {
        return;
    };
    passes(
        &mut admin,
        "DELETE FROM orders WHERE v IN ('v1', 'v2', 'v11', 'v12', 'v13')",
    );
    assert_eq!(
        query_text(&mut admin, RECORDED),
        "DELETE|5|5|v1,v11,v12,v13,v2"
    );
    let rows = "SELECT rows FROM backstop.statement";
    assert_eq!(query_text(&mut admin, rows), "5");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM orders"), "15");
}

#[test]
fn an_update_of_the_foreign_partition_is_recorded_row_by_row() {
    let Some((_db, mut admin)) = world() else {
        return;
    };
    passes(
        &mut admin,
        "UPDATE orders_far SET v = 'gone' WHERE v IN ('v14', 'v15', 'v16')",
    );
    assert_eq!(query_text(&mut admin, RECORDED), "UPDATE|3|3|v14,v15,v16");
}

#[test]
fn foreign_rows_count_against_the_limit() {
    let Some((_db, mut admin)) = world() else {
        return;
    };
    // Eight rows are allowed: four here and five there are one too many.
    let statement =
        "DELETE FROM orders WHERE v IN ('v1', 'v2', 'v3', 'v4', 'v11', 'v12', 'v13', 'v14', 'v15')";
    assert_eq!(refused(&mut admin, statement).sqlstate, "SF005");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM orders"), "20");
    passes(&mut admin, &statement.replace(", 'v15'", ""));
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM orders"), "12");
}

/// A foreign table has no TRUNCATE trigger: nothing could be recorded.
#[test]
fn an_approved_truncate_is_refused() {
    let Some((_db, mut admin)) = world() else {
        return;
    };
    let refusal = refused(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', max_rows => 100); TRUNCATE orders; COMMIT",
    );
    passes(&mut admin, "ROLLBACK");
    assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM orders"), "20");
}
