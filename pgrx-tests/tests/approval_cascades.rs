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
        "TRUNCATE empty",
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
