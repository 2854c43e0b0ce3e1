//! A mixed workload on many connections: nobody waits for ever, nothing fails but what was meant to, the backends' memory
//! stays where it was, and the record holds exactly the rows that were destroyed.
//!
//! `PG_BACKSTOP_LOAD_SECONDS` (20) and `PG_BACKSTOP_LOAD_CONNECTIONS` (16) make it longer and wider.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Database, Refusal, passes, query_text, start};

/// Each connection works on a hundred users of its own, and on twenty that all of them share.
const OWN: u64 = 100;
const SHARED: u64 = 20;

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, worker int, plan text, seen int DEFAULT 0);
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE,
                         body text);
    CREATE INDEX ON orders (user_id); CREATE INDEX ON users (worker);
    SELECT backstop.protect('users', max_rows => 10);
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text), backstop.restore(bigint, boolean, text, text[]) TO app;
    GRANT SELECT ON backstop.statement TO app";

/// What a worker did.
#[derive(Default)]
struct Done {
    steps: u64,
    refused: u64,
    /// Rows of both tables that its committed statements destroyed.
    destroyed: u64,
    restored: u64,
}

struct Worker {
    client: Client,
    number: u64,
    done: Done,
}

impl Worker {
    fn first(&self) -> u64 {
        (self.number + 1) * 1000
    }

    fn run(&mut self, sql: &str) -> String {
        query_text(&mut self.client, sql)
    }

    fn refused(&mut self, sql: &str, sqlstate: &str) {
        let error = self.client.batch_execute(sql).expect_err(sql);
        let refusal = Refusal::of(&error).unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(refusal.sqlstate, sqlstate, "{sql}: {refusal:?}");
        self.done.refused += 1;
    }

    fn step(&mut self) {
        let (n, first) = (self.done.steps, self.first());
        let one = first + n * 7 % OWN;
        match n % 8 {
            0 | 1 => {
                self.run(&format!(
                    "UPDATE users SET seen = seen + 1 WHERE id = {one}"
                ));
                self.done.destroyed += 1;
            }
            2 => {
                // Always in the order of the keys, as every application should.
                let shared = n * 11 % SHARED;
                self.run(&format!(
                    "BEGIN; UPDATE users SET seen = seen + 1 WHERE id = {shared};
                     UPDATE users SET seen = seen + 1 WHERE id = {one}; COMMIT"
                ));
                self.done.destroyed += 2;
            }
            3 => {
                self.refused(&format!("DELETE FROM users WHERE id > {first}"), "SF001");
                self.refused("UPDATE users SET plan = 'x'", "SF002");
                let worker = self.number;
                self.refused(
                    &format!("UPDATE users SET plan = 'x' WHERE worker = {worker}"),
                    "SF005",
                );
            }
            4 => self.cascade_and_restore(one),
            5 => {
                let last = first + 29;
                self.run("BEGIN");
                self.run("SELECT backstop.approve_batch('load', 30, '{public.users}', '{update}')");
                self.run(&format!(
                    "UPDATE users SET seen = seen + 1 WHERE id BETWEEN {first} AND {last}"
                ));
                self.run("COMMIT");
                self.done.destroyed += 30;
            }
            6 => self.preview_and_run(),
            _ => {
                // Destroyed, and not: the record of it goes too.
                self.run(&format!(
                    "BEGIN; DELETE FROM users WHERE id = {one}; SAVEPOINT s;
                     UPDATE users SET seen = 0 WHERE id = {}; ROLLBACK TO s; ROLLBACK",
                    first + (n + 1) % OWN
                ));
            }
        }
        self.done.steps += 1;
    }

    /// A user and its three orders, gone and brought back.
    fn cascade_and_restore(&mut self, one: u64) {
        let gone = self.run(&format!("DELETE FROM users WHERE id = {one} RETURNING id"));
        assert_eq!(gone, one.to_string());
        self.done.destroyed += 4;
        let id = self
            .run("SELECT max(statement_id) FROM backstop.statement WHERE pid = pg_backend_pid()");
        let restored = self.run(&format!(
            "SELECT sum(restored) FROM backstop.restore({id}, false)"
        ));
        assert_eq!(restored, "4", "statement {id}");
        self.done.restored += 4;
    }

    fn preview_and_run(&mut self) {
        let (low, high) = (self.first() + 30, self.first() + 44);
        let statement =
            format!("UPDATE users SET plan = plan || 'x' WHERE id BETWEEN {low} AND {high}");
        let request = self.run(&format!(
            "SELECT DISTINCT request_id FROM backstop.preview('{}', 'load')",
            statement.replace('\'', "''")
        ));
        let token = self.run(&format!("SELECT backstop.approve({request}, 'load')"));
        let rows = self.run(&format!("SELECT rows FROM backstop.run('{token}')"));
        assert_eq!(rows, "15");
        self.done.destroyed += 15;
        self.run(&format!("BEGIN; SELECT backstop.approve_batch('short again', 30); UPDATE users SET plan = 'free' WHERE id BETWEEN {low} AND {high}; COMMIT"));
        self.done.destroyed += 15;
    }
}

