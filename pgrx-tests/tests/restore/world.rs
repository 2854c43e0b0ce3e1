//! What restores are tested on.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, query_text};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, referrer bigint REFERENCES users ON DELETE CASCADE, plan text, email text UNIQUE,
        tags int[], extra jsonb);
    CREATE TABLE subscriptions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
        price numeric, total numeric GENERATED ALWAYS AS (price * 12) STORED);
    CREATE TABLE messages (id bigint PRIMARY KEY, subscription_id bigint NOT NULL REFERENCES subscriptions ON DELETE CASCADE, body text);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE SET NULL, body text);
    INSERT INTO users SELECT n, CASE WHEN n % 5 <> 1 THEN n - 1 END, 'free', 'u' || n, '[2:3]={1,2}', CASE n % 2 WHEN 1 THEN 'null'::jsonb END
        FROM generate_series(1, 20) n;
    INSERT INTO subscriptions (user_id, price) SELECT n, n + 0.50 FROM generate_series(1, 20) n;
    INSERT INTO messages SELECT n, (n + 1) / 2, 'm' || n FROM generate_series(1, 40) n;
    INSERT INTO notes SELECT n, n, 'n' || n FROM generate_series(1, 20) n;
    SELECT backstop.protect('users', max_rows => 1000)";

pub fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// Totals of a restore: captured, restored, unchanged, conflicts.
pub fn restore(client: &mut Client, statement: &str, options: &str) -> String {
    let sql = format!(
        "SELECT sum(captured), sum(restored), sum(unchanged), sum(conflicts) FROM backstop.restore({statement}{options})"
    );
    query_text(client, &sql)
}
