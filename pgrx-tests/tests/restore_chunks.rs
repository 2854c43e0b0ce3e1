//! What a restore records of rows that came back as they were recorded: the chunks they came from, and nothing else.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database, passes, query_text};

/// Users and what hangs on them: rows of all tables fall in turn, orders for two causes. Events lie in two partitions.
const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, body text);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE,
        payer_id bigint REFERENCES users ON DELETE CASCADE, body text);
    CREATE TABLE events (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, body text)
        PARTITION BY RANGE (id);
    CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO (1500);
    CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (1500) TO (MAXVALUE);
    CREATE INDEX ON orders (user_id); CREATE INDEX ON orders (payer_id); CREATE INDEX ON events (user_id);
    INSERT INTO users SELECT n, repeat('u', 300) || n FROM generate_series(1, 3000) n;
    INSERT INTO orders SELECT n, n, 3001 - n, repeat('o', 300) FROM generate_series(1, 3000) n;
    INSERT INTO events SELECT n, n, '\"[[' || repeat('e', 300) FROM generate_series(1, 3000) n;
    SELECT backstop.protect('users', max_rows => 100000)";

const DELETE: &str = "SET backstop.max_rows_per_transaction = 1000000;
    SET backstop.approval = '{\"reason\": \"all\", \"max_rows\": 100000}';
    DELETE FROM users WHERE body IS NOT NULL; RESET backstop.approval";

/// Chunks whose ordinals do not ascend, or that hold other than they say; ordinals that occur twice in a statement.
const DISORDER: &str = "WITH row AS (
        SELECT statement_id, chunk_id, row_count, nth, (image ->> 0)::bigint + nth - 1 AS ordinal
        FROM backstop.chunk, json_array_elements(images) WITH ORDINALITY AS element(image, nth)),
    step AS (
        SELECT *, ordinal - lag(ordinal) OVER (PARTITION BY statement_id, chunk_id ORDER BY nth) AS step,
               count(*) OVER (PARTITION BY statement_id, chunk_id) AS rows,
               count(*) OVER (PARTITION BY statement_id, ordinal) AS same
        FROM row)
    SELECT count(*) FROM step WHERE step <= 0 OR rows <> row_count OR same > 1";

/// Rows of one statement's images that are not in the other's, both ways, with their ordinals.
fn differences(client: &mut Client, deleted: i64, inserted: i64) -> String {
    let removed = format!(
        "SELECT relation, ordinal, key, old_row FROM backstop.preimage WHERE statement_id = {deleted} AND operation = 'DELETE'"
    );
    let restored = format!(
        "SELECT relation, ordinal, key, new_values FROM backstop.preimage WHERE statement_id = {inserted} AND operation = 'INSERT'"
    );
    query_text(
        client,
        &format!(
            "SELECT (SELECT count(*) FROM ({removed} EXCEPT ALL {restored}) AS lost),
                    (SELECT count(*) FROM ({restored} EXCEPT ALL {removed}) AS invented)"
        ),
    )
}

fn checksums(client: &mut Client) -> String {
    let of = |table: &str| {
        format!("(SELECT count(*) || md5(string_agg(t::text, '' ORDER BY id)) FROM {table} t)")
    };
    query_text(
        client,
        &format!("SELECT {}, {}, {}", of("users"), of("orders"), of("events")),
    )
}

/// Of the world's 9000 rows, by its only statement.
#[track_caller]
fn everything_that_is_gone_is_recorded_once(client: &mut Client) {
    assert_eq!(query_text(client, DISORDER), "0");
    assert_eq!(
        query_text(
            client,
            "SELECT count(*), count(DISTINCT (relation, key)), (SELECT rows FROM backstop.statement) FROM backstop.preimage"
        ),
        query_text(
            client,
            "SELECT gone, gone, gone FROM (SELECT 9000 - (SELECT count(*) FROM users) - (SELECT count(*) FROM orders)
                 - (SELECT count(*) FROM events) AS gone) AS counted"
        )
    );
}

fn restore(client: &mut Client, id: i64, more: &str) -> String {
    query_text(
        client,
        &format!(
            "SELECT sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({id}, dry_run => false{more})"
        ),
    )
}

