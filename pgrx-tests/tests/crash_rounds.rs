//! pgbench's own workload on protected tables, stopped by crashes at random moments: every time the record has what the
//! tables lost, and going back to the start of the round gives back what stood there.
//!
//! `PG_BACKSTOP_TEST_SEED` repeats a run's choices, `PG_BACKSTOP_TEST_ROUNDS` makes it longer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Cluster, ClusterOptions, Database, PORT, passes, query_text, start};

const ROUNDS: u64 = 20;

/// The balances: what TPC-B overwrites. Rows of pgbench_history are only inserted, so they stay.
const CHECKSUM: &str = "
    SELECT (SELECT md5(string_agg(a::text, ',' ORDER BY aid)) FROM pgbench_accounts a),
           (SELECT md5(string_agg(t::text, ',' ORDER BY tid)) FROM pgbench_tellers t),
           (SELECT md5(string_agg(b::text, ',' ORDER BY bid)) FROM pgbench_branches b)";

const PROTECT: &str = "
    SELECT backstop.protect('pgbench_accounts'), backstop.protect('pgbench_tellers'), backstop.protect('pgbench_branches'),
           backstop.protect('pgbench_history', key_columns => '{tid,bid,aid}')";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// xorshift64*: repeatable, and all the randomness that is needed here.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

fn count(client: &mut Client, sql: &str) -> i64 {
    query_text(client, sql).parse().expect("a number")
}

/// Runs pgbench until a crash takes its connections away.
fn workload(server: &Cluster, db: &Database, random: &mut Random) -> std::process::Child {
    let protocol = ["simple", "extended", "prepared"][random.below(3) as usize];
    let seed = random.below(1 << 30).to_string();
    server
        .tree
        .program("pgbench")
        .args(["--no-vacuum", "--client=4", "--jobs=1", "--time=60"])
        .args(["--protocol", protocol, "--random-seed", &seed])
        .args(["--host", &server.endpoint.socket.to_string_lossy()])
        .args(["--port", &PORT.to_string()])
        .args(["--username=postgres", &db.name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pgbench starts")
}

/// Waits until pgbench's transactions run, and some moments more.
fn let_it_run(admin: &mut Client, history: i64, random: &mut Random) {
    let asked = Instant::now();
    while count(admin, "SELECT count(*) FROM pgbench_history") == history {
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "pgbench does nothing"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(random.below(500)));
}

/// Kills the postmaster or one of the workload's backends, by SIGKILL.
fn crash(server: &Cluster, admin: &mut Client, random: &mut Random) -> &'static str {
    if random.below(2) == 0 {
        server
            .kill_postmaster_and_restart()
            .expect("the server recovers");
        return "the postmaster";
    }
    let pids = query_text(
        admin,
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' ORDER BY pid",
    );
    let pids: Vec<i32> = pids
        .lines()
        .map(|pid| pid.parse().expect("a pid"))
        .collect();
    let victim = pids[random.below(pids.len() as u64) as usize];
    server.kill_backend(victim).expect("the server recovers");
    "a backend"
}

#[test]
fn pgbench_stopped_by_crashes_goes_back_to_where_each_round_began() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let random_seed = now.map_or(1, |now| now.as_nanos() as u64 | 1);
    let seed = number("PG_BACKSTOP_TEST_SEED").unwrap_or(random_seed);
    let rounds = number("PG_BACKSTOP_TEST_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("PG_BACKSTOP_TEST_SEED={seed}");
    let mut random = Random(seed | 1);
    // Processes are killed, not the machine: what was written is in the system's cache, with or without fsync.
    let server = start(&ClusterOptions::default());
    let db = server.database();
    let initialize = ["--initialize", "--quiet", "--no-vacuum", &db.name];
    server
        .program("pgbench", &initialize)
        .expect("pgbench makes its tables");
    passes(&mut db.connect(), PROTECT);
    let mut all = 0;
    for round in 1..=rounds {
        let mut admin = db.connect();
        let (before, at) = (
            query_text(&mut admin, CHECKSUM),
            query_text(&mut admin, "SELECT clock_timestamp()"),
        );
        let history = count(&mut admin, "SELECT count(*) FROM pgbench_history");
        // Some rounds crash twice before anybody looks.
        let crashes = 1 + random.below(4) / 3;
        let mut killed = Vec::new();
        for _ in 0..crashes {
            let mut admin = db.connect();
            let done = count(&mut admin, "SELECT count(*) FROM pgbench_history");
            let mut pgbench = workload(&server, &db, &mut random);
            let_it_run(&mut admin, done, &mut random);
            killed.push(crash(&server, &mut admin, &mut random));
            pgbench.wait().expect("pgbench ends");
        }
        let mut admin = db.connect();
        let context = format!("round {round}, seed {seed}, killed: {}", killed.join(", "));
        assert_ne!(
            query_text(&mut admin, CHECKSUM),
            before,
            "nothing happened in {context}"
        );
        let transactions = count(&mut admin, "SELECT count(*) FROM pgbench_history") - history;
        let recorded = format!("SELECT count(*) FROM backstop.statement WHERE at > '{at}'");
        assert_eq!(
            count(&mut admin, &recorded),
            3 * transactions,
            "three updates of each transaction are recorded, no more and no less, in {context}"
        );
        let restored = query_text(
            &mut admin,
            &format!(
                "SELECT sum(captured), sum(restored + unchanged), sum(conflicts)
                 FROM backstop.restore_since('{at}', dry_run => false)"
            ),
        );
        // A transaction that adds 0 changes nothing.
        let updates = 3 * transactions;
        assert_eq!(restored, format!("{updates}|{updates}|0"), "{context}");
        assert_eq!(query_text(&mut admin, CHECKSUM), before, "{context}");
        eprintln!("{context}: {transactions} transactions undone");
        all += transactions;
    }
    // What was inserted stays; nothing of it is counted twice or lost.
    let history = "SELECT count(*) FROM pgbench_history";
    assert_eq!(count(&mut db.connect(), history), all);
}
