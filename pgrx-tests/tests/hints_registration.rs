//! A HINT that registers a table registers it as it was: whoever follows it loses no option of the protection.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with, passes, query_text, refused};

const OPTIONS: &str = r"max_rows => 7, expendable => 'plan = ''it''''s a \test''', require => 'always', approval => 'preview'";

/// Tables with every option a registration can have, columns that a pipeline feeds, and a part of one of them.
fn world() -> (Database, Client) {
    database_with(&format!(
        r#"CREATE TABLE "Users" (id bigint PRIMARY KEY, plan text, "crm Id" text, mail text NOT NULL);
           SELECT backstop.protect('"Users"', key_columns => '{{id,mail}}', {OPTIONS});
           SELECT backstop.protect_columns('"Users"', '{{crm Id}}', 'the crm''s');
           CREATE TABLE events (id bigint, day date, plan text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
           CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
           INSERT INTO events VALUES (3, '2026-05-01', 'x');
           SELECT backstop.protect('events', {OPTIONS})"#
    ))
}

/// What is registered, every option of it.
fn registered(admin: &mut Client) -> String {
    query_text(
        admin,
        "SELECT (SELECT jsonb_agg(to_jsonb(t) - 'registered_at' ORDER BY t.relation::text)::text FROM backstop.protected_table AS t)
             || (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.relation::text)::text FROM backstop.protected_column AS c)",
    )
}

/// The commands that the hint shows from there on, which end it.
#[track_caller]
fn commands<'a>(hint: &'a str, start: &str) -> &'a str {
    let from = hint
        .find(start)
        .unwrap_or_else(|| panic!("no {start}: {hint}"));
    hint[from..].trim_end_matches(['.', ';'])
}

#[test]
fn giving_up_the_protection_for_one_command_keeps_its_options() {
    let (_db, mut admin) = world();
    let before = registered(&mut admin);
    for statement in [
        r#"ALTER TABLE "Users" DISABLE TRIGGER ALL"#,
        "ALTER TABLE events_2026 DISABLE TRIGGER ALL",
        "ALTER TABLE events DISABLE TRIGGER ALL",
    ] {
        let refusal = refused(&mut admin, statement);
        assert_eq!(refusal.sqlstate, "SF008", "{refusal:?}");
        let shown = commands(&refusal.hint, "SELECT backstop.unprotect(");
        let followed = shown.replace("...", statement);
        passes(&mut admin, &format!("BEGIN; {followed}; COMMIT"));
        assert_eq!(registered(&mut admin), before, "{followed}");
    }
}

#[test]
fn a_partition_key_is_left_out_of_the_key_and_nothing_else_of_the_registration() {
    let (_db, mut admin) = world();
    let before = registered(&mut admin);
    for table in ["events", "events_2026"] {
        let range = format!(
            "DELETE FROM {table} WHERE plan = 'y' AND day >= '2026-01-01' AND day < '2026-02-01'"
        );
        let told = query_text(
            &mut admin,
            &format!("SELECT sqlstate || hint FROM backstop.check($${range}$$)"),
        );
        assert!(told.starts_with("SF001"), "{told}");
        let narrower = commands(&told, "SELECT backstop.protect(");
        passes(&mut admin, narrower);
        let after = registered(&mut admin);
        assert_ne!(after, before, "{narrower}");
        assert_eq!(
            after.replace(r#"["id"]"#, r#"["id", "day"]"#),
            before,
            "{narrower}"
        );
        let refusals = query_text(
            &mut admin,
            &format!("SELECT count(*) FROM backstop.check($${range}$$)"),
        );
        assert_eq!(refusals, "0", "{range}");
        passes(
            &mut admin,
            &format!("SELECT backstop.protect('events', {OPTIONS})"),
        );
    }
}
