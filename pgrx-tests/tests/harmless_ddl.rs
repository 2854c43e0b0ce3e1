//! DDL on protected tables and sequences that changes nothing is none of the guard's business; what looks like it and does
//! is.

use pg_backstop_tests::{database_with, passes, query_text, refused};

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
        ("ALTER TABLE t DISABLE TRIGGER gone", "42704"),
        ("ALTER TABLE t DISABLE RULE gone", "42704"),
        ("ALTER TABLE t ENABLE REPLICA RULE gone", "42704"),
        ("ALTER TABLE t RENAME COLUMN gone TO x", "42703"),
        ("ALTER TABLE t DISABLE TRIGGER noted", "SF008"),
        ("ALTER TABLE t RENAME COLUMN g TO x", "SF008"),
        ("ALTER TABLE t DISABLE TRIGGER backstop_capture", "SF013"),
        ("DROP RULE IF EXISTS doubled ON t", "SF008"),
        ("ALTER TABLE t DISABLE RULE doubled", "SF008"),
        ("ALTER TABLE t ENABLE REPLICA RULE doubled", "SF008"),
    ] {
        if statement.starts_with("DROP RULE IF EXISTS doubled") {
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

#[test]
fn an_attribute_that_is_not_there_takes_nothing_from_anybody() {
    let (_db, mut admin) = database_with(
        "CREATE TYPE comp AS (a int, b int); CREATE TABLE t (id int PRIMARY KEY, c comp); CREATE TABLE typed OF comp (PRIMARY KEY (a));
         SELECT backstop.protect('t'), backstop.protect('typed')",
    );
    passes(
        &mut admin,
        "ALTER TYPE comp DROP ATTRIBUTE IF EXISTS gone CASCADE",
    );
    for (change, sqlstate) in [
        ("DROP ATTRIBUTE gone CASCADE", "42703"),
        ("RENAME ATTRIBUTE gone TO x CASCADE", "42703"),
        ("DROP ATTRIBUTE b CASCADE", "SF008"),
        ("DROP ATTRIBUTE IF EXISTS b CASCADE", "SF008"),
        ("RENAME ATTRIBUTE b TO x CASCADE", "SF008"),
    ] {
        let statement = format!("ALTER TYPE comp {change}");
        assert_eq!(
            refused(&mut admin, &statement).sqlstate,
            sqlstate,
            "{change}"
        );
    }
}

#[test]
fn a_sequence_keeps_its_owner_its_type_and_its_bounds() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE p (id bigint PRIMARY KEY, g int); CREATE SEQUENCE s OWNED BY p.id; CREATE SEQUENCE free;
         CREATE SEQUENCE down AS smallint INCREMENT -1; CREATE SEQUENCE apart MINVALUE 5 MAXVALUE 10;
         SELECT backstop.protect('p'), backstop.protect_sequence(s::regclass) FROM unnest('{s,free,down,apart}'::text[]) s",
    );
    for same in [
        "s OWNED BY p.id",
        "s OWNED BY public.p.id",
        "s AS bigint",
        "s AS int8 NO MINVALUE NO MAXVALUE OWNED BY p.id",
        "s MINVALUE 1 NO MAXVALUE",
        "free OWNED BY NONE",
        "down AS smallint NO MINVALUE NO MAXVALUE",
        "apart AS bigint",
    ] {
        passes(&mut admin, &format!("ALTER SEQUENCE {same}"));
    }
    for change in [
        "s OWNED BY p.g",
        "s OWNED BY NONE",
        "free OWNED BY p.id",
        "s AS int",
        "s AS int NO MAXVALUE",
        "s INCREMENT -1 NO MINVALUE NO MAXVALUE",
        "down AS bigint",
        "down INCREMENT 1 NO MAXVALUE",
        "apart NO MINVALUE",
        "apart NO MAXVALUE",
    ] {
        let statement = format!("ALTER SEQUENCE {change}");
        assert_eq!(
            refused(&mut admin, &statement).sqlstate,
            "SF007",
            "{change}"
        );
    }
    let state = "SELECT string_agg(concat_ws(' ', seqrelid::regclass, seqtypid::regtype, seqmin, seqmax), '; ' ORDER BY seqrelid)
        FROM pg_sequence WHERE seqrelid >= 's'::regclass";
    assert_eq!(
        query_text(&mut admin, state),
        "s bigint 1 9223372036854775807; free bigint 1 9223372036854775807; down smallint -32768 -1; apart bigint 5 10"
    );
    assert_eq!(
        query_text(&mut admin, "SELECT pg_get_serial_sequence('p', 'id')"),
        "public.s"
    );
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
