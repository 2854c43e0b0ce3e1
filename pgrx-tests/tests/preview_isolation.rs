//! Preview and run beside other sessions: whatever they do between the two, or while the statement runs, no row is
//! destroyed that was not shown. Asserted on what is left in the table.

mod preview {
    pub mod world;
}

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Refusal, passes, query_text};
use preview::world::{World, approve, ask, call, left, run, set_local, token, users, world};
use std::thread;
use std::time::Duration;

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

/// What another session does to rows that `plan = 'doomed'` selects, or comes to select.
const MEDDLING: [&str; 6] = [
    "INSERT INTO users VALUES (301, 'oauth', 'doomed')",
    "UPDATE users SET plan = 'doomed' WHERE id = 50",
    "UPDATE users SET plan = 'saved' WHERE id = 3",
    "UPDATE users SET auth_source = 'new' WHERE id = 3",
    "DELETE FROM users WHERE id = 3",
    "UPDATE users SET id = 303 WHERE id = 3",
];

const DOOMED: &str = "DELETE FROM users WHERE plan = 'doomed'";

fn doom(world: &mut World) {
    passes(
        &mut world.admin,
        "SET backstop.mode = off; SET session_replication_role = replica;
         DELETE FROM users; DELETE FROM subscriptions; DELETE FROM invoices;
         SET session_replication_role = origin;
         INSERT INTO users SELECT n, 'oauth', CASE WHEN n < 6 THEN 'doomed' ELSE 'free' END FROM generate_series(1, 60) n",
    );
}

/// Everything but the five rows that were shown, as the meddling left it.
fn survivors(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u WHERE NOT (id < 6 AND plan = 'doomed' AND auth_source = 'oauth')",
    )
}

/// Asserts that either exactly the shown rows went, or none did.
#[track_caller]
fn all_or_nothing(
    world: &mut World,
    outcome: Result<(), Box<Refusal>>,
    survived: &str,
    told: &str,
) {
    let shown =
        "SELECT count(*) FROM users WHERE id < 6 AND plan = 'doomed' AND auth_source = 'oauth'";
    let left: i64 = query_text(&mut world.admin, shown)
        .parse()
        .expect("a count");
    assert_eq!(
        survivors(&mut world.admin),
        survived,
        "{told}: a row went that was not shown"
    );
    match outcome {
        Ok(()) => assert_eq!(left, 0, "{told}"),
        Err(refusal) => {
            assert!(
                ["SF011", "40001"].contains(&refusal.sqlstate.as_str()),
                "{told} {refusal:?}"
            );
            assert!(left >= 4, "{told}: {left} left after {refusal:?}");
        }
    }
}

fn outcome(client: &mut Client, sql: &str) -> Result<(), Box<Refusal>> {
    let outcome = client.batch_execute(sql);
    outcome.map_err(|error| Box::new(Refusal::of(&error).expect("the server answers")))
}

#[test]
fn what_changed_before_it_runs_is_noticed() {
    let mut world = world();
    for level in LEVELS {
        for meddling in MEDDLING {
            doom(&mut world);
            let token = token(&mut world, DOOMED);
            passes(&mut world.admin, meddling);
            let survived = survivors(&mut world.admin);
            passes(&mut world.app, &format!("BEGIN ISOLATION LEVEL {level}"));
            let ran = outcome(&mut world.app, &run(&token));
            passes(&mut world.app, "COMMIT");
            assert_eq!(
                ran.as_ref().map_err(|refusal| refusal.sqlstate.as_str()),
                Err("SF011"),
                "{level} {meddling}"
            );
            all_or_nothing(&mut world, ran, &survived, &format!("{level} {meddling}"));
        }
    }
}

