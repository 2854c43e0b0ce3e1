//! The background worker behind backstop.rejection: it loses nothing that it can keep, and is in nobody's way.

use std::thread;
use std::time::{Duration, Instant};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, comes_to, passes, query_text, refused, start,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 50) n;
    SELECT backstop.protect('users')";

const COUNT: &str = "SELECT count(*), count(DISTINCT query) FROM backstop.rejection";
const WAITING: &str = "SELECT value FROM backstop.status() WHERE property = 'rejections waiting'";
const LAUNCHER: &str =
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_backstop rejection launcher'";
const WRITER: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_backstop rejection writer'";

fn server() -> Cluster {
    start(&ClusterOptions::default())
}

fn world(server: &Cluster) -> (Database, Client) {
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    (db, admin)
}

/// Gets `count` different statements refused.
fn be_refused(db: &Database, count: usize) {
    let mut client = db.connect();
    for n in 0..count {
        refused(&mut client, &format!("DELETE FROM users WHERE id > {n}"));
    }
}

/// Keeps writers from writing until the connection goes.
fn hold_up(db: &Database) -> Client {
    let mut client = db.connect();
    passes(
        &mut client,
        "BEGIN; LOCK TABLE backstop.rejection IN ACCESS EXCLUSIVE MODE",
    );
    client
}

#[test]
fn a_writer_that_is_terminated_in_the_middle_loses_nothing_and_writes_nothing_twice() {
    let server = server();
    let (db, mut admin) = world(&server);
    let holder = hold_up(&db);
    be_refused(&db, 30);
    comes_to(&mut admin, WRITER, "1");
    passes(
        &mut admin,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
         WHERE backend_type = 'pg_backstop rejection writer'",
    );
    assert_eq!(query_text(&mut admin, WAITING), "30");
    drop(holder);
    comes_to(&mut admin, COUNT, "30|30");
    comes_to(&mut admin, WRITER, "0");
    assert_eq!(query_text(&mut admin, WAITING), "0");
    assert_eq!(query_text(&mut admin, COUNT), "30|30");
}

#[test]
fn a_launcher_that_is_terminated_comes_back_and_finds_what_waited() {
    let server = server();
    let (db, mut admin) = world(&server);
    comes_to(
        &mut admin,
        &format!("SELECT count(*) FROM ({LAUNCHER}) l"),
        "1",
    );
    let first = query_text(&mut admin, LAUNCHER);
    passes(
        &mut admin,
        &format!("SELECT pg_terminate_backend({first}, 10000)"),
    );
    be_refused(&db, 5);
    comes_to(&mut admin, COUNT, "5|5");
    let second = query_text(&mut admin, LAUNCHER);
    assert!(second != first && !second.is_empty(), "{first} {second}");
}

#[test]
fn a_launcher_that_dies_while_its_writer_runs_starts_no_second_one_that_writes_twice() {
    let server = server();
    let (db, mut admin) = world(&server);
    let holder = hold_up(&db);
    be_refused(&db, 20);
    comes_to(&mut admin, WRITER, "1");
    let terminate = format!("SELECT pg_terminate_backend(({LAUNCHER}), 10000)");
    passes(&mut admin, &terminate);
    thread::sleep(Duration::from_secs(1));
    drop(holder);
    comes_to(&mut admin, COUNT, "20|20");
    comes_to(
        &mut admin,
        &format!("SELECT count(*) FROM ({LAUNCHER}) l"),
        "1",
    );
    be_refused(&db, 3);
    comes_to(&mut admin, COUNT, "23|20");
}

#[test]
fn after_a_crash_the_queue_is_empty_and_works() {
    let server = start(&ClusterOptions::default().durable());
    let (db, mut admin) = world(&server);
    be_refused(&db, 2);
    comes_to(&mut admin, COUNT, "2|2");
    let _holder = hold_up(&db);
    be_refused(&db, 7);
    comes_to(&mut admin, WRITER, "1");
    let victim = query_text(
        &mut admin,
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_backstop rejection writer'",
    );
    server
        .kill_backend(victim.parse().expect("a process id"))
        .expect("the server recovers");
    let mut admin = db.connect();
    assert_eq!(query_text(&mut admin, WAITING), "0");
    be_refused(&db, 4);
    comes_to(&mut admin, COUNT, "6|4");
}

#[test]
fn what_finds_the_queue_full_is_counted_and_said() {
    let server = server();
    let (db, mut admin) = world(&server);
    let holder = hold_up(&db);
    be_refused(&db, 1100);
    let lost = "SELECT property, value FROM backstop.status() WHERE property IN ('rejections waiting', 'rejections lost')";
    assert_eq!(
        query_text(&mut admin, lost),
        "rejections waiting|1024\nrejections lost|76"
    );
    drop(holder);
    let counts = "SELECT count(*) FILTER (WHERE rule = 'key_range'), string_agg(message, ',') FILTER (WHERE rule = 'lost')
                  FROM backstop.rejection";
    comes_to(
        &mut admin,
        counts,
        "1024|76 rejections lost: more came than could be written",
    );
    be_refused(&db, 1);
    comes_to(
        &mut admin,
        counts,
        "1025|76 rejections lost: more came than could be written",
    );
    assert_eq!(
        query_text(&mut admin, lost),
        "rejections waiting|0\nrejections lost|76"
    );
}

