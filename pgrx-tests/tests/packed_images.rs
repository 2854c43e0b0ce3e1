//! Row images are stored as JSON where they are short and as zstd frames where they are long, and read alike.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, note text, batch int);
    INSERT INTO users SELECT n, repeat('user number ' || n || ' ', 20), (n > 60)::int FROM generate_series(1, 2000) n;
    SELECT backstop.protect('users', max_rows => 5000); SET backstop.max_rows_per_transaction = 5000";

fn world() -> (Database, Client) {
    database_with(WORLD)
}

const FRAME: &str = r"'\x28b52ffd'";

#[test]
fn short_images_are_json_and_long_ones_frames() {
    let (_db, mut admin) = world();
    let before = query_text(
        &mut admin,
        "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u",
    );
    passes(
        &mut admin,
        "DELETE FROM users WHERE id = 1; DELETE FROM users WHERE id IN (2, 3, 4, 5); DELETE FROM users WHERE batch = 0;
         DELETE FROM users WHERE note LIKE 'user%'",
    );
    let frames = format!(
        "SELECT rows, image_chunk_id IS NULL, substring(images FROM 1 FOR 4) = {FRAME}, octet_length(images) < rows * 100
         FROM backstop.statement_log ORDER BY statement_id"
    );
    assert_eq!(
        query_text(&mut admin, &frames),
        "1|f|f|f\n4|f|t|t\n55|f|t|t\n1940|t|null|null"
    );
    let chunks = format!(
        "SELECT count(*) > 5, bool_and(substring(images FROM 1 FOR 4) = {FRAME}), sum(row_count),
                sum(octet_length(images)) < sum(row_count) * 100 FROM backstop.image_chunk"
    );
    assert_eq!(query_text(&mut admin, &chunks), "t|t|1940|t");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE old_row ->> 'note' LIKE 'user number%')
             FROM backstop.preimage"
        ),
        "2000|2000|2000"
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT sum(restored) FROM backstop.statement s, backstop.restore(s.statement_id, dry_run => false)"
        ),
        "2000"
    );
    let after = query_text(
        &mut admin,
        "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u",
    );
    assert_eq!(before, after);
}

/// The record is append-only: a damaged chunk is one that is added.
#[test]
fn a_damaged_frame_is_said_to_be_damaged() {
    let (_db, mut admin) = world();
    passes(&mut admin, "DELETE FROM users WHERE note LIKE 'user%'");
    let rescue = include_str!("../../sql/rescue/unpacked.sql").replace("backstop.", "rescue.");
    passes(&mut admin, &format!("CREATE SCHEMA rescue; {rescue}"));
    for (n, damage) in [
        "substring(images FROM 1 FOR octet_length(images) - 3)",
        "overlay(images PLACING '\\x00000000000000000000' FROM 200)",
        "substring(images FROM 1 FOR 5)",
    ]
    .into_iter()
    .enumerate()
    {
        let id = 1000 + n;
        passes(
            &mut admin,
            &format!(
                "INSERT INTO backstop.statement_log (statement_id, at, xid, session_role, role, pid, operations, relations, rows)
                 SELECT {id}, at, xid, session_role, role, pid, operations, relations, rows FROM backstop.statement_log
                 WHERE statement_id = 1;
                 INSERT INTO backstop.image_chunk
                 SELECT chunk_id, {id}, relation, relid, operation, cause, first_ordinal, row_count, key_count, columns,
                        CASE WHEN row_number() OVER (ORDER BY chunk_id) = 2 THEN {damage} ELSE images END
                 FROM backstop.image_chunk WHERE statement_id = 1"
            ),
        );
        for statement in [
            format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
            format!("SELECT * FROM backstop.restore({id})"),
        ] {
            let refusal = refused(&mut admin, &statement);
            assert_eq!(refusal.sqlstate, "XX001", "{damage}: {refusal:?}");
            assert!(refusal.message.contains("public.users"), "{refusal:?}");
        }
        // What reads it in PL/pgSQL looks at no checksum, but ends.
        let read = format!(
            "SET statement_timeout = '60s';
             SELECT count(rescue.zstd_content(images)) FROM backstop.image_chunk WHERE statement_id = {id}"
        );
        if let Err(error) = admin.batch_execute(&read) {
            let code = error.code().expect("an error of the server's").code();
            assert_ne!(code, "57014", "{damage}");
        }
        let view =
            format!("SELECT count(old_row) FROM backstop.preimage WHERE statement_id = {id}");
        assert_eq!(refused(&mut admin, &view).sqlstate, "22023", "{damage}");
    }
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "0");
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT sum(restored) FROM backstop.restore(1, dry_run => false)"
        ),
        "2000"
    );
}

