//! Restore of ALTER COLUMN TYPE: nobody's later work is overwritten, and going back across one goes all the way.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, last_statement, now, query_text};

fn rows(client: &mut Client, table: &str) -> String {
    query_text(
        client,
        &format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"),
    )
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

/// Totals of going back: captured, restored, unchanged, conflicts.
fn go_back(client: &mut Client, at: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts)
         FROM backstop.restore_since('{at}', dry_run => false{options})"
    );
    query_text(client, &sql)
}

#[test]
fn going_back_across_a_conversion_that_loses_nothing_undoes_what_was_before_it() {
    for conversion in ["bigint", "text"] {
        let (_db, mut admin) = database_with(
            "CREATE TABLE t (id int PRIMARY KEY, b int, a text); INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b');
             SELECT backstop.protect('t')",
        );
        let at = now(&mut admin);
        approved(
            &mut admin,
            10,
            &format!(
                "UPDATE t SET a = '9' WHERE id = 1; UPDATE t SET b = 9 WHERE id = 2; ALTER TABLE t ALTER b TYPE {conversion}"
            ),
        );
        assert_eq!(go_back(&mut admin, &at, ""), "4|4|0|0", "{conversion}");
        assert_eq!(rows(&mut admin, "t"), "(1,1,a) (2,2,b)", "{conversion}");
        assert_eq!(
            query_text(&mut admin, "SELECT DISTINCT pg_typeof(b) FROM t"),
            "integer"
        );
    }
}

#[test]
fn what_comes_back_with_its_column_is_not_called_unchanged() {
    let (_db, mut admin) = database_with(
        "CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE e (id int PRIMARY KEY, v text, b d);
         INSERT INTO e VALUES (1, '1', DEFAULT), (2, '2', 2); SELECT backstop.protect('e')",
    );
    for ddl in [
        "ALTER TABLE e ALTER v TYPE varchar(9)",
        "DROP DOMAIN d CASCADE",
    ] {
        approved(&mut admin, 10, ddl);
        let id = last_statement(&mut admin);
        assert_eq!(
            restore(&mut admin, &id, ", dry_run => false"),
            "2|2|0|0",
            "{ddl}"
        );
        assert_eq!(restore(&mut admin, &id, ""), "2|0|2|0", "{ddl}, again");
        assert_eq!(rows(&mut admin, "e"), "(1,1,7) (2,2,2)", "{ddl}");
    }
}