fn deleted() -> (Database, Client, String) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = checksums(&mut admin);
    passes(&mut admin, DELETE);
    (db, admin, before)
}

#[test]
fn chunks_that_come_back_whole_are_recorded_as_they_are() {
    let (_db, mut admin, before) = deleted();
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    assert_eq!(restore(&mut admin, 1, ""), "9000|0|0");
    assert_eq!(checksums(&mut admin), before);
    assert_eq!(differences(&mut admin, 1, 2), "0|0");
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    // A chunk of events may have rows of both partitions; those of the other tables are the same ones.
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) > 12 FROM backstop.image_chunk AS a JOIN backstop.image_chunk AS b
                 ON a.images::text = b.images::text AND a.relid = b.relid
             WHERE a.statement_id = 1 AND b.statement_id = 2 AND b.cause IS NULL
             AND (a.operation, b.operation) = ('DELETE', 'INSERT')"
        ),
        "t"
    );
    // The record of the restore is as good as any: it undoes it, and that can be undone.
    assert_eq!(restore(&mut admin, 2, ""), "9000|0|0");
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "0");
    assert_eq!(restore(&mut admin, 3, ""), "9000|0|0");
    assert_eq!(checksums(&mut admin), before);
    assert_eq!(query_text(&mut admin, DISORDER), "0");
}

#[test]
fn a_row_that_does_not_come_back_is_not_recorded_with_its_chunk() {
    let (_db, mut admin, _) = deleted();
    // In the middle of a chunk one is back already, one is taken; so are the first and the last of all.
    passes(
        &mut admin,
        "INSERT INTO users SELECT n, repeat('u', 300) || n FROM unnest('{1, 700}'::int[]) n;
         INSERT INTO users VALUES (1500, 'another'), (3000, 'another')",
    );
    let before = checksums(&mut admin);
    assert_eq!(
        restore(
            &mut admin,
            1,
            ", on_conflict => 'skip', relations => '{public.users}'"
        ),
        "2996|2|2"
    );
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE key ->> 'id' IN ('1', '700', '1500', '3000'))
             FROM backstop.preimage WHERE statement_id = 2"
        ),
        "2996|2996|0"
    );
    assert_eq!(restore(&mut admin, 2, ""), "2996|0|0");
    assert_eq!(checksums(&mut admin), before);
}

#[test]
fn what_is_overwritten_is_recorded_beside_what_is_copied() {
    let (_db, mut admin, before) = deleted();
    passes(
        &mut admin,
        "INSERT INTO users VALUES (1500, 'another'), (3000, 'another')",
    );
    let taken = checksums(&mut admin);
    assert_eq!(
        restore(&mut admin, 1, ", on_conflict => 'overwrite'"),
        "9000|0|2"
    );
    assert_eq!(checksums(&mut admin), before);
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    assert_eq!(restore(&mut admin, 2, ""), "9000|0|0");
    assert_eq!(checksums(&mut admin), taken);
}

#[test]
fn a_table_that_is_not_what_it_was_is_recorded_as_it_is() {
    let (_db, mut admin, _) = deleted();
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('rename', 10);
         ALTER TABLE users RENAME TO people; ALTER TABLE orders ADD COLUMN state text DEFAULT 'new'; COMMIT",
    );
    assert_eq!(restore(&mut admin, 1, ""), "9000|0|0");
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    let said = |table: &str, column: &str| {
        format!(
            "SELECT count(*), count({column}) FROM backstop.preimage
             WHERE statement_id = (SELECT max(statement_id) FROM backstop.statement) AND relation = 'public.{table}'"
        )
    };
    for (table, column, expected) in [
        ("people", "new_values ->> 'body'", "3000|3000"),
        ("orders", "new_values ->> 'state'", "3000|3000"),
        ("events", "new_values ->> 'body'", "3000|3000"),
        ("users", "1", "0|0"),
    ] {
        assert_eq!(
            query_text(&mut admin, &said(table, column)),
            expected,
            "{table}"
        );
    }
}

