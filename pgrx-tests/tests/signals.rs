//! Statements that are cut off at a random point of capture, preview or restore: by statement_timeout, by a cancel, by
//! the end of the backend. Nothing of ours is left behind, and what was done and what is recorded still agree.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, Refusal, passes, query_text, refused, start,
};

const ROWS: u32 = 5000;

/// maintenance_work_mem is small, so that a preview spills into temporary files.
const WORLD: &str = "
    CREATE TABLE letters (id bigint PRIMARY KEY, state text, body text);
    CREATE TABLE stamps (id bigint PRIMARY KEY, letter bigint REFERENCES letters ON DELETE CASCADE, price numeric);
    CREATE INDEX ON stamps (letter);
    INSERT INTO letters SELECT n, 'old', (SELECT string_agg(md5((n * m)::text), '') FROM generate_series(1, 20) m)
        FROM generate_series(1, 5000) n;
    INSERT INTO stamps SELECT n, n, n / 7.0 FROM generate_series(1, 5000) n;
    SELECT backstop.protect('letters', max_rows => 10)";

const APPROVE: &str =
    r#"SET LOCAL backstop.approval = '{"reason": "signals", "max_rows": 100000}'"#;
const DELETE: &str = "DELETE FROM letters WHERE state = 'old'";
const PREVIEW: &str =
    "SELECT count(*) FROM backstop.preview('DELETE FROM letters WHERE state = ''old''', 'signals')";
/// Restores the newest deletion.
const RESTORE: &str =
    "SELECT sum(restored) FROM backstop.restore((SELECT max(statement_id) FROM backstop.statement
    WHERE operations = '{DELETE}'), false)";

/// Rows of both tables; the record's statements, what they say they destroyed, and what they hold; the same of requests.
const STATE: &str = "
    SELECT (SELECT count(*) FROM letters), (SELECT count(*) FROM stamps),
           (SELECT md5(string_agg(l::text, ',' ORDER BY id)) FROM letters l),
           (SELECT count(*) FROM backstop.statement), (SELECT coalesce(sum(rows), 0) FROM backstop.statement),
           (SELECT coalesce(sum(row_count), 0) FROM backstop.chunk),
           (SELECT count(*) FROM backstop.request_log), (SELECT count(*) FROM backstop.request_step),
           (SELECT coalesce(sum(row_count), 0) FROM backstop.request_chunk)";

/// A pseudorandom number generator (xorshift) whose seed is printed.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let seed = std::env::var("PG_BACKSTOP_TEST_SEED").map_or_else(
            |_| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.map_or(1, |now| now.subsec_nanos().into())
            },
            |seed| seed.parse().expect("a seed is a number"),
        );
        eprintln!("PG_BACKSTOP_TEST_SEED={seed}");
        Dice(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Timeout,
    Cancel,
    Terminate,
}

const SIGNALS: [Signal; 3] = [Signal::Timeout, Signal::Cancel, Signal::Terminate];

/// Runs a statement in a transaction and cuts it off after `delay`. Whether it was committed.
fn cut_off(db: &Database, client: &mut Client, sql: &str, signal: Signal, delay: Duration) -> bool {
    let pid = query_text(client, "SELECT pg_backend_pid()");
    let mut admin = db.connect();
    passes(client, "BEGIN");
    passes(client, APPROVE);
    if signal == Signal::Timeout {
        let delay = delay.as_millis().max(1);
        passes(client, &format!("SET LOCAL statement_timeout = {delay}"));
    }
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(delay);
            // Not by a cancel request: its client is told nothing of when the signal is sent, and it might be the COMMIT below,
            // or the next statement of the test, that it stops.
            let send = match signal {
                Signal::Timeout => return,
                Signal::Cancel => "pg_cancel_backend",
                Signal::Terminate => "pg_terminate_backend",
            };
            passes(&mut admin, &format!("SELECT {send}({pid})"));
        });
        client.batch_execute(sql)
    });
    match outcome {
        Ok(()) => {
            let committed = client.batch_execute("COMMIT").is_ok();
            // The timeout may stop the COMMIT before it begins, and then the transaction is still open.
            if !committed && client.batch_execute("ROLLBACK").is_err() {
                assert_eq!(signal, Signal::Terminate, "after {delay:?}");
            }
            committed
        }
        Err(error) => {
            match Refusal::of(&error) {
                Some(refusal) => assert!(
                    ["57014", "57P01"].contains(&refusal.sqlstate.as_str()),
                    "{signal:?} after {delay:?}: {refusal:?}"
                ),
                None => assert_eq!(signal, Signal::Terminate, "{error:?}"),
            }
            // A backend that is gone has rolled back by itself.
            if client.batch_execute("ROLLBACK").is_err() {
                assert_eq!(signal, Signal::Terminate, "after {delay:?}");
            }
            false
        }
    }
}

/// What the backend holds, and what lies in the server's folder for temporary files.
fn nothing_is_left(server: &Cluster, db: &Database, pid: &str, told: &str) {
    let mut admin = db.connect();
    let asked = Instant::now();
    let alive = format!(
        "SELECT coalesce(string_agg(concat_ws(', ', state, wait_event, query), ''), '')
         FROM pg_stat_activity WHERE pid = {pid} AND state IS DISTINCT FROM 'idle'"
    );
    loop {
        let doing = query_text(&mut admin, &alive);
        if doing.is_empty() {
            break;
        }
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{told}: the backend goes on: {doing}"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let locks = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid}");
    assert_eq!(query_text(&mut admin, &locks), "0", "{told}");
    let folder = server.endpoint.socket.join("data/base/pgsql_tmp");
    let files = fs::read_dir(folder).map_or(0, Iterator::count);
    assert_eq!(files, 0, "{told}: temporary files");
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM pg_prepared_xacts"),
        "0"
    );
}

