//! Restore of rows that one statement changed several times, and of rows that have changed since.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, last_statement, now, passes, query_text, refused};

/// Ten rows `(n, vn, un)`, u unique; functions `often` and `twice` change rows several times in one statement.
fn world() -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE t (id bigint PRIMARY KEY, v text, u text UNIQUE);
         INSERT INTO t SELECT n, 'v' || n, 'u' || n FROM generate_series(1, 10) n;
         CREATE TABLE before AS TABLE t;
         CREATE FUNCTION often() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             FOR i IN 1 .. 5 LOOP UPDATE t SET v = 'p' || i WHERE id = 1; END LOOP;
             DELETE FROM t WHERE id = 1;
             DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'new', 'u3'); UPDATE t SET v = 'newer' WHERE id = 3;
             DELETE FROM t WHERE id = 4; UPDATE t SET u = 'u4' WHERE id = 5; END $$;
         CREATE FUNCTION twice() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             UPDATE t SET v = 'a' WHERE id IN (6, 7, 8); UPDATE t SET v = 'b' WHERE id IN (6, 7, 8); END $$;
         SELECT backstop.protect('t', max_rows => 1000)",
    );
    (db, admin)
}

fn restore(client: &mut Client, id: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}{options})"
    );
    query_text(client, &sql)
}

fn differences(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT count(*) FROM ((TABLE t EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE t)) d",
    )
}

#[test]
fn each_row_goes_back_to_its_beginning_and_forth_again() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SELECT often()");
    let id = last_statement(&mut admin);
    passes(&mut admin, "CREATE TABLE left_as AS TABLE t");
    assert_eq!(restore(&mut admin, &id, ""), "10|10|0|0");
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "10|10|0|0");
    assert_eq!(differences(&mut admin), "0");
    let back = last_statement(&mut admin);
    restore(&mut admin, &back, ", dry_run => false");
    let forth = "SELECT count(*) FROM ((TABLE t EXCEPT TABLE left_as) UNION ALL (TABLE left_as EXCEPT TABLE t)) d";
    assert_eq!(query_text(&mut admin, forth), "0");
}

#[test]
fn the_earliest_image_decides_what_has_become_of_a_row() {
    let (_db, mut admin) = world();
    passes(&mut admin, "SELECT twice()");
    let id = last_statement(&mut admin);
    // 6 is as it was before all of it, 7 as it was in between.
    passes(
        &mut admin,
        "UPDATE t SET v = 'v6' WHERE id = 6; UPDATE t SET v = 'a' WHERE id = 7",
    );
    let conflicts = format!(
        "SELECT key, old_row ->> 'v', left_as ->> 'v', current_row ->> 'v' FROM backstop.restore_conflicts({id})"
    );
    assert_eq!(query_text(&mut admin, &conflicts), "{\"id\": 7}|v7|b|a");
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false, on_conflict => 'skip'"),
        "6|2|2|2"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT string_agg(v, ',' ORDER BY id) FROM t WHERE id IN (6, 7, 8)"
        ),
        "v6,a,v8"
    );
}

#[test]
fn a_unique_value_taken_by_another_row_is_a_conflict_and_never_overwritten() {
    let (_db, mut admin) = world();
    passes(&mut admin, "DELETE FROM t WHERE id = 10");
    let deleted = last_statement(&mut admin);
    passes(&mut admin, "UPDATE t SET u = 'changed' WHERE id = 9");
    let updated = last_statement(&mut admin);
    passes(
        &mut admin,
        "INSERT INTO t VALUES (11, 'other', 'u10'), (12, 'other', 'u9')",
    );
    for id in [&deleted, &updated] {
        assert_eq!(restore(&mut admin, id, ""), "1|0|0|1");
        assert_eq!(
            restore(&mut admin, id, ", dry_run => false, on_conflict => 'skip'"),
            "1|0|0|1"
        );
        for dry_run in [true, false] {
            let call = format!("backstop.restore({id}, {dry_run}, on_conflict => 'overwrite')");
            let refusal = refused(&mut admin, &format!("SELECT * FROM {call}"));
            assert_eq!(
                (
                    refusal.sqlstate.as_str(),
                    refusal.message.contains("t_u_key")
                ),
                ("23505", true)
            );
            assert!(refusal.detail.contains("(u)=(u"), "{refusal:?}");
            assert!(refusal.hint.contains("'skip'"), "{refusal:?}");
        }
    }
    let others = "SELECT string_agg(id || u, ' ' ORDER BY id) FROM t WHERE v = 'other'";
    assert_eq!(query_text(&mut admin, others), "11u10 12u9");
    let other = format!("SELECT current_row ->> 'id' FROM backstop.restore_conflicts({deleted})");
    assert_eq!(query_text(&mut admin, &other), "11");
}

