//! sqlsmith, Debian's generator of random statements, against a server with protected tables.
//!
//! sqlsmith rolls back whatever it runs, so it only writes the statements here, and sessions of ours run them and commit:
//! one refused as anybody is, one approved for everything, one in `observe` mode. After every round they disconnect, and
//! the claims are checked: nothing crashed, no session and no lock is left, every row that is gone or different is in the
//! record, and going back to the round's beginning gives back every row exactly as it was.

mod claims;
mod session;
mod tally;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pg_backstop_tests::shell::which;
use pg_backstop_tests::{Cluster, ClusterOptions, Database, Tree};

use claims::Claims;
use session::Session;
use tally::Tally;

const WORLD: &str = include_str!("world.sql");

/// The roles of `world.sql`; each has a session, and the last two have another one.
const SESSIONS: [&str; 5] = [
    "smith_guarded",
    "smith_approved",
    "smith_observed",
    "smith_approved",
    "smith_observed",
];

/// How long the sessions work between two checks.
const ROUND: Duration = Duration::from_secs(60);

/// A statement may take no longer than its role's `statement_timeout`, which is far less. One that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs for that long, prints what happened, and returns the number of defects.
///
/// # Errors
/// When there is no sqlsmith, or no server, or a session hangs.
pub fn run(tree: &Tree, minutes: u64) -> Result<usize> {
    let program = which("sqlsmith")
        .context("there is no sqlsmith on PATH; Debian has it in the package sqlsmith")?;
    let cluster = Cluster::start(tree, &options())?;
    let db = cluster.database();
    let mut claims = Claims::prepare(&db, WORLD)?;
    let began = Instant::now();
    let whole = Duration::from_secs(minutes * 60);
    let mut sessions = Vec::new();
    for (number, role) in (1..).zip(SESSIONS) {
        sessions.push(Session::new(&program, &db, role, number)?);
    }
    let (mut tally, mut round) = (Tally::default(), 0);
    while began.elapsed() < whole {
        round += 1;
        claims.begin()?;
        let left = whole.saturating_sub(began.elapsed());
        sessions = work(sessions, &db, left.min(ROUND), &mut tally)?;
        let found = claims.check()?;
        println!("round {round}: {found}");
    }
    drop(sessions);
    println!(
        "sqlsmith, {} sessions, {} s, {round} rounds",
        SESSIONS.len(),
        began.elapsed().as_secs()
    );
    println!("{tally}");
    println!("{}", claims.summary()?);
    let mut defects = tally.defects();
    defects.extend(claims.defects);
    defects.extend(broken(&cluster));
    for defect in &defects {
        println!("  BROKEN {defect}");
    }
    Ok(defects.len())
}

/// Lets every session work for a while, each in a thread.
fn work(
    sessions: Vec<Session>,
    db: &Database,
    time: Duration,
    tally: &mut Tally,
) -> Result<Vec<Session>> {
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let (done, finished) = mpsc::channel();
    let count = sessions.len();
    for mut session in sessions {
        let (done, stop, config) = (done.clone(), stop.clone(), db.config());
        thread::spawn(move || {
            let worked = session.work(&config, &stop);
            // Nobody listens any more when another session hangs.
            let _ = done.send(worked.map(|tally| (session, tally)));
        });
    }
    thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    let mut back = Vec::new();
    for _ in 0..count {
        let Ok(worked) = finished.recv_timeout(PATIENCE) else {
            bail!(
                "{} of {count} sessions hang: {}",
                count - back.len(),
                claims::activity(db)?
            );
        };
        let (session, one) = worked?;
        tally.add(one);
        back.push(session);
    }
    Ok(back)
}

fn options() -> ClusterOptions {
    ClusterOptions::default()
        .set("deadlock_timeout", "100ms")
        .set("temp_file_limit", "100MB")
        .set("max_wal_size", "512MB")
        // The sessions count the errors; the log keeps what says that something is broken.
        .set("log_min_messages", "log")
        .set("backstop.approval_ttl", "1h")
}

/// What the log says of crashes.
fn broken(cluster: &Cluster) -> Vec<String> {
    let signs = ["terminated by signal", "PANIC:", "TRAP:", "was aborted"];
    let log = cluster.log();
    log.lines()
        .filter(|line| signs.iter().any(|sign| line.contains(sign)))
        .map(String::from)
        .collect()
}
