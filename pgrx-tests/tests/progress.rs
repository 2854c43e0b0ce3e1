//! Progress: long captures, previews and restores can be watched from another session.

use std::thread::{self, JoinHandle};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, comes_to, database_with, passes, query_text, refused};

/// The advisory lock that holds work up in its middle: at row 10,000, whether it is deleted or put back.
const GATE: &str = "SELECT pg_advisory_lock(4711)";

const WORLD: &str = "
    CREATE FUNCTION gate(id bigint) RETURNS boolean LANGUAGE plpgsql AS
        'BEGIN IF id = 10000 THEN PERFORM pg_advisory_xact_lock(4711); END IF; RETURN true; END';
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM gate(OLD.id); RETURN OLD; END';
    CREATE TABLE letters (id bigint PRIMARY KEY, state text, body text);
    INSERT INTO letters SELECT n, 'old', repeat('x', 100) FROM generate_series(1, 20000) n;
    ALTER TABLE letters ADD CONSTRAINT gate CHECK (gate(id)), OWNER TO app;
    CREATE TRIGGER hold_up BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION hold_up();
    SELECT backstop.protect('letters', max_rows => 100000)";

const DELETE: &str =
    "SET backstop.max_rows_per_transaction = 100000; DELETE FROM letters WHERE state = 'old'";

const SEEN: &str = "
    SELECT pid, datname = current_database(), session_role, what, phase, relation, statement_id, rows_total,
           rows_done BETWEEN 5000 AND 10000, since BETWEEN now() - interval '5 min' AND clock_timestamp()
    FROM backstop.progress WHERE datname = current_database()";
const COUNT: &str = "SELECT count(*) FROM backstop.progress WHERE datname = current_database()";
const WAITING: &str = "
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// What runs elsewhere until the gate opens.
struct Held {
    /// Whoever keeps the gate closed.
    gate: Client,
    pid: String,
    work: JoinHandle<bool>,
}

impl Held {
    /// Opens the gate; whether the work came to a good end.
    fn finish(self) -> bool {
        drop(self.gate);
        self.work.join().expect("the thread ends")
    }
}

fn world() -> (Database, Client) {
    database_with(WORLD)
}

/// Starts `sql` and waits until it stands at the gate.
fn held(db: &Database, role: &str, sql: &str) -> Held {
    let mut gate = db.connect();
    passes(&mut gate, GATE);
    let mut client = db.connect_as(role);
    let pid = query_text(&mut client, "SELECT pg_backend_pid()");
    let sql = sql.to_owned();
    let work = thread::spawn(move || client.batch_execute(&sql).is_ok());
    comes_to(&mut db.connect(), WAITING, "1");
    Held { gate, pid, work }
}

#[test]
fn a_long_capture_is_seen_from_another_session_until_it_ends() {
    let (db, mut admin) = world();
    let held = held(&db, "postgres", DELETE);
    assert_eq!(
        query_text(&mut admin, SEEN),
        format!(
            "{}|t|postgres|capture|capturing rows|public.letters|1|null|t|t",
            held.pid
        )
    );
    assert!(held.finish());
    assert_eq!(query_text(&mut admin, COUNT), "0");
}

#[test]
fn an_ordinary_statement_never_shows() {
    let (db, mut admin) = world();
    let held = held(&db, "postgres", "DELETE FROM letters WHERE id = 10000");
    assert_eq!(query_text(&mut admin, COUNT), "0");
    assert!(held.finish());
}

#[test]
fn so_is_a_preview() {
    let (db, mut admin) = world();
    let held = held(
        &db,
        "app",
        "SELECT backstop.preview('DELETE FROM letters WHERE state = ''old''')",
    );
    assert_eq!(
        query_text(&mut admin, SEEN),
        format!(
            "{}|t|app|preview|running the statement|public.letters|null|null|t|t",
            held.pid
        )
    );
    assert!(held.finish());
    assert_eq!(query_text(&mut admin, COUNT), "0");
}

#[test]
fn so_is_a_restore_and_it_knows_how_many_rows_there_are() {
    let (db, mut admin) = world();
    passes(&mut admin, DELETE);
    for (sql, what) in [
        ("SELECT backstop.restore(1)", "restore dry run"),
        ("SELECT backstop.restore_drill()", "restore drill"),
        ("SELECT backstop.restore(1, false)", "restore"),
    ] {
        let held = held(&db, "postgres", sql);
        assert_eq!(
            query_text(&mut admin, SEEN),
            format!(
                "{}|t|postgres|{what}|putting rows back|public.letters|1|20000|t|t",
                held.pid
            )
        );
        assert!(held.finish(), "{sql}");
        assert_eq!(query_text(&mut admin, COUNT), "0", "{sql}");
    }
}

#[test]
fn an_error_a_cancel_a_savepoint_and_the_end_of_the_session_clear_it() {
    let (db, mut admin) = world();
    for signal in ["pg_cancel_backend", "pg_terminate_backend"] {
        let held = held(&db, "postgres", DELETE);
        assert_eq!(query_text(&mut admin, COUNT), "1");
        passes(&mut admin, &format!("SELECT {signal}({})", held.pid));
        println!("{signal}");
        comes_to(&mut admin, COUNT, "0");
        assert!(!held.finish());
    }
    let mut client = db.connect();
    passes(
        &mut client,
        "CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF OLD.id = current_setting('test.fails_at')::bigint THEN RAISE 'no'; END IF; RETURN OLD; END $$;
         CREATE TRIGGER last BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION last();
         SET backstop.max_rows_per_transaction = 100000",
    );
    passes(
        &mut client,
        "SET test.fails_at = 20000; BEGIN; SAVEPOINT before",
    );
    refused(&mut client, "DELETE FROM letters WHERE state = 'old'");
    passes(&mut client, "ROLLBACK TO before");
    assert_eq!(query_text(&mut admin, COUNT), "0");
    passes(&mut client, "ROLLBACK");
    passes(&mut client, "SET test.fails_at = 0");
    // A later statement of the same transaction is at no long work.
    passes(&mut client, &format!("BEGIN; {DELETE}"));
    assert_eq!(query_text(&mut admin, COUNT), "0");
}

#[test]
fn one_sees_one_s_own_work_and_whoever_may_read_statistics_sees_all() {
    let (db, mut admin) = world();
    let reader = format!("reader_{}", db.name);
    passes(
        &mut admin,
        &format!("CREATE ROLE {reader} LOGIN; GRANT pg_read_all_stats TO {reader}"),
    );
    let held = held(
        &db,
        "app",
        "SELECT backstop.preview('DELETE FROM letters WHERE state = ''old''')",
    );
    for (role, sees) in [
        ("app", "1"),
        ("outsider", "0"),
        (&reader, "1"),
        ("postgres", "1"),
    ] {
        assert_eq!(query_text(&mut db.connect_as(role), COUNT), sees, "{role}");
    }
    assert!(held.finish());
    passes(&mut admin, &format!("DROP ROLE {reader}"));
}