#[test]
fn overwriting_a_row_that_is_gone_inserts_it_and_can_be_undone() {
    let (_db, mut admin) = world();
    passes(&mut admin, "UPDATE t SET v = 'x' WHERE id = 4");
    let id = last_statement(&mut admin);
    passes(&mut admin, "DELETE FROM t WHERE id = 4");
    assert_eq!(
        restore(
            &mut admin,
            &id,
            ", dry_run => false, on_conflict => 'overwrite'"
        ),
        "1|1|0|1"
    );
    assert_eq!(differences(&mut admin), "0");
    let undo = last_statement(&mut admin);
    restore(&mut admin, &undo, ", dry_run => false");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM t WHERE id = 4"),
        "0"
    );
}

#[test]
fn an_update_that_changed_nothing_does_not_stand_against_what_came_before_it() {
    let (_db, mut admin) = world();
    let at = now(&mut admin);
    passes(
        &mut admin,
        "DO $$ BEGIN UPDATE t SET v = 'x' WHERE id = 4; UPDATE t SET v = v WHERE id = 4; END $$",
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE t SET u = u WHERE id = 4");
    assert_eq!(restore(&mut admin, &id, ""), "2|1|1|0");
    let since = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts)
         FROM backstop.restore_since('{at}', dry_run => false)"
    );
    assert_eq!(query_text(&mut admin, &since), "3|1|2|0");
    assert_eq!(differences(&mut admin), "0");
}

#[test]
fn an_update_that_changed_nothing_does_not_hide_a_conflict() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "DO $$ BEGIN UPDATE t SET u = u WHERE id = 4; UPDATE t SET v = 'x' WHERE id = 4; END $$",
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE t SET v = 'other' WHERE id = 4");
    assert_eq!(restore(&mut admin, &id, ""), "2|0|0|2");
}

#[test]
fn a_column_that_is_back_does_not_hide_that_another_is_not() {
    let (_db, mut admin) = world();
    for last in [
        "UPDATE t SET v = 'x' WHERE id = 4",
        "DELETE FROM t WHERE id = 4",
    ] {
        passes(
            &mut admin,
            &format!("DO $$ BEGIN UPDATE t SET u = 'x' WHERE id = 4; {last}; END $$"),
        );
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            "INSERT INTO t VALUES (4, 'v4', 'x') ON CONFLICT DO NOTHING;
             UPDATE t SET v = 'other', u = 'u4' WHERE id = 4",
        );
        assert_eq!(restore(&mut admin, &id, ""), "2|0|0|2", "{last}");
        let found = "SELECT old_row ->> 'v', current_row ->> 'v' FROM backstop.restore_conflicts";
        let shown = query_text(&mut admin, &format!("{found}({id})"));
        assert_eq!(shown, "v4|other", "{last}");
        passes(&mut admin, "UPDATE t SET v = 'v4' WHERE id = 4");
        assert_eq!(restore(&mut admin, &id, ""), "2|0|2|0", "{last}");
    }
}

#[test]
fn later_work_on_a_column_that_only_the_first_of_several_updates_changed_is_a_conflict() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "DO $$ BEGIN UPDATE t SET u = 'x' WHERE id = 4; UPDATE t SET v = 'x' WHERE id = 4; END $$",
    );
    let id = last_statement(&mut admin);
    passes(&mut admin, "UPDATE t SET u = 'mine' WHERE id = 4");
    let skip = ", dry_run => false, on_conflict => 'skip'";
    assert_eq!(restore(&mut admin, &id, ""), "2|1|0|1");
    assert_eq!(restore(&mut admin, &id, skip), "2|1|0|1");
    let row = "SELECT v, u FROM t WHERE id = 4";
    assert_eq!(query_text(&mut admin, row), "v4|mine");
    let overwrite = ", dry_run => false, on_conflict => 'overwrite'";
    assert_eq!(restore(&mut admin, &id, overwrite), "2|1|1|1");
    assert_eq!(differences(&mut admin), "0");
}

