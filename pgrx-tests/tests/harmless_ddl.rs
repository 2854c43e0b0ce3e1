//! DDL on protected tables and sequences that changes nothing is none of the guard's business; what looks like it and does
//! is.

use pg_backstop_tests::{database_with, passes, refused};

#[test]
fn what_is_not_there_is_dropped_if_it_exists() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, g int); CREATE TABLE kid () INHERITS (t); SELECT backstop.protect('t');
         CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    for statement in [
        "DROP TRIGGER IF EXISTS noted ON t",
        "DROP TRIGGER IF EXISTS noted ON t; CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted()",
        "DROP RULE IF EXISTS gone ON t",
        "ALTER TABLE t DROP COLUMN IF EXISTS gone",
        "ALTER TABLE IF EXISTS kid DROP COLUMN IF EXISTS gone",
    ] {
        passes(&mut admin, statement);
    }
    for (statement, sqlstate) in [
        ("DROP TRIGGER gone ON t", "42704"),
        ("DROP RULE gone ON t", "42704"),
        ("ALTER TABLE t DROP COLUMN gone", "42703"),
        ("ALTER TABLE t ALTER COLUMN gone TYPE int", "42703"),
        ("DROP TRIGGER IF EXISTS noted ON t", "SF008"),
        ("ALTER TABLE t DROP COLUMN IF EXISTS g", "SF008"),
        ("DROP TRIGGER IF EXISTS backstop_capture ON t", "SF013"),
        ("DROP RULE IF EXISTS doubled ON t", "SF008"),
    ] {
        if statement.contains("doubled") {
            passes(
                &mut admin,
                "BEGIN; SELECT backstop.approve_batch('OPS-1', 1);
                 CREATE RULE doubled AS ON UPDATE TO t DO ALSO NOTHING; COMMIT",
            );
        }
        assert_eq!(
            refused(&mut admin, statement).sqlstate,
            sqlstate,
            "{statement}"
        );
    }
}

#[test]
fn a_sequence_that_is_set_to_what_it_is_stays_so() {
    let (_db, mut admin) = database_with(
        "CREATE SEQUENCE s INCREMENT 2 MINVALUE 1 MAXVALUE 1000 NO CYCLE; SELECT backstop.protect_sequence('s')",
    );
    passes(
        &mut admin,
        "ALTER SEQUENCE s INCREMENT 2 MINVALUE 1 MAXVALUE 1000 NO CYCLE",
    );
    for change in [
        "INCREMENT 3",
        "MINVALUE 0",
        "MAXVALUE 999",
        "NO MAXVALUE",
        "CYCLE",
    ] {
        let statement = format!("ALTER SEQUENCE s {change}");
        assert_eq!(
            refused(&mut admin, &statement).sqlstate,
            "SF007",
            "{change}"
        );
    }
}

/// A trigger that fires on replicas alone is switched off everywhere else.
#[test]
fn a_trigger_is_not_sent_away_to_replicas() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int, g int) PARTITION BY LIST (g); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
         CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER noted BEFORE INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION noted();
         CREATE TRIGGER spread BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted();
         SELECT backstop.protect('t', '{id}')",
    );
    for (table, name) in [("t1", "noted"), ("t", "spread")] {
        let send = format!("ALTER TABLE {table} ENABLE REPLICA TRIGGER {name}");
        assert_eq!(refused(&mut admin, &send).sqlstate, "SF008", "{send}");
        passes(
            &mut admin,
            &format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"),
        );
        assert_eq!(refused(&mut admin, &send).sqlstate, "SF008", "{send}");
        passes(
            &mut admin,
            &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 1); {send}; COMMIT"),
        );
        // It fires nowhere but there already.
        passes(&mut admin, &send);
        passes(
            &mut admin,
            &format!("ALTER TABLE {table} ENABLE TRIGGER {name}"),
        );
    }
}
