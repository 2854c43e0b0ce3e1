//! Ways round the rules for who has the table's privileges, and some that a superuser takes by accident. Each is tried
//! with rows to lose; what passes must be on record.

mod routes {
    pub mod fast_path;
}

use pg_backstop_tests::postgres::{Client, NoTls};
use pg_backstop_tests::{Database, PORT, cluster, database_with_app, passes, query_text, refused};
use routes::fast_path;

/// A hundred users of whom three rows may go at a time; `app` may do all with them but owns nothing.
const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 100) n;
    CREATE SEQUENCE numbers; SELECT setval('numbers', 10);
    SELECT backstop.protect('users', max_rows => 3), backstop.protect_sequence('numbers', max_step => 5);
    GRANT ALL ON users TO app; GRANT ALL ON SEQUENCE numbers TO app; GRANT CREATE ON SCHEMA public TO app";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

#[track_caller]
fn all_are_left(admin: &mut Client) {
    assert_eq!(query_text(admin, "SELECT count(*) FROM users"), "100");
    let numbers = query_text(admin, "SELECT last_value FROM numbers");
    assert_eq!(numbers, "10");
    let destroyed = "SELECT count(*) FROM backstop.statement";
    assert_eq!(query_text(admin, destroyed), "0");
}

/// Tries each statement as one message; the SQLSTATE it must end with stands before it.
#[track_caller]
fn tries(client: &mut Client, attempts: &[(&str, &str)]) {
    for (sqlstate, statement) in attempts {
        let refusal = refused(client, statement);
        assert_eq!(refusal.sqlstate, *sqlstate, "{statement}: {refusal:?}");
        passes(client, "ROLLBACK");
    }
}

/// 42501: PostgreSQL's own "permission denied".
#[test]
fn settings_of_the_guard_are_the_superusers() {
    let (db, mut admin, mut app) = world();
    let name = &db.name;
    for (setting, value) in [
        ("backstop.mode", "off"),
        ("backstop.mode", "observe"),
        ("backstop.max_rows", "1000000"),
        ("backstop.max_rows_per_transaction", "1000000"),
        ("backstop.approval_ttl", "86400"),
        ("backstop.request_ttl", "864000"),
        ("backstop.preview_max_rows", "5"),
        ("backstop.log_parameters", "off"),
        ("session_replication_role", "replica"),
    ] {
        for statement in [
            format!("SET {setting} = '{value}'"),
            format!("BEGIN; SET LOCAL {setting} = '{value}'"),
            format!("SELECT set_config('{setting}', '{value}', false)"),
            format!("UPDATE pg_settings SET setting = '{value}' WHERE name = '{setting}'"),
            format!("ALTER ROLE app SET {setting} = '{value}'"),
            format!("ALTER SYSTEM SET {setting} = '{value}'"),
            format!("ALTER DATABASE {name} SET {setting} = '{value}'"),
            format!(
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET {setting} = '{value}' AS 'SELECT 1'"
            ),
        ] {
            assert_eq!(
                refused(&mut app, &statement).sqlstate,
                "42501",
                "{statement}"
            );
            passes(&mut app, "ROLLBACK");
        }
        // PGOPTIONS of libpq, and its like of every driver.
        let mut config = db.config();
        config.user("app").options(&format!("-c {setting}={value}"));
        let error = config.connect(NoTls).err().expect("the setting is not his");
        let sqlstate = error.code().map(|code| code.code().to_owned());
        assert_eq!(sqlstate.as_deref(), Some("42501"), "{setting}");
    }
    tries(&mut app, &[("SF002", "DELETE FROM users")]);
    all_are_left(&mut admin);
}

#[test]
fn other_roles_rights_do_not_help() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION wipe() RETURNS void SECURITY DEFINER LANGUAGE sql AS 'DELETE FROM users WHERE id > 50';
         CREATE FUNCTION wipe_each() RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
             $$ BEGIN FOR n IN 1 .. 100 LOOP DELETE FROM users WHERE id = n; END LOOP; END $$;
         CREATE FUNCTION wipe_off() RETURNS void SECURITY DEFINER SET session_replication_role = replica LANGUAGE sql
             AS 'DELETE FROM users WHERE id > 50'",
    );
    tries(
        &mut app,
        &[
            ("SF001", "SELECT wipe()"),
            ("SF005", "SELECT wipe_each()"),
            ("SF001", "SELECT wipe_off()"),
            (
                "SF005",
                "DO $$ BEGIN FOR n IN 1 .. 100 LOOP DELETE FROM users WHERE id = n; END LOOP; END $$",
            ),
        ],
    );
    // A superuser is refused like anyone, whatever role he plays.
    tries(
        &mut admin,
        &[
            ("SF001", "SET ROLE app; DELETE FROM users WHERE id > 50"),
            (
                "SF001",
                "BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM users WHERE id > 50",
            ),
            (
                "SF005",
                "BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM users WHERE plan = 'free'",
            ),
        ],
    );
    passes(&mut admin, "RESET ROLE");
    all_are_left(&mut admin);
}