/// The next statements of the same session (or of a new one, when it has gone) are judged as ever.
fn judged_as_ever(client: &mut Client, told: &str) {
    for (sql, sqlstate) in [
        ("DELETE FROM letters WHERE id > 1", "SF001"),
        ("DELETE FROM letters", "SF002"),
        (
            "UPDATE letters SET body = 'x' WHERE state IN ('old', 'new')",
            "SF005",
        ),
    ] {
        // An empty table has no row past the limit.
        if sqlstate == "SF005" && query_text(client, "SELECT count(*) FROM letters") == "0" {
            continue;
        }
        assert_eq!(refused(client, sql).sqlstate, sqlstate, "{told}: {sql}");
    }
    passes(
        client,
        "BEGIN; UPDATE letters SET state = 'new' WHERE id = 7; ROLLBACK",
    );
    assert_eq!(query_text(client, "SHOW backstop.approval"), "", "{told}");
}

struct Rounds {
    server: Cluster,
    db: Database,
    dice: Dice,
    cut: [u32; 3],
    done: u32,
}

impl Rounds {
    fn connect(&self) -> Client {
        let mut client = self.db.connect();
        passes(
            &mut client,
            "SET maintenance_work_mem = '1MB'; SET work_mem = '64kB'",
        );
        client
    }

    /// One statement, cut off. The state is the old one, or the one that the statement was to bring about.
    fn round(&mut self, client: &mut Client, kind: &str, sql: &str, usual: Duration) {
        let signal = SIGNALS[usize::try_from(self.dice.below(3)).expect("small")];
        let span = u64::try_from(usual.as_micros()).expect("short") * 11 / 10;
        let delay = Duration::from_micros(self.dice.below(span));
        let told = format!("{kind}, {signal:?} after {delay:?} of {usual:?}");
        let mut admin = self.db.connect();
        let before = query_text(&mut admin, STATE);
        let pid = query_text(client, "SELECT pg_backend_pid()");
        let committed = cut_off(&self.db, client, sql, signal, delay);
        nothing_is_left(&self.server, &self.db, &pid, &told);
        let after = query_text(&mut admin, STATE);
        if client.is_closed() || client.batch_execute("").is_err() {
            *client = self.connect();
        }
        judged_as_ever(client, &told);
        if committed {
            self.done += 1;
        } else {
            self.cut[signal as usize] += 1;
            // A COMMIT whose answer was lost may have taken place.
            let unchanged = before == after || signal == Signal::Terminate && agrees(&after);
            assert!(unchanged, "{told}: from {before} to {after}");
        }
        assert!(agrees(&after), "{told}: {after}");
    }
}

/// Whether all the rows are there, or none; the record holds as many images as it says; and requests are whole.
fn agrees(state: &str) -> bool {
    let parts: Vec<&str> = state.split('|').collect();
    let number = |n: usize| parts[n].parse::<u64>().expect("a number");
    let rows = u64::from(ROWS);
    let (letters, stamps) = (number(0), number(1));
    letters == stamps
        && [0, rows].contains(&letters)
        && number(4) == number(5)
        && number(7) == 2 * number(6)
        && number(8) == 2 * rows * number(6)
}

fn measured(client: &mut Client, sql: &str) -> Duration {
    passes(client, "BEGIN");
    passes(client, APPROVE);
    let began = Instant::now();
    passes(client, sql);
    let took = began.elapsed();
    passes(client, "COMMIT");
    took
}

#[test]
fn nothing_is_left_of_a_statement_that_is_cut_off() {
    let server = start(&ClusterOptions::default());
    let db = server.database();
    passes(&mut db.connect(), WORLD);
    let mut rounds = Rounds {
        server,
        db,
        dice: Dice::new(),
        cut: [0; 3],
        done: 0,
    };
    let mut client = rounds.connect();
    let original = "SELECT md5(string_agg(l::text, ',' ORDER BY id)), count(*) FROM letters l";
    let stamps = "SELECT md5(string_agg(s::text, ',' ORDER BY id)) FROM stamps s";
    let (letters, stamped) = (
        query_text(&mut client, original),
        query_text(&mut client, stamps),
    );
    let began = Instant::now();
    let usual_preview = measured(&mut client, PREVIEW);
    let usual_delete = measured(&mut client, DELETE);
    let usual_restore = measured(&mut client, RESTORE);
    while began.elapsed() < Duration::from_secs(25) {
        for _ in 0..3 {
            rounds.round(&mut client, "preview", PREVIEW, usual_preview);
        }
        let full = "SELECT count(*) > 0 FROM letters";
        for _ in 0..3 {
            if query_text(&mut client, full) == "t" {
                rounds.round(&mut client, "delete", DELETE, usual_delete);
            }
        }
        if query_text(&mut client, full) == "t" {
            measured(&mut client, DELETE);
        }
        for _ in 0..3 {
            if query_text(&mut client, full) == "f" {
                rounds.round(&mut client, "restore", RESTORE, usual_restore);
            }
        }
        if query_text(&mut client, full) == "f" {
            measured(&mut client, RESTORE);
        }
        assert_eq!(query_text(&mut client, original), letters);
        assert_eq!(query_text(&mut client, stamps), stamped);
    }
    eprintln!(
        "cut off by timeout, cancel, termination: {:?}; done: {}",
        rounds.cut, rounds.done
    );
    assert!(rounds.cut.iter().all(|&n| n > 0), "{:?}", rounds.cut);
    let log = rounds.server.log();
    for word in ["PANIC", "was terminated by signal", "leak", "RefCell"] {
        assert!(!log.contains(word), "the log says {word}:\n{log}");
    }
}
