//! A physical standby: it reads the record, and when it is promoted in the middle of a batch, what is gone is recorded.

use std::time::{Duration, Instant};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, PORT, filled, passes, query_text, refused, start,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, body text);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE SEQUENCE numbers;
    INSERT INTO users SELECT n, 'free', repeat(md5(n::text), 20) FROM generate_series(1, 2000) n;
    INSERT INTO notes SELECT n, n FROM generate_series(1, 2000) n;
    CREATE TABLE twin AS TABLE users;
    SELECT backstop.protect('users', max_rows => 5000), backstop.protect_sequence('numbers');
    SELECT backstop.approve_batch('first', 1000); DELETE FROM users WHERE id = 1";

fn standby_of(primary: &Cluster) -> Cluster {
    let port = PORT.to_string();
    let socket = primary.endpoint.socket.to_string_lossy().into_owned();
    filled::start_filled(&primary.tree, &ClusterOptions::default(), |data| {
        let folder = data.to_string_lossy();
        let arguments = [
            "-h", &socket, "-p", &port, "-U", "postgres", "-D", &folder, "-R", "-X", "stream",
            "-c", "fast",
        ];
        filled::run_as_server(&primary.tree, "pg_basebackup", &arguments, data).map(drop)
    })
    .unwrap_or_else(|error| panic!("no standby: {error:?}"))
}

fn wait_for_replay(primary: &mut Client, standby: &mut Client) {
    let position = query_text(primary, "SELECT pg_current_wal_flush_lsn()");
    let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    let asked = Instant::now();
    while query_text(standby, &reached) != "t" {
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "the standby does not follow"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Rows that are gone, rows that are recorded as gone, and rows recorded that are still there.
const AGREE: &str = "
    SELECT (SELECT count(*) FROM twin WHERE id NOT IN (SELECT id FROM users)),
           count(*), count(*) FILTER (WHERE (key ->> 'id')::bigint IN (SELECT id FROM users))
    FROM backstop.preimage WHERE relation = 'public.users' AND operation = 'DELETE'";

#[test]
fn a_standby_reads_and_a_promoted_one_agrees_with_its_record() {
    let primary = start(&ClusterOptions::default().durable());
    let on_primary = primary.database();
    let mut admin = on_primary.connect();
    passes(&mut admin, WORLD);
    let standby = standby_of(&primary);
    let db = Database {
        endpoint: standby.endpoint.clone(),
        name: on_primary.name.clone(),
    };
    let mut reader = db.connect();
    wait_for_replay(&mut admin, &mut reader);

    // Reading works, and what writes says why it cannot.
    assert_eq!(query_text(&mut reader, "SELECT pg_is_in_recovery()"), "t");
    let protected = "SELECT value FROM backstop.status() WHERE property = 'protected table'";
    assert_eq!(query_text(&mut reader, protected), "public.users");
    let rejections = "SELECT value FROM backstop.status() WHERE property = 'rejections'";
    assert_eq!(
        query_text(&mut reader, rejections),
        "in the server log only: a standby writes nothing"
    );
    assert_eq!(query_text(&mut reader, AGREE), "1|1|0");
    let plan = query_text(
        &mut reader,
        "EXPLAIN (COSTS off) DELETE FROM users WHERE id > 5",
    );
    assert!(plan.contains("SF001"), "{plan}");
    let rule = "SELECT rule, sqlstate FROM backstop.check('DELETE FROM users')";
    assert_eq!(query_text(&mut reader, rule), "unqualified|SF002");
    assert_eq!(
        query_text(&mut reader, "SELECT count(*) FROM backstop.protected_table"),
        "1"
    );
    assert_eq!(
        query_text(&mut reader, "SELECT count(*) FROM backstop.follower"),
        "1"
    );
    assert_eq!(
        query_text(&mut reader, "SELECT last_value FROM numbers"),
        "1"
    );
    for statement in [
        "DELETE FROM users WHERE id = 5",
        "UPDATE users SET plan = 'x' WHERE id = 5",
        "TRUNCATE notes",
        "SELECT setval('numbers', 9)",
        "SELECT backstop.restore(1)",
        "SELECT backstop.restore(1, dry_run => false)",
        "SELECT backstop.restore_drill()",
        "SELECT backstop.preview('DELETE FROM users WHERE id = 5')",
        "SELECT backstop.protect('twin', '{id}')",
        "SELECT backstop.prune('0')",
    ] {
        let refusal = refused(&mut reader, statement);
        let named = ["25006", "55000", "SF007", "SF008"].contains(&refusal.sqlstate.as_str());
        assert!(named, "{statement}\n{refusal:?}");
    }

    // Half of a batch is committed, the other half is under way when the primary is lost.
    passes(&mut admin, "SELECT backstop.approve_batch('x', 5)");
    for n in 0..10 {
        passes(
            &mut admin,
            &format!(
                "BEGIN; SELECT backstop.approve_batch('batch', 5000); DELETE FROM users WHERE id % 20 = {n} AND plan = 'free'; COMMIT"
            ),
        );
    }
    let mut unfinished = on_primary.connect();
    passes(
        &mut unfinished,
        "BEGIN; SELECT backstop.approve_batch('batch', 5000); DELETE FROM users WHERE id % 20 = 11 AND plan = 'free'",
    );
    passes(&mut admin, "CHECKPOINT");
    wait_for_replay(&mut admin, &mut reader);
    primary.crash_and_restart().expect("the primary is lost");
    passes(&mut reader, "SELECT pg_promote()");

    let mut admin = db.connect();
    assert_eq!(query_text(&mut admin, AGREE), "1000|1000|0");
    let statements =
        "SELECT count(*), count(DISTINCT statement_id), sum(rows) FROM backstop.statement";
    assert_eq!(query_text(&mut admin, statements), "11|11|2000");
    let restore = "SELECT sum(restored), sum(conflicts) FROM backstop.statement s,
        LATERAL backstop.restore(s.statement_id, dry_run => false)";
    assert_eq!(query_text(&mut admin, restore), "2000|0");
    let same = "SELECT count(*), bool_and((u.*) *= (t.*)) FROM users u FULL JOIN twin t USING (id)";
    assert_eq!(query_text(&mut admin, same), "2000|t");
    assert_eq!(refused(&mut admin, "DELETE FROM users").sqlstate, "SF002");
    passes(&mut admin, "DELETE FROM users WHERE id = 3");
}