#[test]
fn rows_of_subtransactions_keep_their_order() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = checksums(&mut admin);
    // Every other one is rolled back; some delete several rows.
    passes(
        &mut admin,
        "SET backstop.max_rows_per_transaction = 1000000; SET backstop.approval = '{\"reason\": \"x\", \"max_rows\": 100000}';
         DO $$ BEGIN FOR n IN 1..600 LOOP
             BEGIN
                 DELETE FROM users WHERE id = n OR id = n + 1000;
                 IF n % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
             EXCEPTION WHEN raise_exception THEN NULL; END;
         END LOOP; END $$; RESET backstop.approval",
    );
    everything_that_is_gone_is_recorded_once(&mut admin);
    restore(&mut admin, 1, "");
    assert_eq!(checksums(&mut admin), before);
}

/// A loop that takes each row in a subtransaction of its own, as who skips failing rows writes it.
const ONE_BY_ONE: &str = "DO $$ BEGIN FOR n IN 1..3000 LOOP
        BEGIN DELETE FROM t WHERE id = n; EXCEPTION WHEN foreign_key_violation THEN NULL; END;
    END LOOP; END $$";

const LARGE_ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, body text);
    INSERT INTO t SELECT n, repeat('b', 1000) || n FROM generate_series(1, 3000) n;
    SELECT backstop.protect('t', max_rows => 100000)";

#[test]
fn chunks_of_many_subtransactions_are_as_long_as_others() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, LARGE_ROWS);
    passes(
        &mut admin,
        &format!(
            "SET backstop.max_rows_per_transaction = 1000000;
             SET backstop.approval = '{{\"reason\": \"all\", \"max_rows\": 100000}}'; {ONE_BY_ONE}; RESET backstop.approval"
        ),
    );
    // One chunk of all rows would be 3 MB, and of enough rows more than the 1 GB that a value can be.
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT sum(row_count), max(octet_length(images::text)) < 140000, count(*) < 30 FROM backstop.chunk"
        ),
        "3000|t|t"
    );
    assert_eq!(query_text(&mut admin, DISORDER), "0");
    assert_eq!(restore(&mut admin, 1, ""), "3000|0|0");
}

#[test]
fn a_preview_of_many_subtransactions_shows_and_allows_what_it_saw() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, LARGE_ROWS);
    let rows = "SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE old_row ->> 'body' LIKE '%b' || (key ->> 'id'))
        FROM backstop.request_rows(1)";
    passes(
        &mut admin,
        &format!("SELECT backstop.preview($preview${ONE_BY_ONE}$preview$, 'OPS-9')"),
    );
    assert_eq!(query_text(&mut admin, rows), "3000|3000|3000");
    let token = query_text(&mut admin, "SELECT backstop.approve(1, 'OPS-9')");
    assert_eq!(
        query_text(
            &mut admin,
            &format!("SELECT rows FROM backstop.run('{token}')")
        ),
        "3000"
    );
}

#[test]
fn chunks_of_finished_subtransactions_do_not_wait_for_the_end() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = checksums(&mut admin);
    // Every third of the outer ones is rolled back, with all that its inner ones have written.
    passes(
        &mut admin,
        "SET backstop.max_rows_per_transaction = 1000000; SET backstop.approval = '{\"reason\": \"x\", \"max_rows\": 100000}';
         DO $$ DECLARE written int; BEGIN FOR outer_n IN 0..29 LOOP
             BEGIN
                 FOR inner_n IN 1..100 LOOP
                     BEGIN
                         DELETE FROM users WHERE id = outer_n * 100 + inner_n;
                         IF inner_n % 7 = 0 THEN RAISE EXCEPTION 'no'; END IF;
                     EXCEPTION WHEN raise_exception THEN NULL; END;
                 END LOOP;
                 IF outer_n % 3 = 0 THEN RAISE EXCEPTION 'nor this'; END IF;
             EXCEPTION WHEN raise_exception THEN NULL; END;
         END LOOP;
         SELECT count(*) INTO written FROM backstop.image_chunk;
         ASSERT written > 10, written;
         END $$; RESET backstop.approval",
    );
    everything_that_is_gone_is_recorded_once(&mut admin);
    restore(&mut admin, 1, "");
    assert_eq!(checksums(&mut admin), before);
}