#[test]
fn names_that_hide_other_names_do_not_help() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        r#"CREATE FUNCTION any_bigint(bigint, bigint) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
           CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = any_bigint);
           CREATE FUNCTION any_int(bigint, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
           CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = int, FUNCTION = any_int);
           CREATE FUNCTION public.setval(regclass, int) RETURNS bigint LANGUAGE sql AS 'SELECT pg_catalog.setval($1, $2::bigint)';
           CREATE TEMP TABLE pg_class AS SELECT * FROM pg_catalog.pg_class"#,
    );
    tries(
        &mut app,
        &[
            (
                "SF001",
                "BEGIN; SET LOCAL search_path = public, pg_catalog; DELETE FROM users WHERE id = 5",
            ),
            (
                "SF001",
                "DELETE FROM users WHERE id OPERATOR(public.=) 5::bigint",
            ),
            (
                "SF007",
                "BEGIN; SET LOCAL search_path = public, pg_catalog; SELECT setval('numbers', 1000)",
            ),
            (
                "SF001",
                "BEGIN; SET LOCAL search_path = pg_temp, public; DELETE FROM users WHERE id > 5",
            ),
        ],
    );
    all_are_left(&mut admin);
    // A table of the session's own in front is nobody else's business.
    passes(
        &mut app,
        "CREATE TEMP TABLE users AS SELECT * FROM public.users; DELETE FROM users; DROP TABLE pg_temp.users",
    );
    all_are_left(&mut admin);
}

#[test]
fn rules_views_and_event_triggers_do_not_help() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE TABLE inbox (n int); GRANT ALL ON inbox TO app;
         CREATE RULE also AS ON INSERT TO inbox DO ALSO DELETE FROM users WHERE id > 50;
         CREATE VIEW seen AS SELECT * FROM users; GRANT ALL ON seen TO app;
         CREATE VIEW drop_box AS SELECT 1 AS n; GRANT ALL ON drop_box TO app;
         CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > NEW.n; RETURN NEW; END $$;
         CREATE TRIGGER swallow INSTEAD OF INSERT ON drop_box FOR EACH ROW EXECUTE FUNCTION swallow()",
    );
    tries(
        &mut app,
        &[
            ("SF001", "INSERT INTO inbox VALUES (1)"),
            ("SF001", "DELETE FROM seen WHERE id > 50"),
            ("SF002", "DELETE FROM seen"),
            ("SF001", "INSERT INTO drop_box VALUES (50)"),
            (
                "SF001",
                "COPY (DELETE FROM users WHERE id > 50 RETURNING *) TO STDOUT",
            ),
            (
                "SF001",
                "BEGIN; DECLARE c CURSOR FOR SELECT * FROM users WHERE id > 50 FOR UPDATE; FETCH c; DELETE FROM users WHERE CURRENT OF c",
            ),
        ],
    );
    passes(
        &mut admin,
        "CREATE FUNCTION tidy() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > 50; END $$;
         CREATE EVENT TRIGGER tidy ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION tidy()",
    );
    tries(&mut app, &[("SF001", "CREATE TABLE mine (n int)")]);
    passes(&mut admin, "DROP EVENT TRIGGER tidy");
    all_are_left(&mut admin);
}

#[test]
fn a_cursor_held_over_commit_destroys_nothing_uncounted() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE FUNCTION kill(victim bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id = victim; RETURN victim; END $$",
    );
    // It runs to its end at COMMIT.
    tries(
        &mut app,
        &[(
            "SF005",
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT kill(n) FROM generate_series(1, 50) n; COMMIT",
        )],
    );
    all_are_left(&mut admin);
}

