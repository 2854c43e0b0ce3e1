//! A table that follows a protected one no longer has no trigger of the guard's any more, whatever made it so, and the
//! extension can be dropped.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Database, approved, database, passes, query_text, start};

/// `orders` follows `users` and `items` follows `orders`.
const WORLD: &str = "
    CREATE TABLE users (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int CONSTRAINT of_user REFERENCES users ON DELETE CASCADE);
    CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
    INSERT INTO users VALUES (1); INSERT INTO orders VALUES (1, 1); INSERT INTO items VALUES (1, 1);
    SELECT backstop.protect('users')";

const TRIGGERS: &str = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'backstop%' ORDER BY 1";

fn world() -> (Database, Client) {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\norders\nusers");
    (db, admin)
}

fn can_be_removed(admin: &mut Client) {
    passes(
        admin,
        "SELECT backstop.unprotect(relation) FROM backstop.protected_table; DROP EXTENSION pg_backstop; DELETE FROM items",
    );
}

#[test]
fn a_foreign_key_that_goes_takes_the_triggers_with_it() {
    for statement in [
        "ALTER TABLE orders DROP CONSTRAINT of_user",
        "ALTER TABLE orders DROP COLUMN user_id",
        "ALTER TABLE orders DROP CONSTRAINT of_user, ADD FOREIGN KEY (user_id) REFERENCES users",
        "SET backstop.mode = off; ALTER TABLE orders DROP CONSTRAINT of_user; RESET backstop.mode",
        "DO $$ BEGIN ALTER TABLE orders DROP CONSTRAINT of_user; END $$",
    ] {
        let (_db, mut admin) = world();
        passes(&mut admin, statement);
        assert_eq!(query_text(&mut admin, TRIGGERS), "users", "{statement}");
        can_be_removed(&mut admin);
    }
}

#[test]
fn so_does_a_table_that_goes_with_all_that_refers_to_it() {
    let (_db, mut admin) = world();
    passes(&mut admin, "DROP TABLE orders CASCADE");
    assert_eq!(query_text(&mut admin, TRIGGERS), "users");
    let (_db, mut admin) = world();
    // The last of what was guarded.
    approved(&mut admin, 100, "DROP TABLE users CASCADE");
    assert_eq!(query_text(&mut admin, TRIGGERS), "");
    can_be_removed(&mut admin);
}

#[test]
fn what_still_follows_another_table_keeps_its_triggers() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "CREATE TABLE shops (id int PRIMARY KEY); ALTER TABLE items ADD shop int REFERENCES shops ON DELETE CASCADE;
         SELECT backstop.protect('shops'); ALTER TABLE orders DROP CONSTRAINT of_user",
    );
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\nshops\nusers");
    passes(&mut admin, "DELETE FROM items WHERE id = 1");
    let recorded = "SELECT relation, operation FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "public.items|DELETE");
}

#[test]
fn nobody_waits_for_who_uses_a_table_that_followed_and_unprotect_sweeps_it() {
    let (db, mut admin) = world();
    let mut writer = db.connect();
    passes(&mut writer, "BEGIN; UPDATE items SET id = 2 WHERE id = 1");
    passes(
        &mut admin,
        "SET lock_timeout = '5s'; ALTER TABLE orders DROP CONSTRAINT of_user",
    );
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\nusers");
    // Nor does protect(), which leaves it for another time.
    passes(&mut admin, "SELECT backstop.protect('users')");
    passes(&mut writer, "COMMIT; DELETE FROM items WHERE id = 2");
    passes(&mut admin, "SELECT backstop.protect('users')");
    assert_eq!(query_text(&mut admin, TRIGGERS), "users");
    can_be_removed(&mut admin);
}

#[test]
fn a_table_that_the_session_itself_is_using_is_left_for_another_time() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; DECLARE reading CURSOR FOR SELECT * FROM items; FETCH reading;
         ALTER TABLE orders DROP CONSTRAINT of_user; FETCH reading; COMMIT",
    );
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\nusers");
    can_be_removed(&mut admin);
}

#[test]
fn what_a_session_without_the_library_left_behind_is_swept() {
    let cluster = start(&ClusterOptions::default().set("shared_preload_libraries", ""));
    let db = cluster.database();
    let mut admin = db.connect();
    passes(&mut admin, "SELECT * FROM backstop.status()");
    passes(&mut admin, WORLD);
    let mut stranger = db.connect();
    passes(&mut stranger, "ALTER TABLE orders DROP CONSTRAINT of_user");
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\norders\nusers");
    can_be_removed(&mut admin);
}

#[test]
fn a_rollback_brings_the_triggers_back() {
    let (_db, mut admin) = world();
    passes(
        &mut admin,
        "BEGIN; SAVEPOINT before; ALTER TABLE orders DROP CONSTRAINT of_user; ROLLBACK TO before; COMMIT",
    );
    assert_eq!(query_text(&mut admin, TRIGGERS), "items\norders\nusers");
    passes(&mut admin, "DELETE FROM users WHERE id = 1");
    let recorded = "SELECT count(*) FROM backstop.preimage";
    assert_eq!(query_text(&mut admin, recorded), "3");
}