#[test]
fn every_database_gets_its_own_and_one_that_is_held_up_does_not_hold_up_others() {
    let server = server();
    let worlds: Vec<(Database, Client)> = (0..4).map(|_| world(&server)).collect();
    let holder = hold_up(&worlds[0].0);
    for (n, (db, _)) in worlds.iter().enumerate() {
        be_refused(db, n + 1);
    }
    for (n, (_, mut admin)) in worlds.into_iter().enumerate().skip(1) {
        comes_to(&mut admin, COUNT, &format!("{0}|{0}", n + 1));
    }
    drop(holder);
}

#[test]
fn what_comes_from_a_database_without_the_extension_is_thrown_away() {
    let server = server();
    let mut postgres = server.admin();
    passes(
        &mut postgres,
        "SET backstop.mode = off; RESET backstop.mode",
    );
    comes_to(&mut postgres, WRITER, "0");
    let (db, mut admin) = world(&server);
    be_refused(&db, 1);
    comes_to(&mut admin, COUNT, "1|1");
    passes(
        &mut admin,
        "SELECT backstop.unprotect('users'); DROP EXTENSION pg_backstop",
    );
    passes(&mut admin, "SET backstop.mode = off");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(query_text(&mut postgres, WRITER), "0", "{}", server.log());
    let failed = "background worker \"pg_backstop rejection writer\"";
    assert!(!server.log().contains(failed), "{}", server.log());
}

#[test]
fn a_database_can_be_dropped_and_copied_while_refusals_rain_and_while_its_writer_is_held_up() {
    let server = server();
    let (db, admin) = world(&server);
    drop(admin);
    let mut postgres = server.admin();
    for round in 0..5 {
        be_refused(&db, 20);
        let copy = format!("CREATE DATABASE copy_{round} TEMPLATE {}", db.name);
        drop_connections(&mut postgres, &db.name);
        passes(&mut postgres, &copy);
    }
    let holder = hold_up(&db);
    be_refused(&db, 5);
    comes_to(&mut postgres, WRITER, "1");
    drop(holder);
    drop_connections(&mut postgres, &db.name);
    passes(&mut postgres, &format!("DROP DATABASE {}", db.name));
    // Its launcher gives up what was left of it.
    let (db, mut admin) = world(&server);
    be_refused(&db, 1);
    comes_to(&mut admin, COUNT, "1|1");
    comes_to(&mut postgres, WRITER, "0");
}

/// Waits until none of our own connections to the database is left.
fn drop_connections(postgres: &mut Client, name: &str) {
    comes_to(
        postgres,
        &format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND backend_type = 'client backend'"
        ),
        "0",
    );
}

#[test]
fn while_nothing_is_refused_the_worker_sleeps() {
    let server = server();
    let (db, mut admin) = world(&server);
    be_refused(&db, 3);
    comes_to(&mut admin, COUNT, "3|3");
    comes_to(&mut admin, WRITER, "0");
    thread::sleep(Duration::from_secs(1));
    let pid = query_text(&mut admin, LAUNCHER);
    let before = switches(&pid);
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(3) {
        passes(&mut admin, "UPDATE users SET plan = 'pro' WHERE id = 7");
    }
    assert_eq!(switches(&pid), before, "it was awake");
}

/// How often the process has gone to sleep.
fn switches(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches"));
    line.expect("Linux counts them").to_owned()
}

#[test]
fn a_mode_stored_for_the_whole_server_is_recorded_where_it_was_stored() {
    let server = server();
    let (_db, mut admin) = world(&server);
    passes(&mut admin, "ALTER SYSTEM SET backstop.mode = 'off'");
    passes(&mut admin, "SELECT pg_reload_conf()");
    comes_to(&mut admin, "SHOW backstop.mode", "off");
    comes_to(
        &mut admin,
        "SELECT string_agg(message || ': ' || query, ',') FROM backstop.rejection",
        "backstop.mode stored as off: ALTER SYSTEM SET backstop.mode = 'off'",
    );
}

#[test]
fn a_standby_writes_nothing_and_writes_again_when_it_is_promoted() {
    let server = server();
    let (db, mut admin) = world(&server);
    be_refused(&db, 2);
    comes_to(&mut admin, COUNT, "2|2");
    drop(admin);
    std::fs::write(server.endpoint.socket.join("data/standby.signal"), "").expect("written");
    server.restart().expect("it starts as a standby");
    let mut admin = db.connect();
    assert_eq!(query_text(&mut admin, "SELECT pg_is_in_recovery()"), "t");
    refused(&mut admin, "DELETE FROM users WHERE id > 0");
    assert_eq!(
        refused(&mut admin, "SET backstop.approval = 'please'").sqlstate,
        "SF010"
    );
    assert_eq!(query_text(&mut admin, WAITING), "0");
    assert_eq!(query_text(&mut admin, LAUNCHER), "");
    passes(&mut admin, "SELECT pg_promote()");
    comes_to(&mut admin, "SELECT pg_is_in_recovery()", "f");
    be_refused(&db, 3);
    comes_to(&mut admin, COUNT, "5|3");
}
