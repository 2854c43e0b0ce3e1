//! The record on another server, by logical replication: what is written arrives, what is pruned goes.

use std::time::{Duration, Instant};

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, passes, query_text, start};

const TABLES: &str =
    "backstop.statement_log, backstop.image_chunk, backstop.definition, backstop.sequence_change,
    backstop.column_change, backstop.committed, backstop.pruned";

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, body text);
    INSERT INTO users SELECT n, 'free', repeat(md5(n::text), 50) FROM generate_series(1, 3000) n;
    CREATE SEQUENCE numbers; SELECT setval('numbers', 5);
    CREATE TABLE gone (id int PRIMARY KEY, a text DEFAULT 'x'); INSERT INTO gone VALUES (1);
    SELECT backstop.protect('users', max_rows => 5000), backstop.protect_sequence('numbers', 10), backstop.protect('gone')";

const DAMAGE: &str = "
    DELETE FROM users WHERE id = 1;
    BEGIN; SELECT backstop.approve_batch('r', 5000); DELETE FROM users WHERE plan = 'free'; COMMIT;
    SELECT setval('numbers', 7);
    BEGIN; SELECT backstop.approve_batch('r', 50); DROP TABLE gone; COMMIT";

const STATE: &str = "
    SELECT (SELECT count(*) FROM backstop.statement), (SELECT md5(string_agg(p::text, ';' ORDER BY statement_id, relation, ordinal)) FROM backstop.preimage p),
           (SELECT count(*) FROM backstop.definition), (SELECT count(*) FROM backstop.sequence_change),
           (SELECT count(*) FROM backstop.committed), (SELECT count(*) FROM backstop.pruned)";

fn wait_until_equal(publisher: &mut Client, subscriber: &mut Client, when: &str) {
    let asked = Instant::now();
    loop {
        let (there, here) = (query_text(publisher, STATE), query_text(subscriber, STATE));
        if there == here {
            return;
        }
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "{when}\n{there}\n{here}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_record_is_replicated_and_so_is_its_pruning() {
    let publisher = start(&ClusterOptions::default().set("wal_level", "logical"));
    let subscriber = start(&ClusterOptions::default());
    let (from, to) = (publisher.database(), subscriber.database());
    let (mut here, mut there) = (from.connect(), to.connect());
    passes(&mut here, WORLD);
    passes(&mut here, "DELETE FROM users WHERE id = 2");
    passes(
        &mut here,
        &format!("CREATE PUBLICATION record FOR TABLE {TABLES}"),
    );
    passes(
        &mut there,
        &format!(
            "CREATE SUBSCRIPTION record CONNECTION '{}' PUBLICATION record",
            from.conninfo("postgres")
        ),
    );
    wait_until_equal(&mut here, &mut there, "the first copy");
    passes(&mut here, DAMAGE);
    passes(
        &mut here,
        "SELECT backstop.restore(min(statement_id), dry_run => false) FROM backstop.statement",
    );
    wait_until_equal(&mut here, &mut there, "what came later");
    assert_eq!(
        query_text(&mut there, "SELECT count(*) > 3000 FROM backstop.preimage"),
        "t"
    );

    passes(&mut here, "SELECT backstop.prune('0')");
    assert_eq!(
        query_text(&mut here, "SELECT count(*) FROM backstop.statement"),
        "0"
    );
    wait_until_equal(&mut here, &mut there, "what was pruned");
    passes(&mut there, "DROP SUBSCRIPTION record");
}
