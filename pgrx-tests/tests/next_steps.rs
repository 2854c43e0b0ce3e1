//! What a refusal, a warning or the status says next is true, and works when it is done literally.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    ClusterOptions, Database, Notices, Preload, database, database_with, database_with_app, passes,
    query_text, refused, start,
};

/// Three rows may go; a fourth and fifth are what approvals are for.
const ITEMS: &str = "
    CREATE TABLE items (id int PRIMARY KEY, x int);
    INSERT INTO items SELECT n, n FROM generate_series(1, 5) n;
    SELECT backstop.protect('items', max_rows => 3)";

#[test]
fn an_approval_that_is_too_small_is_refused_whatever_the_limit() {
    let (_db, _admin, mut app) = database_with_app(ITEMS);
    for rows in 1..5 {
        passes(
            &mut app,
            &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', {rows})"),
        );
        let refusal = refused(&mut app, "DELETE FROM items WHERE x > 0");
        assert_eq!(refusal.sqlstate, "SF010", "{rows}: {refusal:?}");
        assert_eq!(refusal.table, "items");
        assert!(
            refusal.detail.contains(&format!("max_rows is {rows};")),
            "{refusal:?}"
        );
        passes(&mut app, "ROLLBACK");
    }
    // What needs no approval is not refused for one that does not cover it.
    passes(
        &mut app,
        "BEGIN; SELECT backstop.approve_batch('OPS-1', 1); DELETE FROM items WHERE x > 2; ROLLBACK",
    );
}

#[test]
fn a_root_has_its_budget_or_its_limit_and_not_both() {
    let (_db, _admin, mut app) = database_with_app(
        "CREATE TABLE items (id int PRIMARY KEY, x int); INSERT INTO items SELECT n, n FROM generate_series(1, 50) n;
         SELECT backstop.protect('items', max_rows => 10)",
    );
    let batch = |rows: i32, by: i32| {
        format!(
            "BEGIN; SELECT backstop.approve_batch('OPS-1', 6);
             DO $$ BEGIN FOR i IN 0..{rows} - 1 BY {by} LOOP DELETE FROM items WHERE x > i AND x <= i + {by}; END LOOP; END $$"
        )
    };
    for by in [1, 2, 3] {
        passes(&mut app, &format!("{}; ROLLBACK", batch(6, by)));
        let refusal = refused(&mut app, &batch(12, by));
        assert_eq!(refusal.sqlstate, "SF010", "{by}: {refusal:?}");
        passes(&mut app, "ROLLBACK");
    }
    // What the limit lets through by itself needs no budget.
    for by in [1, 2, 5] {
        passes(&mut app, &format!("{}; ROLLBACK", batch(10, by)));
    }
    // Another statement of the transaction stands by itself.
    passes(
        &mut app,
        &format!("{}; DELETE FROM items WHERE x > 40; ROLLBACK", batch(6, 1)),
    );
}

#[test]
fn observe_mode_warns_once_of_an_approval_that_is_too_small() {
    let (db, _admin) = database_with(ITEMS);
    let (mut admin, notices) = db.connect_listening("postgres");
    passes(
        &mut admin,
        "SET backstop.mode = observe; BEGIN; SELECT backstop.approve_batch('OPS-1', 1);
         DELETE FROM items WHERE x > 0; COMMIT",
    );
    let warned: Vec<String> = notices
        .take()
        .iter()
        .map(|notice| notice.code().code().to_owned())
        .collect();
    assert_eq!(warned, ["SF010"]);
}

/// Refused, `statement` passes within what its hint shows from the call of `function` on.
#[track_caller]
fn followed(admin: &mut Client, statement: &str, function: &str) {
    let refusal = refused(admin, statement);
    assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
    let start = refusal
        .hint
        .find(&format!("SELECT backstop.{function}("))
        .unwrap_or_else(|| panic!("{refusal:?}"));
    let shown = refusal.hint[start..].trim_end_matches('.');
    passes(
        admin,
        &format!("BEGIN; {}; COMMIT", shown.replace("...", statement)),
    );
}

#[test]
fn a_fed_column_keeps_its_name_though_its_table_is_not_protected() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE results (id int PRIMARY KEY, a text, b text);
         CREATE TABLE parts () INHERITS (results);
         INSERT INTO results VALUES (1, 'a', 'b');
         SELECT backstop.protect_columns('results', '{a}', 'u1'), backstop.protect_columns('results', '{b}', 'u2')",
    );
    followed(
        &mut admin,
        "ALTER TABLE results RENAME b TO bb",
        "unprotect_columns",
    );
    let clears = "UPDATE results SET a = NULL, bb = NULL WHERE id = 1";
    assert_eq!(refused(&mut admin, clears).sqlstate, "SF009");
    // Another column's name is nobody's.
    passes(&mut admin, "ALTER TABLE results RENAME id TO number");
}

