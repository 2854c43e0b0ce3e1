//! Tables that are protected by themselves and are, become, or stop being partitions or children of protected tables: the
//! guard stays with them wherever they go.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text, refused};

const EVENTS: &str = "
    CREATE TABLE events (id bigint, day int, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE year_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    CREATE TABLE year_2 (id bigint, day int, note text, PRIMARY KEY (id, day));
    INSERT INTO events SELECT n, n, 'one' FROM generate_series(1, 20) n;
    INSERT INTO year_2 SELECT n, 100 + n, 'two' FROM generate_series(1, 20) n";

fn world(protections: &str) -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, EVENTS);
    passes(&mut admin, protections);
    (db, admin)
}

fn approved(client: &mut Client, statement: &str) {
    passes(
        client,
        &format!(
            "BEGIN; SELECT backstop.approve_batch('meant', 1, NULL, '{{alter}}'); {statement}; COMMIT"
        ),
    );
}

const ATTACH: &str = "ALTER TABLE events ATTACH PARTITION year_2 FOR VALUES FROM (100) TO (200)";
const DETACH: &str = "ALTER TABLE events DETACH PARTITION year_2";

/// `table (own|clone)` for every row trigger of ours and `table` for every TRUNCATE trigger, all of them enabled always.
fn triggers(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT coalesce(string_agg(told, ' ' ORDER BY told), '') FROM (
            SELECT concat(tgrelid::regclass, CASE WHEN tgname ~ 'capture' THEN CASE tgparentid WHEN 0 THEN '(own)' ELSE '(clone)' END END,
                          CASE WHEN tgenabled <> 'A' THEN '?' END) AS told
            FROM pg_trigger WHERE tgname IN ('backstop_capture', 'backstop_guard_truncate')) t",
    )
}

/// The key rule, the limit and the record: the guard is whole.
fn is_guarded(client: &mut Client, table: &str, limit: i32) {
    let by_range = refused(client, &format!("DELETE FROM {table} WHERE id > 1"));
    assert_eq!(by_range.sqlstate, "SF001", "{table}: {by_range:?}");
    let too_many = refused(
        client,
        &format!("UPDATE {table} SET note = 'x' WHERE note IS NOT NULL"),
    );
    assert_eq!(too_many.sqlstate, "SF005", "{table}: {too_many:?}");
    assert!(
        too_many.detail.contains(&limit.to_string()),
        "{table}: {too_many:?}"
    );
    let recorded = "SELECT count(*)::text FROM backstop.preimage";
    let before: i64 = query_text(client, recorded).parse().expect("a number");
    passes(
        client,
        &format!("UPDATE {table} SET note = note || '!' WHERE id = 3"),
    );
    let after: i64 = query_text(client, recorded).parse().expect("a number");
    assert!(after > before, "{table} is recorded");
    assert_eq!(
        refused(client, &format!("TRUNCATE {table}")).sqlstate,
        "SF008"
    );
}

fn is_free(client: &mut Client, table: &str) {
    passes(
        client,
        &format!("BEGIN; DELETE FROM {table}; TRUNCATE {table}; ROLLBACK"),
    );
}

#[test]
fn a_protected_table_is_attached_to_a_protected_one_and_stays_protected_when_detached() {
    let (_db, mut admin) = world(
        "SELECT backstop.protect('events', max_rows => 4); SELECT backstop.protect('year_2', max_rows => 7)",
    );
    assert_eq!(refused(&mut admin, ATTACH).sqlstate, "SF008");
    approved(&mut admin, ATTACH);
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(clone)"
    );
    is_guarded(&mut admin, "year_2", 4);
    is_guarded(&mut admin, "events", 4);
    approved(&mut admin, DETACH);
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(own)"
    );
    is_guarded(&mut admin, "year_2", 7);
    passes(&mut admin, "SELECT backstop.unprotect('year_2')");
    is_free(&mut admin, "year_2");
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone)"
    );
}

