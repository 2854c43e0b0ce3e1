//! Chunks: every destroyed row stands in exactly one, whatever else the statement destroys in between.

use pg_backstop_tests::{database, database_with, passes, query_text, refused};

/// Rows of parent and children fall in turn, so their buffers fill in turn.
const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, body text);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, body text);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, body text);
    CREATE TABLE visits (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE SET NULL, body text);
    CREATE INDEX ON orders (user_id); CREATE INDEX ON notes (user_id); CREATE INDEX ON visits (user_id);
    INSERT INTO users SELECT n, repeat('u', 300) FROM generate_series(1, 3000) n;
    INSERT INTO orders SELECT n, n, repeat('o', 300) FROM generate_series(1, 3000) n;
    INSERT INTO notes SELECT n, n, repeat('n', 300) FROM generate_series(1, 3000) n;
    INSERT INTO visits SELECT n, n, repeat('v', 300) FROM generate_series(1, 3000) n;
    SELECT backstop.protect('users', max_rows => 100000);
    CREATE TABLE before AS SELECT
        (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM users t) AS users,
        (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM orders t) AS orders,
        (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM notes t) AS notes,
        (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM visits t) AS visits";

const DELETE: &str = "SET backstop.max_rows_per_transaction = 1000000;
    SET backstop.approval = '{\"reason\": \"all\", \"max_rows\": 100000}';
    DELETE FROM users WHERE body IS NOT NULL; RESET backstop.approval";

#[test]
fn buffers_that_fill_in_turn_are_written_once() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(&mut admin, DELETE);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*) FROM backstop.chunk
             WHERE row_count = 0 OR NOT images::text LIKE '[[%]]' OR row_count <> json_array_length(images)"
        ),
        "0",
        "every chunk is valid JSON and holds as many rows as it says"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT relation, operation, count(*), count(DISTINCT key), count(DISTINCT ordinal)
             FROM backstop.preimage GROUP BY 1, 2 ORDER BY 1"
        ),
        "public.notes|DELETE|3000|3000|3000\npublic.orders|DELETE|3000|3000|3000\n\
         public.users|DELETE|3000|3000|3000\npublic.visits|UPDATE|3000|3000|3000"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT relation, operation, captured, restored, conflicts
             FROM backstop.restore(1, dry_run => false) ORDER BY 1"
        ),
        "public.notes|DELETE|3000|3000|0\npublic.orders|DELETE|3000|3000|0\n\
         public.users|DELETE|3000|3000|0\npublic.visits|UPDATE|3000|3000|0"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM users t) = users,
                    (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM orders t) = orders,
                    (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM notes t) = notes,
                    (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM visits t) = visits FROM before"
        ),
        "t|t|t|t"
    );
}

#[test]
fn a_preview_keeps_every_row_once_too() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        "SELECT count(*) FROM backstop.preview('DELETE FROM users WHERE body IS NOT NULL')",
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT relation, count(*), count(DISTINCT key) FROM backstop.request_rows(1) GROUP BY 1 ORDER BY 1"
        ),
        "public.notes|3000|3000\npublic.orders|3000|3000\npublic.users|3000|3000\npublic.visits|3000|3000"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT sum(row_count), sum(octet_length(fingerprints)) / 16 FROM backstop.request_chunk"
        ),
        "12000|12000"
    );
    let token = query_text(&mut admin, "SELECT backstop.approve(1, 'ok')");
    assert_eq!(
        query_text(
            &mut admin,
            &format!("SELECT sum(rows) FROM backstop.run('{token}')")
        ),
        "12000"
    );
}

#[test]
fn a_row_that_no_value_can_hold_is_not_destroyed() {
    // JSON writes each of these characters as six.
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t VALUES (1, repeat(chr(1), 180000000)), (2, 'small');
         SELECT backstop.protect('t')",
    );
    let refusal = refused(&mut admin, "DELETE FROM t WHERE id = 1");
    assert_eq!(refusal.sqlstate, "54000", "{refusal:?}");
    passes(&mut admin, "DELETE FROM t WHERE id = 2");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT (SELECT string_agg(id::text, ' ') FROM t), count(*), min(key ->> 'id') FROM backstop.preimage"
        ),
        "1|1|2"
    );
}

#[test]
fn a_subtransaction_whose_rows_are_all_written_joins_rows_that_wait() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);
         INSERT INTO t SELECT n, repeat('v', 100) FROM generate_series(1, 10) n;
         CREATE TABLE before AS TABLE t;
         SELECT backstop.protect('t', max_rows => 1000)",
    );
    let statement = "DO $$ BEGIN
        FOR n IN 1 .. 9 LOOP
            BEGIN
                UPDATE t SET v = repeat(n::text, CASE n % 3 WHEN 2 THEN 100000 ELSE 10 END) WHERE id = n;
            EXCEPTION WHEN data_exception THEN NULL;
            END;
        END LOOP; END $$";
    let shown = format!("SELECT rows FROM backstop.preview($q${statement}$q$)");
    assert_eq!(query_text(&mut admin, &shown), "9");
    passes(&mut admin, statement);
    let record = "SELECT (SELECT rows FROM backstop.statement), count(*), count(DISTINCT key) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, record), "9|9|9");
    passes(
        &mut admin,
        "SELECT * FROM backstop.restore((SELECT statement_id FROM backstop.statement), dry_run => false)",
    );
    let differences = "SELECT count(*) FROM t JOIN before USING (id) WHERE t.v <> before.v";
    assert_eq!(query_text(&mut admin, differences), "0");
}
