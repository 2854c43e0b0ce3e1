//! WHERE CURRENT OF: what the cursor reads decides, wherever the cursor was opened and wherever the statement stands.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    INSERT INTO users SELECT n, CASE WHEN n < 6 THEN 'trial' ELSE 'paid' END FROM generate_series(1, 20) n;
    CREATE TABLE plain (id bigint PRIMARY KEY); INSERT INTO plain VALUES (1), (2);
    GRANT ALL ON users, plain TO app; SELECT backstop.protect('users', max_rows => 10)";

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

/// Ways to change rows of `users` by a cursor over those for which `CONDITION` holds.
const FORMS: &[&str] = &[
    "DO $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE CONDITION FOR UPDATE; BEGIN
        FOR r IN c LOOP DELETE FROM users WHERE CURRENT OF c; END LOOP; END $$",
    "DO $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE CONDITION; BEGIN
        FOR r IN c LOOP UPDATE users SET plan = 'x' WHERE CURRENT OF c; END LOOP; END $$",
    "DO $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE CONDITION FOR UPDATE; gone bigint; BEGIN
        FOR r IN c LOOP
            WITH d AS (DELETE FROM users WHERE CURRENT OF c RETURNING id) SELECT id INTO gone FROM d;
        END LOOP; END $$",
    "DO $$ DECLARE c refcursor; r record; BEGIN
        OPEN c FOR SELECT * FROM users WHERE CONDITION FOR UPDATE;
        LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; DELETE FROM users WHERE CURRENT OF c; END LOOP; END $$",
    "DO $$ DECLARE c refcursor := 'named \"oddly\"'; r record; BEGIN
        OPEN c FOR EXECUTE 'SELECT * FROM users WHERE CONDITION FOR UPDATE';
        LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; UPDATE users SET plan = 'x' WHERE CURRENT OF c; END LOOP; END $$",
    "CREATE FUNCTION pg_temp.opened() RETURNS refcursor LANGUAGE plpgsql AS
        $f$ DECLARE c refcursor; BEGIN OPEN c FOR SELECT * FROM users WHERE CONDITION FOR UPDATE; RETURN c; END $f$;
     DO $$ DECLARE c refcursor := pg_temp.opened(); r record; BEGIN
        LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; DELETE FROM users WHERE CURRENT OF c; END LOOP; END $$",
    "DECLARE c CURSOR FOR SELECT * FROM users WHERE CONDITION FOR UPDATE; FETCH 1 FROM c;
     WITH d AS (DELETE FROM users WHERE CURRENT OF c RETURNING *) INSERT INTO plain SELECT id + 100 FROM d",
    "DECLARE c CURSOR FOR SELECT * FROM users WHERE CONDITION; MOVE 1 FROM c; FETCH 1 FROM c;
     UPDATE users SET plan = 'x' WHERE CURRENT OF c",
    "DECLARE c CURSOR FOR SELECT u.*, p.* FROM users u, plain p WHERE CONDITION FOR UPDATE OF u; FETCH 1 FROM c;
     DELETE FROM users WHERE CURRENT OF c",
    // Without CURRENT OF: the loop's own statements name each row, the cursor locks them.
    "DO $$ DECLARE r record; BEGIN
        FOR r IN SELECT * FROM users WHERE CONDITION FOR UPDATE LOOP DELETE FROM users WHERE id = r.id; END LOOP; END $$",
];

const ROWS: &str = "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u";

#[test]
fn a_cursor_over_a_range_of_keys_changes_nothing() {
    let (_db, mut admin, mut app) = world();
    let before = query_text(&mut admin, ROWS);
    let (by_loop, by_cursor) = FORMS.split_last().expect("forms");
    for condition in [
        "u.id < 5",
        "u.id BETWEEN 1 AND 4",
        "u.id <> 3 AND u.plan = ''trial''",
        "true",
    ] {
        for form in by_cursor {
            let condition =
                condition.replace("''", if form.contains("EXECUTE") { "''" } else { "'" });
            let condition = if form.contains(" u,") {
                condition
            } else {
                condition.replace("u.", "")
            };
            let statement = form.replace("CONDITION", &condition);
            if condition == "true" {
                continue;
            }
            let refusal = refused(&mut app, &format!("BEGIN; {statement}"));
            passes(&mut app, "ROLLBACK");
            assert_eq!(refusal.sqlstate, "SF001", "{statement}\n{refusal:?}");
            assert_eq!(refusal.table, "users", "{statement}\n{refusal:?}");
        }
    }
    // Its rows are named one by one: the limit is what holds.
    let all = by_loop.replace("CONDITION", "id > 0");
    assert_eq!(refused(&mut app, &all).sqlstate, "SF005");
    assert_eq!(query_text(&mut admin, ROWS), before);
}