#[test]
fn a_failed_attach_leaves_the_guard_where_it_was() {
    let (db, mut admin) = world(
        "SELECT backstop.protect('events'); SELECT backstop.protect('year_2', max_rows => 7)",
    );
    let before = triggers(&mut admin);
    let out_of_bounds = "SET LOCAL backstop.approval = '{\"reason\": \"meant\", \"max_rows\": 1}';
        ALTER TABLE events ATTACH PARTITION year_2 FOR VALUES FROM (500) TO (600)";
    assert_eq!(
        refused(&mut admin, &format!("BEGIN; {out_of_bounds}")).sqlstate,
        "23514"
    );
    passes(&mut admin, "ROLLBACK");
    assert_eq!(triggers(&mut admin), before);
    is_guarded(&mut admin, "year_2", 7);
    // Who owns neither table is told so, whatever he approves, and takes no trigger off.
    let mut app = db.connect_as("app");
    let refusal = refused(
        &mut app,
        &format!("BEGIN; SELECT backstop.approve_batch('mine', 1); {ATTACH}"),
    );
    assert_eq!(refusal.sqlstate, "42501", "{refusal:?}");
    passes(&mut app, "ROLLBACK");
    assert_eq!(triggers(&mut admin), before);
}

#[test]
fn a_partitioned_table_with_a_protected_partition_is_attached() {
    let (_db, mut admin) = world(
        "CREATE TABLE years (id bigint, day int, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         ALTER TABLE years ATTACH PARTITION year_2 FOR VALUES FROM (100) TO (150);
         CREATE TABLE year_3 PARTITION OF years FOR VALUES FROM (150) TO (200);
         SELECT backstop.protect('events', max_rows => 4); SELECT backstop.protect('year_2', max_rows => 7)",
    );
    approved(
        &mut admin,
        "ALTER TABLE events ATTACH PARTITION years FOR VALUES FROM (100) TO (200)",
    );
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(clone) year_3 year_3(clone) years years(clone)"
    );
    is_guarded(&mut admin, "year_2", 4);
    approved(&mut admin, "ALTER TABLE events DETACH PARTITION years");
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(own)"
    );
    is_guarded(&mut admin, "year_2", 7);
    is_free(&mut admin, "year_3");
}

#[test]
fn a_parent_is_protected_after_its_partition_and_each_is_released_alone() {
    let (_db, mut admin) = world("SELECT backstop.protect('year_1', max_rows => 7)");
    assert_eq!(triggers(&mut admin), "year_1 year_1(own)");
    passes(
        &mut admin,
        "SELECT backstop.protect('events', max_rows => 4)",
    );
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone)"
    );
    is_guarded(&mut admin, "year_1", 4);
    passes(&mut admin, "SELECT backstop.unprotect('events')");
    assert_eq!(triggers(&mut admin), "year_1 year_1(own)");
    is_guarded(&mut admin, "year_1", 7);
    passes(&mut admin, "SELECT backstop.unprotect('year_1')");
    assert_eq!(triggers(&mut admin), "");
    is_free(&mut admin, "year_1");
    // The other way round.
    passes(
        &mut admin,
        "SELECT backstop.protect('events', max_rows => 4); SELECT backstop.protect('year_1', max_rows => 7);
         SELECT backstop.unprotect('year_1')",
    );
    is_guarded(&mut admin, "year_1", 4);
    passes(&mut admin, "SELECT backstop.unprotect('events')");
    assert_eq!(triggers(&mut admin), "");
}

#[test]
fn protecting_the_parent_of_a_protected_partition_blocks_no_reader() {
    let (db, mut admin) = world("SELECT backstop.protect('year_1')");
    let mut reader = db.connect();
    passes(&mut reader, "BEGIN; SELECT count(*) FROM year_1");
    passes(
        &mut admin,
        "SET lock_timeout = '2s'; SELECT backstop.protect('events')",
    );
    passes(&mut reader, "SELECT count(*) FROM year_1; COMMIT");
}

#[test]
fn somebody_else_s_trigger_of_that_name_is_not_replaced() {
    let (_db, mut admin) = world(
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TABLE year_3 PARTITION OF events FOR VALUES FROM (200) TO (300);
         CREATE TRIGGER backstop_capture AFTER DELETE ON year_3 FOR EACH ROW EXECUTE FUNCTION mine();
         SELECT backstop.protect('year_1')",
    );
    let refusal = refused(&mut admin, "SELECT backstop.protect('events')");
    assert_eq!(refusal.sqlstate, "42710", "{refusal:?}");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'year_3'::regclass AND NOT tgisinternal"
        ),
        "mine"
    );
}

