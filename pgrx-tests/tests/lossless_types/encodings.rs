//! Databases whose encoding is not UTF-8: names and values with bytes that are no UTF-8.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, cluster, passes, query_text};

/// A database of that encoding, with the extension; dropped with the value.
pub fn of(encoding: &str) -> Database {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("encoded_{}_{number}", std::process::id());
    passes(
        &mut cluster().admin(),
        &format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"),
    );
    let database = Database {
        endpoint: cluster().endpoint.clone(),
        name,
    };
    passes(
        &mut database.connect(),
        "CREATE EXTENSION pg_backstop; GRANT USAGE, CREATE ON SCHEMA public TO app;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app",
    );
    database
}

/// Runs SQL in which `~` stands for the byte 0xE9: "é" in LATIN1, nothing at all in UTF-8.
fn run(client: &mut Client, sql: &str) {
    passes(client, &with_bytes(sql));
}

fn with_bytes(sql: &str) -> String {
    format!("DO $do$ BEGIN EXECUTE replace($sql${sql}$sql$, '~', E'\\xe9'); END $do$")
}

fn names_and_values(encoding: &str) {
    let db = of(encoding);
    let mut admin = db.connect();
    // Its notices could not be sent.
    passes(&mut admin, "SET client_min_messages = warning");
    run(
        &mut admin,
        r#"CREATE SCHEMA "s~"; GRANT ALL ON SCHEMA "s~" TO app; CREATE TYPE "m~" AS ENUM ('~', '~~');
           CREATE TYPE "p~" AS ("a~" int, "b~" text);
           CREATE TABLE "s~"."t~" ("k~" text PRIMARY KEY, "v~" text, e "m~", p "p~", j json, jb jsonb, c varchar(4),
               n name, class regclass, "d~" int DEFAULT 5);
           CREATE TABLE "s~"."c~" ("id~" int PRIMARY KEY, "up~" text REFERENCES "s~"."t~" ON DELETE CASCADE);
           GRANT ALL ON "s~"."t~", "s~"."c~" TO app;
           INSERT INTO "s~"."t~" SELECT 'k~' || n, '~' || n, '~~', ROW(1, '~')::"p~", '{"~": "~"}', '{"~": "~"}', '~~~~', '~', '"s~"."c~"'
               FROM generate_series(1, 5) n;
           INSERT INTO "s~"."c~" SELECT n, 'k~' || n FROM generate_series(1, 5) n;
           CREATE TABLE twin AS TABLE "s~"."t~"; CREATE TABLE child_twin AS TABLE "s~"."c~"; GRANT ALL ON twin TO app"#,
    );
    run(
        &mut admin,
        r#"DO $x$ BEGIN PERFORM backstop.protect('"s~"."t~"', expendable => '"v~" = ''~''', max_rows => 4);
           PERFORM backstop.protect_columns('"s~"."t~"', ARRAY['v~'], 'crm~'); END $x$"#,
    );
    let mut app = db.connect_as("app");
    for (statement, sqlstate) in [
        (r#"DELETE FROM "s~"."t~" WHERE "k~" > 'k'"#, "SF001"),
        (r#"DELETE FROM "s~"."t~""#, "SF002"),
        (
            r#"UPDATE "s~"."t~" SET "k~" = 'x' WHERE "k~" = 'k~1'"#,
            "SF004",
        ),
    ] {
        // Handled in the server: the message could not be sent to a client of another encoding.
        let quoted = statement.replace('\'', "''");
        let expects = format!(
            "DO $x$ BEGIN EXECUTE '{quoted}'; RAISE EXCEPTION 'this passed'; EXCEPTION WHEN SQLSTATE '{sqlstate}' THEN NULL; END $x$"
        );
        run(&mut app, &expects);
    }
    let same = |admin: &mut Client, when: &str| {
        let differ = r#"SELECT (SELECT count(*) FROM twin w FULL JOIN "s~"."t~" z USING ("k~") WHERE NOT coalesce((w.*) *= (z.*), false))
            + (SELECT count(*) FROM child_twin w FULL JOIN "s~"."c~" z USING ("id~") WHERE NOT coalesce((w.*) *= (z.*), false))"#;
        run(
            admin,
            &format!("CREATE OR REPLACE VIEW differ AS {differ} AS n"),
        );
        assert_eq!(
            query_text(admin, "SELECT n FROM differ"),
            "0",
            "{encoding}: {when}"
        );
    };
    let restore = "SELECT sum(conflicts) FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement), dry_run => false)";
    for statement in [
        r#"DELETE FROM "s~"."t~" WHERE "k~" IN ('k~1', 'k~2')"#,
        r#"UPDATE "s~"."t~" SET "v~" = 'other', "d~" = 6, e = '~', p = NULL, j = NULL, n = '' WHERE "k~" = 'k~3'"#,
    ] {
        run(&mut app, statement);
        let conflicts = "SELECT count(*), count(key), count(current_row) FROM backstop.restore_conflicts((SELECT max(statement_id) FROM backstop.statement))";
        assert_eq!(
            query_text(&mut admin, conflicts),
            "0|0|0",
            "{encoding}: {statement}"
        );
        assert_eq!(
            query_text(&mut admin, restore),
            "0",
            "{encoding}: {statement}"
        );
        same(&mut admin, statement);
    }
    // The record itself.
    let recorded = format!(
        "SELECT count(*) FROM backstop.preimage WHERE relation = {r} AND key ->> ('k' || E'\\xe9') = E'k\\xe91' AND old_row ->> ('v' || E'\\xe9') = E'\\xe91'",
        r = r#"E'"s\xe9"."t\xe9"'"#
    );
    assert_eq!(query_text(&mut admin, &recorded), "1", "{encoding}");
    let registered = r#"SELECT count(*) FROM backstop.protected_table WHERE expendable LIKE E'%"v\xe9"%=%''\xe9''%'"#;
    assert_eq!(query_text(&mut admin, registered), "1", "{encoding}");
    // A dropped table is made again from its recorded definition.
    run(
        &mut admin,
        r#"DO $x$ BEGIN PERFORM backstop.approve_batch('r~', 20); DROP TABLE "s~"."t~" CASCADE; END $x$"#,
    );
    assert_eq!(
        query_text(&mut admin, restore),
        "0",
        "{encoding}: DROP TABLE"
    );
    same(&mut admin, "DROP TABLE");
    // A preview, its approval, and the run.
    let previewed = with_bytes(
        r#"DO $x$ DECLARE r bigint; token text; BEGIN
           SELECT max(request_id) INTO r FROM backstop.preview('DELETE FROM "s~"."t~" WHERE "k~" = ''k~4''', 'reason ~');
           token := backstop.approve(r, 'yes ~'); PERFORM backstop.run(token); END $x$"#,
    );
    passes(&mut admin, &previewed);
    // A request as people read it. Checked in the server: these texts cannot be sent to this client.
    run(
        &mut admin,
        r#"DO $x$ DECLARE r bigint; tree text; shown text; BEGIN
           SELECT max(request_id) INTO r FROM backstop.preview('UPDATE "s~"."t~" SET "v~" = NULL WHERE "k~" = ''k~5''', 'why ~');
           PERFORM backstop.deny(r, 'no ~');
           SELECT string_agg(line, E'\n') INTO tree FROM backstop.preview_tree(r) AS line;
           FOREACH shown IN ARRAY ARRAY['why ~', 'no ~', '"k~" = ''k~5''', 'UPDATE "s~"."t~"', 'v~'] LOOP
               IF position(shown IN tree) = 0 THEN RAISE EXCEPTION 'the tree does not show a part of the request'; END IF;
           END LOOP;
           IF backstop.request_json(r) ->> 'decision_reason' <> 'no ~' THEN RAISE EXCEPTION 'another reason'; END IF;
           END $x$"#,
    );
    assert_eq!(query_text(&mut admin, restore), "0", "{encoding}: run");
    same(&mut admin, "run");
    let drill = "SELECT count(*) FROM backstop.restore_drill() WHERE NOT ok AND detail NOT LIKE '%conflict%'";
    assert_eq!(query_text(&mut admin, drill), "0", "{encoding}: drill");
}

#[test]
fn latin1() {
    names_and_values("LATIN1");
}

#[test]
fn sql_ascii() {
    names_and_values("SQL_ASCII");
}

/// UTF-8 bytes in a database that does not know them, and names that look like the bytes that stand for themselves.
#[test]
fn utf8_in_sql_ascii_and_private_characters_in_utf8() {
    for encoding in ["SQL_ASCII", "UTF8"] {
        let db = of(encoding);
        let mut admin = db.connect();
        let name = "\"é \u{10ff80}\u{10ffe9} 🙂\"";
        passes(
            &mut admin,
            &format!(
                "CREATE TABLE {name} ({name} text PRIMARY KEY, b text); INSERT INTO {name} VALUES ('\u{10ffe9}', '\u{10ff80}é');
                 CREATE TABLE twin AS TABLE {name}; SELECT backstop.protect('{name}')"
            ),
        );
        passes(
            &mut db.connect_as("app"),
            &format!("DELETE FROM {name} WHERE {name} = '\u{10ffe9}'"),
        );
        let key = format!(
            "SELECT relation, key, operation FROM backstop.preimage WHERE relation = 'public.' || '{name}'"
        );
        let expected = format!("public.{name}|{{{name}: \"\u{10ffe9}\"}}|DELETE");
        assert_eq!(query_text(&mut admin, &key), expected, "{encoding}");
        passes(
            &mut admin,
            "SELECT backstop.restore(max(statement_id), dry_run => false) FROM backstop.statement",
        );
        let same = format!("SELECT (a.*) *= (b.*) FROM {name} a, twin b");
        assert_eq!(query_text(&mut admin, &same), "t", "{encoding}");
    }
}