#[test]
fn the_protection_that_is_given_up_for_a_renamed_column_knows_its_new_name() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE results (id int PRIMARY KEY, a text);
         SELECT backstop.protect('results'), backstop.protect_columns('results', '{a}', 'u1')",
    );
    for (old, new) in [("id", "number"), ("a", "A b")] {
        let rename = format!("ALTER TABLE results RENAME {old} TO \"{new}\"");
        followed(&mut admin, &rename, "unprotect");
    }
    let registered = "SELECT key_columns, (SELECT column_name FROM backstop.protected_column) FROM backstop.protected_table";
    assert_eq!(query_text(&mut admin, registered), "{number}|A b");
}

#[test]
fn a_partition_is_detached_concurrently_under_the_approval_that_the_hint_shows() {
    let (_db, mut admin) = database_with(
        r#"CREATE TABLE "Ev'ents" (id int PRIMARY KEY) PARTITION BY RANGE (id);
           CREATE TABLE part PARTITION OF "Ev'ents" FOR VALUES FROM (0) TO (10);
           INSERT INTO "Ev'ents" SELECT generate_series(1, 5);
           SELECT backstop.protect('"Ev''ents"')"#,
    );
    let detach = r#"ALTER TABLE "Ev'ents" DETACH PARTITION part CONCURRENTLY"#;
    let refusal = refused(&mut admin, detach);
    assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
    let (_, rest) = refusal
        .hint
        .split_once("transaction block: ")
        .unwrap_or_else(|| panic!("{refusal:?}"));
    let (set, reset) = rest
        .split_once(". Afterwards: ")
        .unwrap_or_else(|| panic!("{rest}"));
    passes(&mut admin, set);
    passes(&mut admin, detach);
    passes(&mut admin, reset.trim_end_matches('.'));
    let parts = "SELECT count(*) FROM pg_inherits";
    assert_eq!(query_text(&mut admin, parts), "0");
}

#[test]
fn what_cannot_be_given_up_for_the_record_is_not_promised() {
    let (_db, mut admin) =
        database_with("CREATE TABLE t (id int PRIMARY KEY, a text); SELECT backstop.protect('t')");
    let refusal = refused(&mut admin, "TRUNCATE backstop.statement_log");
    assert_eq!(refusal.sqlstate, "SF013", "{refusal:?}");
    assert!(refusal.hint.contains("backstop.prune("), "{refusal:?}");
    for (statement, table) in [
        ("DROP TABLE backstop.rejection", "rejection"),
        ("ALTER TABLE backstop.request_log ADD x int", "request_log"),
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(
            (&*refusal.sqlstate, &*refusal.schema, &*refusal.table),
            ("SF013", "backstop", table),
            "{refusal:?}"
        );
    }
    passes(
        &mut admin,
        "SELECT backstop.unprotect('t'); SELECT backstop.protect_columns('t', '{a}', 'up')",
    );
    let refusal = refused(&mut admin, "DROP EXTENSION pg_backstop");
    assert!(refusal.hint.contains("unprotect_columns()"), "{refusal:?}");
    let known =
        "SELECT string_agg(property || ' ' || value, ', ' ORDER BY property) FROM backstop.status()
                 WHERE property IN ('protected columns', 'followers')";
    assert_eq!(
        query_text(&mut admin, known),
        "followers 0, protected columns 1"
    );
}

#[test]
fn a_batch_that_is_approved_for_nothing_is_said() {
    let (db, _admin) = database_with(ITEMS);
    passes(
        &mut db.connect(),
        "CREATE FUNCTION purge() RETURNS void LANGUAGE plpgsql AS
             $$ BEGIN PERFORM backstop.approve_batch('OPS-1', 9); DELETE FROM items WHERE x > 0; END $$",
    );
    let (mut app, notices) = db.connect_listening("postgres");
    let codes = |notices: &Notices| -> Vec<String> {
        let taken = notices.take();
        taken
            .iter()
            .map(|notice| notice.code().code().to_owned())
            .collect()
    };
    let approve = "SELECT backstop.approve_batch('OPS-1', 9)";
    for alone in [approve, "SELECT * FROM backstop.approve_batch('OPS-1', 9)"] {
        passes(&mut app, alone);
        assert_eq!(codes(&notices), ["25P01"], "{alone}");
    }
    app.query(approve, &[]).expect("the extended protocol");
    assert_eq!(codes(&notices), ["25P01"]);
    for followed in [
        format!("BEGIN; {approve}; ROLLBACK"),
        format!("{approve}; DELETE FROM items WHERE x = 1"),
        "DO $$ BEGIN PERFORM backstop.approve_batch('OPS-1', 9); END $$".to_owned(),
        "BEGIN; SELECT purge(); ROLLBACK".to_owned(),
        "SELECT purge()".to_owned(),
    ] {
        passes(&mut app, &followed);
        assert_eq!(codes(&notices), [""; 0], "{followed}");
    }
}