#[test]
fn a_snapshot_from_before_the_change_destroys_nothing_new() {
    let mut world = world();
    for level in LEVELS {
        for meddling in MEDDLING {
            doom(&mut world);
            let token = token(&mut world, DOOMED);
            passes(
                &mut world.app,
                &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM users"),
            );
            passes(&mut world.admin, meddling);
            let survived = survivors(&mut world.admin);
            let ran = outcome(&mut world.app, &run(&token));
            let end = outcome(&mut world.app, "COMMIT");
            all_or_nothing(
                &mut world,
                ran.and(end),
                &survived,
                &format!("{level} {meddling}"),
            );
        }
    }
}

fn wait_until(client: &mut Client, sql: &str) {
    for _ in 0..500 {
        if query_text(client, sql) == "t" {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("never came true: {sql}");
}

/// Stops the statement at a row that another session has changed and not committed, and lets it go on after the commit
/// (or the rollback): READ COMMITTED then looks at the row again.
#[test]
fn what_changes_while_it_waits_for_a_row_is_noticed() {
    let mut world = world();
    let inserts = "INSERT INTO users VALUES (301, 'oauth', 'doomed')";
    for level in LEVELS {
        for meddling in MEDDLING {
            for end in ["COMMIT", "ROLLBACK"] {
                for by_run in [true, false] {
                    doom(&mut world);
                    let token = token(&mut world, DOOMED);
                    let told = format!("{level} {meddling} {end} run {by_run}");
                    let mut meddler = world.db.connect();
                    // A row lock stops the statement also where the meddling itself does not.
                    passes(
                        &mut meddler,
                        &format!(
                            "SET backstop.mode = off; BEGIN; SELECT FROM users WHERE id = 4 FOR UPDATE; {meddling}"
                        ),
                    );
                    let mut app = world.db.connect_as("app");
                    let pid = query_text(&mut app, "SELECT pg_backend_pid()");
                    let begin = format!("BEGIN ISOLATION LEVEL {level}");
                    let runner = thread::spawn(move || {
                        passes(&mut app, &begin);
                        let ran = if by_run {
                            outcome(&mut app, &run(&token))
                        } else {
                            passes(&mut app, &set_local(&token));
                            outcome(&mut app, DOOMED)
                        };
                        ran.and(outcome(&mut app, "COMMIT"))
                    });
                    wait_until(
                        &mut world.admin,
                        &format!("SELECT cardinality(pg_blocking_pids({pid})) > 0"),
                    );
                    passes(&mut meddler, end);
                    let ran = runner.join().expect("the runner ends");
                    let survived = if end == "COMMIT" {
                        expected(&mut world, meddling)
                    } else {
                        expected(&mut world, "")
                    };
                    if end == "ROLLBACK" || meddling == inserts && level == "READ COMMITTED" {
                        // The lock is gone, and nothing it saw has changed.
                        assert!(ran.is_ok(), "{told} {ran:?}");
                    }
                    all_or_nothing(&mut world, ran, &survived, &told);
                }
            }
        }
    }
}

/// What would survive if exactly the five rows went from a doomed table that only `meddling` has changed.
fn expected(world: &mut World, meddling: &str) -> String {
    let fresh = "CREATE TEMP TABLE copy (LIKE users INCLUDING ALL);
         INSERT INTO copy SELECT n, 'oauth', CASE WHEN n < 6 THEN 'doomed' ELSE 'free' END FROM generate_series(1, 60) n";
    passes(&mut world.admin, fresh);
    passes(&mut world.admin, &meddling.replace("users", "copy"));
    let sql = "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM copy u WHERE NOT (id < 6 AND plan = 'doomed' AND auth_source = 'oauth')";
    let survived = query_text(&mut world.admin, sql);
    passes(&mut world.admin, "DROP TABLE copy");
    survived
}

/// Stops the statement in its own middle, with an advisory lock that a trigger takes.
#[test]
fn what_changes_in_its_middle_is_not_destroyed() {
    let mut world = world();
    passes(
        &mut world.admin,
        "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4713); RETURN OLD; END $$;
         CREATE TRIGGER gate BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION gate()",
    );
    for level in LEVELS {
        // The first doomed row has been passed when the gate holds the statement: the rest may be changed.
        for meddling in [
            MEDDLING[0],
            MEDDLING[1],
            "UPDATE users SET plan = 'saved' WHERE id = 5",
            "UPDATE users SET auth_source = 'new' WHERE id = 5",
            "DELETE FROM users WHERE id = 5",
            "UPDATE users SET plan = 'saved', auth_source = 'new' WHERE id = 5; UPDATE users SET plan = 'doomed' WHERE id = 5",
        ] {
            doom(&mut world);
            // The first one is the first of the table again, whatever room earlier rounds have left in it.
            passes(&mut world.admin, "CLUSTER users USING users_pkey");
            let token = token(&mut world, DOOMED);
            let told = format!("{level} {meddling}");
            passes(&mut world.admin, "SELECT pg_advisory_lock(4713)");
            let mut app = world.db.connect_as("app");
            let pid = query_text(&mut app, "SELECT pg_backend_pid()");
            let begin = format!("BEGIN ISOLATION LEVEL {level}");
            let runner = thread::spawn(move || {
                passes(&mut app, &begin);
                let ran = outcome(&mut app, &run(&token));
                ran.and(outcome(&mut app, "COMMIT"))
            });
            wait_until(
                &mut world.admin,
                &format!("SELECT cardinality(pg_blocking_pids({pid})) > 0"),
            );
            passes(&mut world.admin, "SET session_replication_role = replica");
            passes(&mut world.admin, meddling);
            passes(&mut world.admin, "RESET session_replication_role");
            passes(&mut world.admin, "SELECT pg_advisory_unlock(4713)");
            let ran = runner.join().expect("the runner ends");
            let survived = expected(&mut world, meddling);
            all_or_nothing(&mut world, ran, &survived, &told);
        }
    }
}

#[test]
fn a_preview_waits_for_nobody_longer_than_its_statement_and_holds_nothing() {
    let mut world = world();
    doom(&mut world);
    let mut app = world.db.connect_as("app");
    passes(&mut app, "BEGIN");
    query_text(&mut app, &format!("SELECT count(*) FROM {}", call(DOOMED)));
    // The previewing transaction is still open, and others can change what it saw.
    let mut other = world.db.connect_as("app");
    passes(
        &mut other,
        "SET lock_timeout = '2s'; UPDATE users SET plan = 'saved' WHERE id = 1; DELETE FROM users WHERE id = 2",
    );
    passes(&mut app, "COMMIT");
    // And so can a preview that a row lock stopped, once the lock is gone.
    let request = ask(&mut app, DOOMED);
    let token = approve(&mut world.reviewer, &request);
    passes(&mut app, &run(&token));
    assert_eq!(users(&mut world.admin), "56");
}

/// The chunks of the first maintenance_work_mem wait in memory, the others in a temporary file.
#[test]
fn what_memory_does_not_hold_comes_back_whole_and_in_order() {
    let mut world = world();
    passes(
        &mut world.admin,
        "INSERT INTO users SELECT n, 'oauth', md5(n::text) || md5((-n)::text) FROM generate_series(1001, 60000) n",
    );
    passes(&mut world.app, "SET maintenance_work_mem = '1MB'");
    let token = token(
        &mut world,
        "DELETE FROM users WHERE id BETWEEN 1001 AND 60000",
    );
    let kept =
        "SELECT sum(row_count), sum(pg_column_size(images)) > 2000000 FROM backstop.request_chunk";
    assert_eq!(query_text(&mut world.admin, kept), "59000|t");
    let shown = "SELECT count(*), count(DISTINCT ordinal), bool_and(old_row ->> 'id' = (ordinal + 1000)::text),
                        bool_and(old_row ->> 'plan' = md5(old_row ->> 'id') || md5('-' || (old_row ->> 'id')))
                 FROM backstop.request_rows(1)";
    assert_eq!(query_text(&mut world.app, shown), "59000|59000|t|t");
    assert_eq!(
        query_text(&mut world.app, &run(&token)),
        "public.users|DELETE|59000"
    );
    assert_eq!(left(&mut world), "200");
}
