//! What goes along with a protected table's rows needs the approval that they need, and the record names it for changes that
//! take no rows.

mod approval {
    pub mod world;
}

use approval::world::{approval, under, world};
use pg_backstop_tests::{passes, query_text, refused};

/// User 1 has everybody's subscriptions.
const ONE_USERS: &str =
    "SET LOCAL backstop.mode = off; UPDATE subscriptions SET user_id = 1; RESET backstop.mode";

#[test]
fn what_a_refused_row_takes_along_is_refused_with_it() {
    for kind in ["preview", "second_person"] {
        let (_db, mut admin, mut app) = world();
        passes(
            &mut admin,
            &format!(
                "{ONE_USERS}; SELECT backstop.protect('users', max_rows => 10, approval => '{kind}')"
            ),
        );
        let delete = "DELETE FROM users WHERE id = 1";
        assert_eq!(refused(&mut app, delete).sqlstate, "SF005");
        for relations in [
            "",
            ", \"relations\": [\"public.users\"]",
            ", \"relations\": [\"public.subscriptions\"]",
            ", \"relations\": [\"public.users\", \"public.subscriptions\"]",
        ] {
            let members = format!("\"max_rows\": 1000{relations}");
            let refusal = refused(
                &mut app,
                &format!("BEGIN; {}; {delete}", approval(&members)),
            );
            passes(&mut app, "ROLLBACK");
            assert_eq!(refusal.sqlstate, "SF010", "{members}");
            if !relations.contains("[\"public.subscriptions\"]") {
                assert!(refusal.detail.contains(kind), "{refusal:?}");
            }
        }
        assert_eq!(
            query_text(&mut app, "SELECT count(*) FROM subscriptions"),
            "100"
        );
        // Nor what a trigger of the table's takes of its followers.
        passes(
            &mut admin,
            "CREATE FUNCTION pull() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 DELETE FROM subscriptions WHERE id < 50; RETURN OLD; END $$;
             CREATE TRIGGER pull BEFORE DELETE ON users FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION pull()",
        );
        let refusal = refused(
            &mut app,
            &format!(
                "BEGIN; {}; DELETE FROM users WHERE id = 2",
                approval("\"max_rows\": 1000")
            ),
        );
        passes(&mut app, "ROLLBACK");
        assert_eq!(refusal.sqlstate, "SF010", "{refusal:?}");
        // Of a follower itself nobody asks as much.
        under(
            &mut app,
            "\"max_rows\": 50",
            "DELETE FROM subscriptions WHERE id < 21",
        );
        // Within the limit no approval is needed.
        under(
            &mut app,
            "\"max_rows\": 50",
            "DELETE FROM subscriptions WHERE id < 92",
        );
        under(&mut app, "\"max_rows\": 50", delete);
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT rows, approval IS NULL FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
            ),
            "10|t"
        );
    }
}

/// DDL on a follower, in a statement that touched a protected table: its rows need an approval then, and can have one.
#[test]
fn ddl_on_a_follower_is_covered_like_its_rows() {
    for ddl in [
        "TRUNCATE subscriptions",
        "DROP TABLE subscriptions",
        "ALTER TABLE subscriptions DROP COLUMN user_id",
        "ALTER TABLE subscriptions ALTER COLUMN id TYPE text",
    ] {
        let (_db, mut admin, _app) = world();
        let both = format!("DO $$ BEGIN DELETE FROM users WHERE id = 150; {ddl}; END $$");
        let short = "\"max_rows\": 500, \"relations\": [\"public.users\"]";
        for approval in ["SELECT 1".to_owned(), approval(short)] {
            let refusal = refused(&mut admin, &format!("BEGIN; {approval}; {both}"));
            passes(&mut admin, "ROLLBACK");
            assert!(
                ["SF005", "SF010"].contains(&&*refusal.sqlstate),
                "{refusal:?}"
            );
        }
        let named =
            "\"max_rows\": 500, \"relations\": [\"public.users\", \"public.subscriptions\"]";
        for members in ["\"max_rows\": 500", named] {
            passes(
                &mut admin,
                &format!("BEGIN; {}; {both}; ROLLBACK", approval(members)),
            );
        }
        // By itself it needs none, and one that covers it is named.
        under(&mut admin, "\"max_rows\": 500", ddl);
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT rows, approval ->> 'reason' FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
            ),
            "100|OPS-142",
            "{ddl}"
        );
    }
}

