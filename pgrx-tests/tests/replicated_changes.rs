//! What a publisher changes in a protected table of a subscriber is recorded and not refused: refusing would stop
//! replication. It can be undone like anything else.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, comes_to, passes, query_text, refused, start};

const TABLES: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE days (id bigint, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (100)";

const ROWS: &str = "
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 3000) n;
    INSERT INTO posts SELECT n, n FROM generate_series(1, 3000) n;
    INSERT INTO days SELECT n, n FROM generate_series(1, 50) n";

const RECORDED: &str = "SELECT string_agg(format('%s %s %s %s', relation, operation, cause, rows), '; ' ORDER BY 1) FROM (
    SELECT relation, operation, cause, count(*) AS rows FROM backstop.preimage GROUP BY 1, 2, 3 ORDER BY 1, 2) AS told";

const STATE: &str =
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM posts), (SELECT count(*) FROM days),
    (SELECT count(*) FROM users WHERE plan = 'pro')";

fn restored(client: &mut Client) {
    passes(
        client,
        "SELECT backstop.restore_since('-infinity', dry_run => false)",
    );
}

#[test]
fn what_a_publisher_deletes_updates_and_truncates_is_recorded_and_can_be_undone() {
    let publisher = start(&ClusterOptions::default().set("wal_level", "logical"));
    let subscriber = start(&ClusterOptions::default());
    let (from, to) = (publisher.database(), subscriber.database());
    let (mut here, mut there) = (from.connect(), to.connect());
    passes(&mut here, TABLES);
    passes(&mut here, ROWS);
    passes(&mut there, TABLES);
    passes(
        &mut there,
        "SELECT backstop.protect('users', max_rows => 1, require => 'always', approval => 'second_person'),
                backstop.protect('days', max_rows => 1)",
    );
    passes(
        &mut here,
        "CREATE PUBLICATION everything FOR TABLE users, posts, days",
    );
    passes(
        &mut there,
        &format!(
            "CREATE SUBSCRIPTION everything CONNECTION '{}' PUBLICATION everything",
            from.conninfo("postgres")
        ),
    );
    comes_to(&mut there, STATE, "3000|3000|50|0");

    passes(&mut here, "UPDATE users SET plan = 'pro' WHERE id <= 1200");
    passes(&mut here, "DELETE FROM days WHERE id > 20");
    comes_to(&mut there, STATE, "3000|3000|20|1200");
    passes(&mut here, "TRUNCATE users, posts, days");
    comes_to(&mut there, STATE, "0|0|0|0");
    assert_eq!(
        query_text(&mut there, RECORDED),
        "public.days DELETE logical replication 30; public.days TRUNCATE logical replication 20; \
         public.posts TRUNCATE logical replication 3000; public.users TRUNCATE logical replication 3000; \
         public.users UPDATE logical replication 1200"
    );
    // The same statements by hand are refused.
    assert_eq!(
        refused(&mut there, "TRUNCATE users, posts").sqlstate,
        "SF008"
    );
    passes(&mut there, "ALTER SUBSCRIPTION everything DISABLE");
    restored(&mut there);
    assert_eq!(query_text(&mut there, STATE), "3000|3000|50|0");
    passes(
        &mut there,
        "ALTER SUBSCRIPTION everything SET (slot_name = NONE); DROP SUBSCRIPTION everything",
    );
}