#[test]
fn rotated_keys_go_back() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; CREATE TABLE r (id int PRIMARY KEY, v text); INSERT INTO r SELECT n, 'v' || n FROM generate_series(1, 5) n ORDER BY n DESC;
         SELECT backstop.protect('r'); SELECT backstop.approve_batch('rotation', 10); UPDATE r SET id = id + 1 WHERE v <> ''; COMMIT",
    );
    let id = last_statement(&mut admin);
    assert_eq!(restore(&mut admin, &id, ", dry_run => false"), "5|5|0|0");
    assert_eq!(
        query_text(&mut admin, "SELECT bool_and(v = 'v' || id) FROM r"),
        "t"
    );
}

#[test]
fn a_statement_of_the_same_transaction_can_be_restored() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; DELETE FROM t WHERE id = 1; SELECT * FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false); COMMIT",
    );
    assert_eq!(differences(&mut admin), "0");
}

#[test]
fn many_chunks_come_back() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "SET backstop.max_rows_per_transaction = 1000000;
         CREATE TABLE many (id bigint PRIMARY KEY, body text, n numeric, at timestamptz, d date, u uuid);
         INSERT INTO many SELECT n, repeat(md5(n::text), 4), n / 7.0, '2000-01-01Z'::timestamptz - n * interval '1.000001 day', '2000-01-01'::date - n, md5(n::text)::uuid
             FROM generate_series(1, 20000) n;
         CREATE TABLE twin AS TABLE many; SELECT backstop.protect('many', max_rows => 100000);
         DELETE FROM many WHERE body <> ''",
    );
    let id = last_statement(&mut admin);
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false"),
        "20000|20000|0|0"
    );
    let same = "SELECT count(*) FROM many JOIN twin USING (id) WHERE many.* *= twin.*";
    assert_eq!(query_text(&mut admin, same), "20000");
}

/// A statement that only removes rows is undone from its first row on, unless it removed one twice.
#[test]
fn a_row_that_was_removed_twice_goes_back_to_its_beginning() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION gone() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             DELETE FROM t WHERE id = 1; DELETE FROM t WHERE id = 2;
             INSERT INTO t VALUES (2, 'second', 'u1'); DELETE FROM t WHERE id = 2;
             DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (30, 'v30', 'u3'); DELETE FROM t WHERE id = 30; END $$;
         SELECT gone()",
    );
    let id = last_statement(&mut admin);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT operations FROM backstop.statement ORDER BY 1 DESC LIMIT 1"
        ),
        "{DELETE}"
    );
    // Row 30 came in between, with row 3's unique value: only one of the two can be back.
    assert_eq!(restore(&mut admin, &id, ""), "5|4|0|1");
    let skip = ", dry_run => false, on_conflict => 'skip'";
    assert_eq!(restore(&mut admin, &id, skip), "5|4|0|1");
    let back = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t WHERE id IN (1, 2, 3, 30)";
    let rows = query_text(&mut admin, back);
    assert_eq!(rows, "(1,v1,u1) (2,v2,u2) (30,v30,u3)");

    // The same where someone has put another row in its place since: the first image decides.
    passes(
        &mut admin,
        "DELETE FROM t WHERE id = 2; DELETE FROM t WHERE id = 30",
    );
    passes(&mut admin, "INSERT INTO t VALUES (2, 'other', 'x')");
    let conflicts = format!(
        "SELECT key, old_row ->> 'v', current_row ->> 'v' FROM backstop.restore_conflicts({id}) WHERE key ->> 'id' = '2'"
    );
    assert_eq!(query_text(&mut admin, &conflicts), "{\"id\": 2}|v2|other");
}

#[test]
fn rows_stand_in_their_old_order_again() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE many (id int PRIMARY KEY, note text); INSERT INTO many SELECT n, repeat('x', 300) FROM generate_series(1, 3000) n;
         SELECT backstop.protect('many', max_rows => 5000)",
    );
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('all', 5000); DELETE FROM many; COMMIT",
    );
    passes(&mut admin, "VACUUM many");
    let id = last_statement(&mut admin);
    assert_eq!(
        restore(&mut admin, &id, ", dry_run => false"),
        "3000|3000|0|0"
    );
    let order = "SELECT bool_and(id = n) FROM (SELECT id, row_number() OVER (ORDER BY ctid) AS n FROM many) m";
    assert_eq!(query_text(&mut admin, order), "t");
}
