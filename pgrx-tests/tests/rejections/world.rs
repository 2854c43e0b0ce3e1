//! What the tests of rejections refuse.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with};

pub const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, phone text);
    CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    INSERT INTO users SELECT n, 'free', '1' FROM generate_series(1, 50) n;
    INSERT INTO posts SELECT n, n FROM generate_series(1, 50) n;
    CREATE SEQUENCE numbers;
    SELECT backstop.protect('users', max_rows => 3), backstop.protect_sequence('numbers');
    GRANT ALL ON users, posts, numbers TO app";

pub fn world() -> (Database, Client) {
    database_with(WORLD)
}