#[test]
fn anybody_may_unpack_and_bad_input_is_named() {
    let (db, _admin) = world();
    let mut app = db.connect_as("app");
    assert_eq!(
        query_text(&mut app, "SELECT backstop.unpacked('[[1,2]]'::bytea)"),
        "[[1,2]]"
    );
    assert_eq!(
        query_text(&mut app, "SELECT backstop.unpacked(NULL)"),
        "null"
    );
    for (images, sqlstate) in [
        ("''::bytea", "22023"),
        ("'x'::bytea", "22023"),
        ("'\\x28b52ffd'", "22023"),
        ("'\\x28b52ffd00'", "22023"),
        // A frame that says it holds 16 EB, and one that says 3 GB.
        ("'\\x28b52ffde0ffffffffffffffff010000'", "22023"),
        ("'\\x28b52ffda0000000c0010000'", "22023"),
        // A frame of nothing.
        ("'\\x28b52ffd2000010000'", "22023"),
        // No JSON.
        ("'[oops'::bytea", "22P02"),
        // Half a character.
        ("'\\x5b22c322'", "22021"),
        ("'\\x5b2200'", "22021"),
    ] {
        let refusal = refused(&mut app, &format!("SELECT backstop.unpacked({images})"));
        assert_eq!(refusal.sqlstate, sqlstate, "{images}: {refusal:?}");
        if sqlstate == "22023" {
            assert!(refusal.message.contains("\"images\""), "{refusal:?}");
        }
    }
}

/// Where the library cannot be loaded, PL/pgSQL reads the frames.
#[test]
fn plain_sql_unpacks_what_the_library_packs() {
    let (_db, mut admin) = world();
    let rescue = include_str!("../../sql/rescue/unpacked.sql").replace("backstop.", "rescue.");
    passes(
        &mut admin,
        &format!(
            "SELECT setseed(0.5); CREATE SCHEMA rescue; {rescue};
             CREATE TABLE kinds (id int PRIMARY KEY, value text);
             SELECT backstop.protect('kinds', max_rows => 5000);
             -- Digits, words, one letter, many letters, umlauts, and rows of several blocks.
             INSERT INTO kinds SELECT n, CASE n % 5 WHEN 0 THEN repeat(random()::text, 40) WHEN 1 THEN md5(random()::text)
                 WHEN 2 THEN repeat('x', 3000) WHEN 3 THEN repeat('zwölf Boxkämpfer ' || n, 9) ELSE n::text END
             FROM generate_series(1, 900) n;
             INSERT INTO kinds SELECT 1000 + n, (SELECT string_agg(md5((n * 100000 + m)::text), ' ') FROM generate_series(1, n * 3000) m)
             FROM generate_series(1, 6) n;
             INSERT INTO kinds SELECT 2000 + n, repeat('[' || n, 200000 * n) FROM generate_series(1, 3) n"
        ),
    );
    for statement in [
        "UPDATE kinds SET value = 'y' WHERE id = 1001",
        "DELETE FROM kinds WHERE value LIKE '[1%'",
        "DELETE FROM kinds WHERE value <> ''",
        "DELETE FROM users WHERE note LIKE 'user%'",
    ] {
        passes(&mut admin, statement);
    }
    let compared = format!(
        "SELECT count(*) > 15, count(*) FILTER (WHERE substring(images FROM 1 FOR 4) = {FRAME}) > 10, max(octet_length(images)) > 300000,
                bool_and(rescue.unpacked(images)::text = backstop.unpacked(images)::text)
         FROM (SELECT images FROM backstop.image_chunk UNION ALL
               SELECT images FROM backstop.statement_log WHERE octet_length(images) > 2000) AS stored"
    );
    assert_eq!(query_text(&mut admin, &compared), "t|t|t|t");
    assert_eq!(
        query_text(&mut admin, "SELECT rescue.unpacked('[[1,2]]'::bytea)"),
        "[[1,2]]"
    );
}