/// The anonymous memory of a backend, in kilobytes.
fn memory(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .expect("the backend lives")
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn world(db: &Database, connections: u64) -> Client {
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    passes(
        &mut admin,
        &format!(
            "INSERT INTO users SELECT n, NULL, 'free' FROM generate_series(0, {SHARED} - 1) n;
             INSERT INTO users SELECT (w + 1) * 1000 + n, w, 'free'
                 FROM generate_series(0, {connections} - 1) w, generate_series(0, {OWN} - 1) n;
             INSERT INTO orders (user_id, body) SELECT id, repeat('x', 200) FROM users, generate_series(1, 3) WHERE worker IS NOT NULL;
             ANALYZE users, orders"
        ),
    );
    admin
}

#[test]
fn a_mixed_workload_on_many_connections_leaves_an_exact_record() {
    let seconds = number("PG_BACKSTOP_LOAD_SECONDS", 20);
    let connections = number("PG_BACKSTOP_LOAD_CONNECTIONS", 16);
    let server = start(&ClusterOptions::default().set("deadlock_timeout", "500ms"));
    let db = server.database();
    let mut admin = world(&db, connections);
    let (stop, steps) = (AtomicBool::new(false), AtomicU64::new(0));
    let ready = Barrier::new(usize::try_from(connections).expect("small") + 1);
    let (done, memories) = thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|number| {
                let (db, stop, ready, steps) = (&db, &stop, &ready, &steps);
                let mut worker = Worker {
                    client: db.connect_as("app"),
                    number,
                    done: Done::default(),
                };
                let pid = worker.run("SELECT pg_backend_pid()");
                let task = scope.spawn(move || {
                    ready.wait();
                    while !stop.load(Ordering::Relaxed) {
                        worker.step();
                        steps.fetch_add(1, Ordering::Relaxed);
                    }
                    // The connection stays, so that its memory can still be read.
                    ready.wait();
                    worker.done
                });
                (task, pid)
            })
            .collect();
        ready.wait();
        let began = Instant::now();
        let measure = || -> Vec<u64> { workers.iter().map(|(_, pid)| memory(pid)).collect() };
        thread::sleep(Duration::from_secs(seconds) / 3);
        let warm = measure();
        while began.elapsed() < Duration::from_secs(seconds)
            && !workers.iter().any(|(task, _)| task.is_finished())
        {
            thread::sleep(Duration::from_millis(50));
        }
        let hot = measure();
        stop.store(true, Ordering::Relaxed);
        if !workers.iter().any(|(task, _)| task.is_finished()) {
            ready.wait();
        }
        let done: Vec<Done> = workers
            .into_iter()
            .map(|(task, _)| {
                task.join()
                    .expect("the worker met no error it did not mean")
            })
            .collect();
        (done, (warm, hot))
    });
    let sum = |what: fn(&Done) -> u64| -> u64 { done.iter().map(what).sum() };
    let (destroyed, restored) = (sum(|done| done.destroyed), sum(|done| done.restored));
    let (warm, hot) = memories;
    let grown = warm
        .iter()
        .zip(&hot)
        .map(|(warm, hot)| hot.saturating_sub(*warm))
        .max();
    eprintln!(
        "{connections} connections, {seconds} s: {} steps, {} refusals, {destroyed} rows destroyed, {restored} restored; \
         RssAnon {}..{} kB when warm, {}..{} kB at the end, grown by {} kB at most",
        sum(|done| done.steps),
        sum(|done| done.refused),
        warm.iter().min().unwrap_or(&0),
        warm.iter().max().unwrap_or(&0),
        hot.iter().min().unwrap_or(&0),
        hot.iter().max().unwrap_or(&0),
        grown.unwrap_or(0),
    );
    assert!(
        done.iter().all(|done| done.steps > 8),
        "somebody stood still"
    );
    assert!(grown.unwrap_or(0) < 2048, "{warm:?} {hot:?}");
    // A restored row is one that the restore's own record names as inserted again.
    let recorded = "SELECT (SELECT coalesce(sum(row_count), 0) FROM backstop.chunk WHERE operation <> 'INSERT'),
        (SELECT coalesce(sum(row_count), 0) FROM backstop.chunk WHERE operation = 'INSERT'),
        (SELECT sum(rows) = (SELECT sum(row_count) FROM backstop.chunk) FROM backstop.statement)";
    assert_eq!(
        query_text(&mut admin, recorded),
        format!("{destroyed}|{restored}|t")
    );
    let users = connections * OWN;
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT (SELECT count(*) FROM users WHERE worker IS NOT NULL), (SELECT count(*) FROM orders)"
        ),
        format!("{users}|{}", 3 * users)
    );
    // Every increment that was made is in the record, and no other.
    let increments =
        "SELECT sum(seen) = (SELECT count(*) FROM backstop.preimage WHERE relation = 'public.users'
        AND operation = 'UPDATE' AND new_values ? 'seen') FROM users";
    assert_eq!(query_text(&mut admin, increments), "t");
    let log = server.log();
    for word in [
        "deadlock",
        "PANIC",
        "terminated by signal",
        "RefCell",
        "leak",
    ] {
        assert!(!log.contains(word), "the log says {word}");
    }
}