#[test]
fn what_makes_the_key_another_key_is_refused() {
    let (_db, mut admin, _) = world();
    tries(
        &mut admin,
        &[
            ("SF008", "ALTER TABLE users ALTER COLUMN id TYPE text"),
            (
                "SF008",
                r#"ALTER TABLE users ALTER COLUMN plan TYPE text COLLATE "C""#,
            ),
            ("SF008", "ALTER TABLE users DROP CONSTRAINT users_pkey"),
            (
                "SF008",
                "BEGIN; ALTER TABLE users DROP CONSTRAINT users_pkey; ALTER TABLE users ADD PRIMARY KEY (plan)",
            ),
            ("SF008", "ALTER TABLE users RENAME COLUMN id TO old_id"),
        ],
    );
    passes(&mut admin, "VACUUM FULL users");
    passes(&mut admin, "CLUSTER users USING users_pkey");
    all_are_left(&mut admin);
}

#[test]
fn the_fast_path_is_no_way_round() {
    let (db, mut admin, mut app) = world();
    passes(
        &mut app,
        "CREATE FUNCTION wipe_from(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id > $1; RETURN 1; END $$",
    );
    let number = |admin: &mut Client, expression: &str| -> u32 {
        query_text(admin, &format!("SELECT {expression}::oid"))
            .parse()
            .expect("an OID")
    };
    let wipe = number(&mut admin, "'wipe_from(bigint)'::regprocedure");
    let setval = number(&mut admin, "'setval(regclass, bigint)'::regprocedure");
    let numbers = number(&mut admin, "'numbers'::regclass");
    let mut session = fast_path::Session::open(&db, "app");
    assert_eq!(session.call(wipe, &["50"]), Err("SF001".to_owned()));
    let moved = session.call(setval, &[&numbers.to_string(), "1000"]);
    assert_eq!(moved, Err("SF007".to_owned()));
    // The session is as good as before.
    let abs = number(&mut admin, "'abs(bigint)'::regprocedure");
    assert_eq!(session.call(abs, &["-7"]), Ok("7".to_owned()));
    all_are_left(&mut admin);
}

#[test]
fn another_session_of_ones_own_is_guarded_too() {
    let (db, mut admin, _) = world();
    let has = |admin: &mut Client, name: &str| {
        let found = format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'");
        query_text(admin, &found) == "1"
    };
    if !has(&mut admin, "dblink") || !has(&mut admin, "postgres_fdw") {
        println!("SKIPPED: this PostgreSQL came without dblink and postgres_fdw");
        return;
    }
    let (socket, port, name) = (db.endpoint.socket.display(), PORT, &db.name);
    passes(
        &mut admin,
        &format!(
            "CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
             CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{socket}', port '{port}', dbname '{name}');
             CREATE USER MAPPING FOR postgres SERVER loopback OPTIONS (user 'postgres');
             CREATE FOREIGN TABLE far (id bigint, plan text) SERVER loopback OPTIONS (table_name 'users')"
        ),
    );
    let conninfo = db.conninfo("postgres");
    let by_dblink = format!("SELECT dblink_exec('{conninfo}', 'DELETE FROM users WHERE id > 50')");
    tries(
        &mut admin,
        &[
            ("SF001", &by_dblink),
            ("SF001", "DELETE FROM far WHERE id > 50"),
            ("SF005", "DELETE FROM far WHERE plan = 'free'"),
        ],
    );
    all_are_left(&mut admin);
}

#[test]
fn a_dump_restored_with_clean_drops_nothing() {
    let (db, mut admin, _) = world();
    let folder = pg_backstop_tests::filled::work_folder("clean").expect("a folder");
    let file = folder.join("dump").to_string_lossy().into_owned();
    let server = cluster();
    let dump = ["-d", &db.name, "-Fc", "-f", &file];
    server.program("pg_dump", &dump).expect("pg_dump");
    let restore = [
        "-d",
        &db.name,
        "--clean",
        "--if-exists",
        "--exit-on-error",
        "-t",
        "users",
        &file,
    ];
    let error = server
        .program("pg_restore", &restore)
        .expect_err("users are protected");
    assert!(
        format!("{error:#}").contains("DROP TABLE of protected table \"users\" is refused"),
        "{error:#}"
    );
    all_are_left(&mut admin);
}

/// LOAD, and a library that is loaded twice.
#[test]
fn loading_the_library_changes_nothing() {
    let (_db, mut admin, mut app) = world();
    assert_eq!(refused(&mut app, "LOAD 'pg_backstop'").sqlstate, "42501");
    passes(&mut admin, "LOAD 'pg_backstop'");
    tries(&mut admin, &[("SF001", "DELETE FROM users WHERE id > 50")]);
    all_are_left(&mut admin);
}
