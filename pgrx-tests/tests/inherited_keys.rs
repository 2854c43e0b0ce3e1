//! Plain inheritance: what names a row of the parent names one of a child only while the child has that key, too.

use pg_backstop_tests::{database_with_app, passes, refused};

const WORLD: &str = "
    CREATE TABLE tasks (kind text PRIMARY KEY, id bigint, note text);
    CREATE TABLE tasks_eu (PRIMARY KEY (kind)) INHERITS (tasks);
    INSERT INTO tasks VALUES ('a', 1);
    INSERT INTO tasks_eu SELECT 'b' || n, n FROM generate_series(1, 9) n;
    SELECT backstop.protect('tasks', key_columns => '{id}');
    GRANT ALL ON tasks, tasks_eu TO app";

const PINNED: &str = "UPDATE tasks SET note = 'x' WHERE kind = 'b5' AND id > 2";

#[test]
fn a_child_made_later_without_the_key_ends_what_it_pinned_in_prepared_plans_too() {
    let (_db, mut admin, mut app) = database_with_app(WORLD);
    passes(&mut app, PINNED);
    passes(
        &mut app,
        "SET plan_cache_mode = force_generic_plan;
         PREPARE pinned (text) AS UPDATE tasks SET note = 'x' WHERE kind = $1 AND id > 2; EXECUTE pinned ('b5')",
    );
    passes(
        &mut admin,
        "CREATE TABLE tasks_us () INHERITS (tasks); INSERT INTO tasks_us SELECT 'b5', n FROM generate_series(1, 9) n",
    );
    assert_eq!(refused(&mut app, PINNED).sqlstate, "SF001");
    assert_eq!(refused(&mut app, "EXECUTE pinned ('b5')").sqlstate, "SF001");
    passes(
        &mut app,
        "UPDATE ONLY tasks SET note = 'x' WHERE kind = 'a' AND id > 0",
    );
    passes(&mut admin, "ALTER TABLE tasks_us ADD PRIMARY KEY (id)");
    assert_eq!(refused(&mut app, PINNED).sqlstate, "SF001");
}

#[test]
fn a_key_that_a_child_loses_or_gets_decides_from_then_on() {
    let (_db, mut admin, mut app) = database_with_app(WORLD);
    passes(&mut app, PINNED);
    passes(
        &mut admin,
        "SET backstop.mode = off; ALTER TABLE tasks_eu DROP CONSTRAINT tasks_eu_pkey; RESET backstop.mode",
    );
    assert_eq!(refused(&mut app, PINNED).sqlstate, "SF001");
    passes(&mut admin, "ALTER TABLE tasks_eu ADD PRIMARY KEY (kind)");
    passes(&mut app, PINNED);
}

#[test]
fn a_key_that_is_part_of_the_others_key_pins_with_the_whole_of_it() {
    let world = "
        CREATE TABLE logs (day int, line int, id bigint, note text, PRIMARY KEY (day, line));
        CREATE TABLE logs_eu (PRIMARY KEY (line)) INHERITS (logs);
        INSERT INTO logs_eu SELECT 1, n, n FROM generate_series(1, 9) n;
        SELECT backstop.protect('logs', key_columns => '{id}');
        GRANT ALL ON logs, logs_eu TO app";
    let (_db, _admin, mut app) = database_with_app(world);
    passes(
        &mut app,
        "DELETE FROM logs WHERE day = 1 AND line = 5 AND id > 2",
    );
    for half in ["day = 1", "line = 5"] {
        let statement = format!("DELETE FROM logs WHERE {half} AND id > 2");
        assert_eq!(refused(&mut app, &statement).sqlstate, "SF001");
    }
    passes(&mut app, "DELETE FROM logs_eu WHERE line = 6 AND id > 2");
}
