//! Restore under every isolation level: what others have committed counts, whatever snapshot the transaction goes by.

use pg_backstop_tests::{
    approved, database_with, last_statement, now, passes, query_text, refused, until_someone_waits,
};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

const WORLD: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, v text);
    CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent);
    INSERT INTO parent VALUES (1, 'a'), (2, 'b');
    SELECT backstop.protect('parent')";

const ORPHANS: &str =
    "SELECT count(*) FROM child c WHERE NOT EXISTS (SELECT FROM parent p WHERE p.id = c.parent_id)";

/// A key that `destroys` and restoring it (twice: `undone`) takes away is referenced meanwhile.
fn is_refused_at_every_level(destroys: &str, undone: bool, references: i32) {
    for level in LEVELS {
        let (db, mut admin) = database_with(WORLD);
        let mut other = db.connect();
        approved(&mut admin, 10, destroys);
        let mut id = last_statement(&mut admin);
        if undone {
            passes(
                &mut admin,
                &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
            );
            id = last_statement(&mut admin);
        }
        passes(
            &mut admin,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM parent"),
        );
        passes(
            &mut other,
            &format!("INSERT INTO child VALUES (50, {references})"),
        );
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        assert_eq!(refusal.sqlstate, "23503", "{level}: {refusal:?}");
        passes(&mut admin, "ROLLBACK");
        assert_eq!(query_text(&mut admin, ORPHANS), "0", "{level}");
    }
}

#[test]
fn a_changed_key_that_others_reference_by_now_stays() {
    is_refused_at_every_level("UPDATE parent SET id = 103 WHERE id = 2", false, 103);
}

/// The restore waits for who references the key, and finds his row.
#[test]
fn a_changed_key_that_others_are_about_to_reference_stays() {
    for level in LEVELS {
        let (db, mut admin) = database_with(WORLD);
        let (mut other, mut watcher) = (db.connect(), db.connect());
        approved(&mut admin, 10, "UPDATE parent SET id = 103 WHERE id = 2");
        passes(&mut other, "BEGIN; INSERT INTO child VALUES (50, 103)");
        let waiting = std::thread::spawn(move || {
            let level = level.to_lowercase();
            passes(
                &mut admin,
                &format!("SET default_transaction_isolation = '{level}'"),
            );
            refused(
                &mut admin,
                "SELECT * FROM backstop.restore(1, dry_run => false)",
            )
        });
        until_someone_waits(&mut watcher);
        passes(&mut other, "COMMIT");
        let refusal = waiting.join().expect("it is refused");
        assert_eq!(refusal.sqlstate, "23503", "{level}: {refusal:?}");
        assert_eq!(query_text(&mut watcher, ORPHANS), "0", "{level}");
    }
}

#[test]
fn a_row_that_came_back_and_is_referenced_by_now_stays() {
    is_refused_at_every_level("DELETE FROM parent WHERE id = 2", true, 2);
}

#[test]
fn going_back_undoes_what_was_committed_since_the_transaction_began() {
    for level in LEVELS {
        let (db, mut admin) = database_with(WORLD);
        let (mut other, at) = (db.connect(), now(&mut admin));
        passes(
            &mut admin,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM parent"),
        );
        passes(&mut other, "DELETE FROM parent WHERE id = 2");
        passes(
            &mut admin,
            &format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false); COMMIT"),
        );
        assert_eq!(
            query_text(&mut admin, "SELECT count(*) FROM parent"),
            "2",
            "{level}"
        );
    }
}

#[test]
fn rows_without_a_key_that_others_have_restored_come_back_once() {
    for level in LEVELS {
        let (db, mut admin) = database_with(
            "CREATE TABLE parent (id int PRIMARY KEY);
             CREATE TABLE note (parent_id int REFERENCES parent ON DELETE CASCADE, body text);
             INSERT INTO parent VALUES (1), (2); INSERT INTO note VALUES (1, 'n'), (2, 'n');
             SELECT backstop.protect('parent')",
        );
        let mut other = db.connect();
        passes(&mut admin, "DELETE FROM parent WHERE id = 2");
        let id = last_statement(&mut admin);
        // It has written, so that its snapshot is the one that its queries go by.
        passes(
            &mut admin,
            &format!("BEGIN ISOLATION LEVEL {level}; CREATE TABLE unrelated ()"),
        );
        passes(
            &mut other,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => false)"),
        );
        passes(
            &mut admin,
            &format!(
                "SELECT * FROM backstop.restore({id}, dry_run => false, on_conflict => 'skip'); COMMIT"
            ),
        );
        assert_eq!(
            query_text(&mut admin, "SELECT count(*) FROM note"),
            "2",
            "{level}"
        );
    }
}