#[test]
fn a_child_that_no_longer_inherits_keeps_its_own_protection_alone() {
    let db = database();
    let mut admin = db.connect();
    passes(
        &mut admin,
        "CREATE TABLE stock (id bigint PRIMARY KEY, note text); CREATE TABLE eu (id bigint PRIMARY KEY, note text);
         CREATE TABLE us (id bigint PRIMARY KEY, note text); CREATE TABLE depots (id bigint PRIMARY KEY,
             eu bigint REFERENCES eu ON DELETE CASCADE);
         INSERT INTO eu SELECT n, 'x' FROM generate_series(1, 20) n; INSERT INTO us SELECT n, 'x' FROM generate_series(1, 20) n;
         SELECT backstop.protect('stock', max_rows => 4); SELECT backstop.protect('us', max_rows => 7)",
    );
    approved(&mut admin, "ALTER TABLE eu INHERIT stock");
    approved(&mut admin, "ALTER TABLE us INHERIT stock");
    assert_eq!(
        triggers(&mut admin),
        "depots depots(own) eu eu(own) stock stock(own) us us(own)"
    );
    is_guarded(&mut admin, "eu", 4);
    is_guarded(&mut admin, "us", 4);
    approved(&mut admin, "ALTER TABLE eu NO INHERIT stock");
    approved(&mut admin, "ALTER TABLE us NO INHERIT stock");
    is_guarded(&mut admin, "us", 7);
    is_free(&mut admin, "depots");
    passes(&mut admin, "DROP TABLE depots");
    assert_eq!(triggers(&mut admin), "stock stock(own) us us(own)");
    passes(&mut admin, "DELETE FROM eu");
}

#[test]
fn a_partition_that_follows_another_table_is_recorded_after_it_is_detached() {
    let (_db, mut admin) = world(
        "CREATE TABLE users (id bigint PRIMARY KEY);
         CREATE TABLE visits (id bigint, day int, user_id bigint REFERENCES users ON DELETE CASCADE) PARTITION BY RANGE (day);
         CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (100);
         INSERT INTO users VALUES (1); INSERT INTO visits SELECT n, n, 1 FROM generate_series(1, 5) n;
         SELECT backstop.protect('users');
         ALTER TABLE visits DETACH PARTITION visits_1",
    );
    assert_eq!(
        triggers(&mut admin),
        "users users(own) visits visits(own) visits_1 visits_1(own)"
    );
    passes(&mut admin, "DELETE FROM users WHERE id = 1");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT relation, cause, count(*) FROM backstop.preimage GROUP BY 1, 2 ORDER BY 1"
        ),
        "public.users|null|1\npublic.visits_1|cascade from public.users|5"
    );
}

#[test]
fn a_partition_is_detached_concurrently_and_in_mode_off_and_stays_guarded() {
    let (_db, mut admin) = world(
        "SELECT backstop.protect('events', max_rows => 4); SELECT backstop.protect('year_2', max_rows => 7)",
    );
    approved(&mut admin, ATTACH);
    passes(
        &mut admin,
        r#"SET backstop.approval = '{"reason": "meant", "max_rows": 1}'"#,
    );
    passes(&mut admin, &format!("{DETACH} CONCURRENTLY"));
    passes(&mut admin, "RESET backstop.approval");
    is_guarded(&mut admin, "year_2", 7);
    passes(
        &mut admin,
        &format!("SET backstop.mode = off; {ATTACH}; RESET backstop.mode"),
    );
    is_guarded(&mut admin, "year_2", 4);
    passes(
        &mut admin,
        &format!("SET backstop.mode = off; {DETACH}; RESET backstop.mode"),
    );
    is_guarded(&mut admin, "year_2", 7);
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(own)"
    );
}

#[test]
fn a_detached_partition_that_is_protected_itself_is_attached_again_by_restore() {
    let (_db, mut admin) = world(
        "SELECT backstop.protect('events', max_rows => 4); SELECT backstop.protect('year_2', max_rows => 7)",
    );
    approved(&mut admin, ATTACH);
    approved(&mut admin, DETACH);
    passes(
        &mut admin,
        "SELECT backstop.restore(max(statement_id), dry_run => false) FROM backstop.statement
         WHERE operations = '{DETACH PARTITION}'",
    );
    assert_eq!(
        triggers(&mut admin),
        "events events(own) year_1 year_1(clone) year_2 year_2(clone)"
    );
    is_guarded(&mut admin, "year_2", 4);
}