#[test]
fn what_takes_followers_without_naming_them_is_covered_by_an_approval_of_everything() {
    for (members, approved) in [
        ("\"max_rows\": 500", "OPS-142"),
        ("\"max_rows\": 500, \"relations\": [\"far.notes\"]", "null"),
        (
            "\"max_rows\": 500, \"relations\": [\"public.users\"], \"operations\": [\"drop\"]",
            "null",
        ),
    ] {
        for drop in ["DROP SCHEMA far CASCADE", "DROP TYPE kind CASCADE"] {
            let (_db, mut admin, _app) = world();
            passes(
                &mut admin,
                "CREATE SCHEMA far; CREATE TYPE kind AS ENUM ('a');
                 CREATE TABLE far.notes (id int PRIMARY KEY, k kind, user_id bigint REFERENCES users ON DELETE CASCADE);
                 INSERT INTO far.notes VALUES (1, 'a', 1)",
            );
            under(&mut admin, members, drop);
            assert_eq!(
                query_text(
                    &mut admin,
                    "SELECT rows, approval ->> 'reason' FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
                ),
                format!("1|{approved}"),
                "{members} {drop}"
            );
        }
    }
}

#[test]
fn ddl_on_a_follower_runs_under_its_token() {
    let (_db, mut admin, _app) = world();
    let both = "DO $d$ BEGIN DELETE FROM users WHERE id = 150; TRUNCATE subscriptions; END $d$";
    let request = query_text(
        &mut admin,
        &format!("SELECT DISTINCT request_id FROM backstop.preview($p${both}$p$, 'why')"),
    );
    let token = query_text(
        &mut admin,
        &format!("SELECT backstop.approve({request}, 'ok')"),
    );
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.run('{token}')"),
    );
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM subscriptions"),
        "0"
    );
}

#[test]
fn changes_without_rows_are_recorded_with_their_approval() {
    let (_db, mut admin, _app) = world();
    passes(
        &mut admin,
        "CREATE TABLE parts (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE part PARTITION OF parts FOR VALUES IN (1); INSERT INTO part VALUES (1, 1), (2, 1);
         CREATE TABLE empty (id int PRIMARY KEY, v int);
         SELECT backstop.protect('parts'), backstop.protect('empty')",
    );
    for ddl in [
        "ALTER TABLE parts DETACH PARTITION part",
        "ALTER TABLE empty DROP COLUMN v",
        "DROP TABLE empty",
    ] {
        under(&mut admin, "\"max_rows\": 10", ddl);
        assert_eq!(
            query_text(
                &mut admin,
                "SELECT rows, approval ->> 'reason', approval ? 'covered_rows' FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
            ),
            "0|OPS-142|f",
            "{ddl}"
        );
    }
    // What an approval is taken back with takes its mark along.
    passes(
        &mut admin,
        "CREATE TABLE again (id int PRIMARY KEY, v int); INSERT INTO again VALUES (1, 1); SELECT backstop.protect('again')",
    );
    passes(
        &mut admin,
        &format!(
            "BEGIN; {}; DO $$ BEGIN
                 BEGIN ALTER TABLE again DROP COLUMN v; RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN NULL; END;
                 SET LOCAL backstop.approval = ''; DELETE FROM again WHERE id = 1; END $$; COMMIT",
            approval("\"max_rows\": 10")
        ),
    );
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT rows, approval FROM backstop.statement ORDER BY statement_id DESC LIMIT 1"
        ),
        "1|null"
    );
}
