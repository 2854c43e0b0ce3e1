//! Columns that a child has from its parent are dropped and converted with the parent's, and come back with them: what is
//! left out with the argument "relations" is not half restored.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, last_statement, now, passes, query_text, refused,
};

const REALLY: &str = "dry_run => false";

fn world() -> (Database, Client, String) {
    let (db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE ta (PRIMARY KEY (id)) INHERITS (t);
         CREATE TABLE other (id int PRIMARY KEY, v int); INSERT INTO other VALUES (1, 1);
         INSERT INTO ta VALUES (1, 1), (3, 13); INSERT INTO t VALUES (2, 2), (4, 14);
         SELECT backstop.protect('t'), backstop.protect('other')",
    );
    let at = now(&mut admin);
    (db, admin, at)
}

const ROWS: &str =
    "SELECT string_agg(concat_ws(' ', tableoid::regclass, to_jsonb(t)), ', ' ORDER BY id) FROM t";

fn rows(client: &mut Client) -> String {
    query_text(client, ROWS)
}

fn total(client: &mut Client, function: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.{function}"
    );
    query_text(client, &sql)
}

const CHANGES: [&str; 3] = [
    "ALTER TABLE t ALTER v TYPE bigint USING v + 1",
    "ALTER TABLE t DROP COLUMN v",
    "DO $$ BEGIN ALTER TABLE t ALTER v TYPE bigint USING v + 1; ALTER TABLE other ALTER v TYPE bigint USING v + 1; END $$",
];

#[test]
fn who_names_the_parent_gets_its_children_s_values_too() {
    for ddl in CHANGES {
        let (_db, mut admin, _) = world();
        let then = rows(&mut admin);
        approved(&mut admin, 100, ddl);
        let id = last_statement(&mut admin);
        let restored = format!("restore({id}, {REALLY}, relations => '{{public.t}}')");
        assert_eq!(total(&mut admin, &restored), "4|4|0|0", "{ddl}");
        assert_eq!(rows(&mut admin), then, "{ddl}");
        assert_eq!(
            query_text(&mut admin, "SELECT DISTINCT pg_typeof(v) FROM ta"),
            "integer",
            "{ddl}"
        );
    }
}

#[test]
fn a_child_s_columns_do_not_come_back_without_the_parent_s() {
    for ddl in CHANGES {
        let (_db, mut admin, at) = world();
        approved(&mut admin, 100, ddl);
        let (id, then) = (last_statement(&mut admin), rows(&mut admin));
        for options in [
            format!("restore({id}, relations => '{{public.ta}}')"),
            format!("restore({id}, {REALLY}, relations => '{{public.ta}}')"),
            format!("restore_since('{at}', relations => '{{public.ta}}', {REALLY})"),
        ] {
            let refusal = refused(&mut admin, &format!("SELECT * FROM backstop.{options}"));
            assert_eq!(refusal.sqlstate, "55000", "{options}: {refusal:?}");
            assert!(
                refusal.hint.contains("'{public.t}'"),
                "{options}: {refusal:?}"
            );
        }
        assert_eq!(rows(&mut admin), then, "{ddl}");
        let named = format!("restore({id}, {REALLY}, relations => '{{public.t,public.ta}}')");
        assert_eq!(total(&mut admin, &named), "4|4|0|0", "{ddl}");
    }
}

#[test]
fn going_back_to_a_moment_takes_the_children_s_columns_along() {
    for ddl in CHANGES {
        let (_db, mut admin, at) = world();
        let then = rows(&mut admin);
        approved(&mut admin, 100, ddl);
        let since = format!("restore_since('{at}', relations => '{{public.t}}', {REALLY})");
        assert_eq!(total(&mut admin, &since), "4|4|0|0", "{ddl}");
        assert_eq!(rows(&mut admin), then, "{ddl}");
    }
}

#[test]
fn what_was_done_to_a_child_since_is_nobody_s_to_undo_who_did_not_name_it() {
    let (_db, mut admin, at) = world();
    approved(&mut admin, 100, CHANGES[0]);
    passes(&mut admin, "UPDATE ta SET v = 99 WHERE id = 3");
    let (later, then) = (last_statement(&mut admin), rows(&mut admin));
    let since = format!("restore_since('{at}', relations => '{{public.t}}'");
    assert_eq!(total(&mut admin, &format!("{since})")), "4|3|0|1");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.{since}, {REALLY})"),
    );
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert_eq!(rows(&mut admin), then);
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({later}, {REALLY})"),
    );
    assert_eq!(total(&mut admin, &format!("{since}, {REALLY})")), "4|4|0|0");
}