#[test]
fn what_an_approved_statement_is_given_is_in_its_record() {
    let (_db, mut admin) = database_with(ITEMS);
    let ask = "SELECT DISTINCT request_id FROM backstop.preview('UPDATE items SET x = $2 WHERE id = ANY ($1)', 'OPS-1', '[[1, 2], 77]')";
    let request = query_text(&mut admin, ask);
    let token = query_text(
        &mut admin,
        &format!("SELECT backstop.approve({request}, 'fine')"),
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.run('{token}')"),
    );
    let recorded = "SELECT parameters ->> '$1', parameters ->> '$2' FROM backstop.statement";
    assert_eq!(query_text(&mut admin, recorded), "{1,2}|77");
}

#[test]
fn a_token_that_meets_other_rows_names_the_table() {
    let (_db, mut admin) = database_with(ITEMS);
    let ask = "SELECT DISTINCT request_id FROM backstop.preview('DELETE FROM items WHERE x > 0', 'OPS-1')";
    let request = query_text(&mut admin, ask);
    let token = query_text(
        &mut admin,
        &format!("SELECT backstop.approve({request}, 'fine')"),
    );
    passes(&mut admin, "UPDATE items SET x = 7 WHERE id = 1");
    let refusal = refused(
        &mut admin,
        &format!("SELECT * FROM backstop.run('{token}')"),
    );
    assert_eq!(
        (&*refusal.sqlstate, &*refusal.schema, &*refusal.table),
        ("SF011", "public", "items"),
        "{refusal:?}"
    );
}

#[test]
fn of_a_sequence_and_a_table_the_sequence_is_told_first() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE counted (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
         INSERT INTO counted DEFAULT VALUES; INSERT INTO counted DEFAULT VALUES;
         SELECT backstop.protect('counted'), backstop.protect_sequence('counted_id_seq')",
    );
    let refusal = refused(&mut admin, "TRUNCATE counted RESTART IDENTITY");
    assert_eq!(refusal.sqlstate, "SF007", "{refusal:?}");
    // What an approval of the table alone lacks is said.
    let under = |rows: i32, relations: &str, operations: &str| {
        format!(
            "BEGIN; SELECT backstop.approve_batch('why', {rows}, '{{{relations}}}', '{{{operations}}}');
             TRUNCATE counted RESTART IDENTITY"
        )
    };
    for short in [
        under(2, "public.counted", "truncate"),
        under(2, "public.counted,public.counted_id_seq", "truncate"),
    ] {
        let refusal = refused(&mut admin, &short);
        passes(&mut admin, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
        assert!(
            refusal.hint.contains("costs one row of max_rows")
                && refusal.hint.contains("public.counted_id_seq and setval"),
            "{refusal:?}"
        );
    }
    let both = under(3, "public.counted,public.counted_id_seq", "truncate,setval");
    passes(&mut admin, &format!("{both}; COMMIT"));
}

/// The dump of a table that is gone has no name for it, only its number.
#[test]
fn what_is_gone_is_not_registered_again_where_a_dump_is_loaded() {
    let original = database();
    let mut admin = original.connect();
    passes(
        &mut admin,
        "CREATE TABLE stays (id int PRIMARY KEY); CREATE TABLE goes (id int PRIMARY KEY, a text);
         SELECT backstop.protect('stays'), backstop.protect('goes'), backstop.protect_columns('goes', '{a}', 'up');
         SET backstop.mode = off; DROP TABLE goes; RESET backstop.mode",
    );
    let dump = pg_backstop_tests::cluster()
        .program(
            "pg_dump",
            &[
                "-d",
                &original.name,
                "--data-only",
                "-t",
                "backstop.registered_table",
                "-t",
                "backstop.registered_column",
            ],
        )
        .expect("pg_dump");
    assert!(dump.contains("public.stays\t{id}"), "{dump}");
    assert!(!dump.contains("up\n"), "{dump}");
    let rows = dump
        .lines()
        .filter(|line| line.contains("\t{id}\t"))
        .count();
    assert_eq!(rows, 1, "{dump}");
}

#[test]
fn creating_the_extension_says_where_the_library_is_not_preloaded() {
    for (preload, warned) in [(Preload::None, 1), (Preload::Shared, 0)] {
        let server = start(&ClusterOptions::default().preload(preload));
        let db: Database = server.database();
        passes(&mut db.connect(), "DROP EXTENSION pg_backstop");
        let (mut admin, notices): (Client, Notices) = db.connect_listening("postgres");
        passes(&mut admin, "CREATE EXTENSION pg_backstop");
        let told = notices.take();
        let about = told
            .iter()
            .filter(|notice| notice.message().contains("is not preloaded"))
            .count();
        assert_eq!(about, warned, "{told:?}");
    }
}