#[test]
fn a_cursor_over_an_attribute_or_one_key_passes() {
    let (_db, mut admin, mut app) = world();
    for condition in [
        "u.plan = ''trial''",
        "u.id IN (2, 3)",
        "u.id = ANY (ARRAY[2, 3])",
    ] {
        for form in FORMS {
            let condition =
                condition.replace("''", if form.contains("EXECUTE") { "''" } else { "'" });
            let condition = if form.contains(" u,") {
                condition
            } else {
                condition.replace("u.", "")
            };
            let statement = form.replace("CONDITION", &condition);
            passes(&mut app, &format!("BEGIN; {statement}"));
            let changed =
                "SELECT count(*) FROM users WHERE plan = 'x' OR (SELECT count(*) < 20 FROM users)";
            assert_ne!(query_text(&mut app, changed), "0", "{statement}");
            passes(&mut app, "ROLLBACK");
        }
    }
    assert_eq!(
        query_text(&mut admin, "SELECT count(*) FROM backstop.statement"),
        "0"
    );
}

#[test]
fn what_a_cursor_destroys_is_counted_and_recorded() {
    let (_db, mut admin, mut app) = world();
    let all = FORMS[0].replace("CONDITION", "plan = 'paid'");
    assert_eq!(refused(&mut app, &all).sqlstate, "SF005");
    passes(&mut app, &FORMS[0].replace("CONDITION", "plan = 'trial'"));
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT count(*), count(DISTINCT statement_id) FROM backstop.preimage"
        ),
        "5|1"
    );
    // An approval lets a range through, and what is over its budget not.
    let range = FORMS[3].replace("CONDITION", "id > 17");
    let approved =
        |rows| format!("BEGIN; SELECT backstop.approve_batch('OPS-1', {rows}); {range}; COMMIT");
    assert!(refused(&mut app, &approved(2)).sqlstate.starts_with("SF"));
    passes(&mut app, "ROLLBACK");
    passes(&mut app, &approved(3));
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "12");
}

/// A portal that nobody declared as a cursor was not judged as one, whatever it reads.
#[test]
fn a_portal_that_is_no_declared_cursor_changes_nothing() {
    let (_db, mut admin, mut app) = world();
    let mut transaction = app.transaction().expect("begins");
    for (query, passes) in [
        ("SELECT * FROM users WHERE id > 10", false),
        ("SELECT * FROM users WHERE id > 10 FOR UPDATE", false),
        ("SELECT * FROM users WHERE plan = 'trial' FOR UPDATE", true),
    ] {
        let statement = transaction.prepare(query).expect("is prepared");
        let portal = transaction.bind(&statement, &[]).expect("is bound");
        let rows = transaction.query_portal(&portal, 1).expect("is fetched");
        assert_eq!(rows.len(), 1);
        let name: String = transaction
            .query_one(
                "SELECT name FROM pg_cursors WHERE statement = $1",
                &[&query],
            )
            .expect("is listed")
            .get(0);
        let mut savepoint = transaction.savepoint("s").expect("is set");
        let outcome =
            savepoint.batch_execute(&format!("DELETE FROM users WHERE CURRENT OF \"{name}\""));
        match outcome {
            Ok(()) => assert!(passes, "{query}"),
            Err(error) => {
                let code = error.code().map(|code| code.code().to_owned());
                assert_eq!((code.as_deref(), passes), (Some("SF001"), false), "{query}");
            }
        }
    }
    transaction.rollback().expect("ends");
    // The portal behind a loop has a name, too.
    let named = "DO $$ DECLARE r record; p text; BEGIN
        FOR r IN SELECT * FROM users WHERE id > 10 LOOP
            SELECT name INTO p FROM pg_cursors WHERE statement LIKE 'SELECT * FROM users%';
            EXECUTE format('UPDATE users SET plan = NULL WHERE CURRENT OF %I', p); END LOOP; END $$";
    assert_eq!(refused(&mut app, named).sqlstate, "SF001");
    assert_eq!(
        query_text(&mut admin, "SELECT count(plan) FROM users"),
        "20"
    );
}

/// An EXPLAIN is over when it is over: what a function plans after it, and keeps, is judged.
#[test]
fn an_explain_beside_it_excuses_no_cursor() {
    let (_db, mut admin, mut app) = world();
    passes(
        &mut admin,
        "CREATE FUNCTION by_cursor() RETURNS int LANGUAGE plpgsql AS $$ DECLARE c CURSOR FOR SELECT * FROM users WHERE id > 15; BEGIN
             FOR r IN c LOOP DELETE FROM users WHERE CURRENT OF c; END LOOP; RETURN 1; END $$",
    );
    for beside in [
        "EXECUTE 'EXPLAIN SELECT 1'",
        "BEGIN EXECUTE 'EXPLAIN SELECT nothing'; EXCEPTION WHEN undefined_column THEN NULL; END",
        "BEGIN EXECUTE 'EXPLAIN SELECT 1'; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END",
    ] {
        let statement = format!("DO $$ BEGIN {beside}; PERFORM by_cursor(); END $$");
        assert_eq!(refused(&mut app, &statement).sqlstate, "SF001", "{beside}");
        assert_eq!(refused(&mut app, "SELECT by_cursor()").sqlstate, "SF001");
    }
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "20");
}
