//! The drill: proof that the record can be used, without a trace.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, database_with_app, passes, query_text, refused};

const WORLD: &str = r#"
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, email text UNIQUE, tags int[]);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, body text);
    INSERT INTO users SELECT n, 'free', 'u' || n, '{1,2}' FROM generate_series(1, 10) n;
    INSERT INTO notes SELECT n, n, 'n' || n FROM generate_series(1, 10) n;
    CREATE SEQUENCE numbers;
    SELECT backstop.protect('users', max_rows => 1000), backstop.protect('notes', max_rows => 1000),
        backstop.protect_sequence('numbers', max_step => 100)"#;

fn world() -> (Database, Client, Client) {
    database_with_app(WORLD)
}

fn drill(client: &mut Client) -> String {
    query_text(
        client,
        "SELECT ok, detail FROM backstop.restore_drill() ORDER BY statement_id",
    )
}

#[test]
fn every_statement_is_tried() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "UPDATE users SET plan = 'a' WHERE id = 1");
    passes(&mut app, "DELETE FROM users WHERE id IN (2, 3)");
    passes(&mut admin, "SELECT setval('numbers', 7)");
    passes(&mut app, "UPDATE users SET plan = 'b' WHERE id IN (1, 4)");
    assert_eq!(
        drill(&mut admin),
        "t|0 of 1 rows can be put back, 1 changed since\nt|4 of 4 rows can be put back\nt|0 of 0 rows can be put back\n\
         t|2 of 2 rows can be put back"
    );
    let later = "SELECT count(*) FROM backstop.restore_drill('0')";
    assert_eq!(query_text(&mut admin, later), "0");
}

#[test]
fn rows_that_need_others_first_are_no_failure() {
    let (_db, mut admin, mut app) = world();
    passes(&mut app, "DELETE FROM notes WHERE id = 1");
    passes(&mut app, "DELETE FROM users WHERE id = 1");
    assert_eq!(
        drill(&mut admin),
        "t|1 of 1 rows can be put back; restoring this statement alone fails as things are: restoring would violate foreign key \
         constraint \"notes_user_id_fkey\" of table \"public.notes\": Key (user_id)=(1) is not present in table \"public.users\".\n\
         t|1 of 1 rows can be put back"
    );
    // As it says.
    let restore = |since: &str| {
        format!(
            "SELECT * FROM backstop.restore((SELECT {since}(statement_id) FROM backstop.statement WHERE reverts IS NULL), false)"
        )
    };
    assert_eq!(refused(&mut admin, &restore("min")).sqlstate, "23503");
    passes(&mut admin, &restore("max"));
    passes(&mut admin, &restore("min"));
}

#[test]
fn what_cannot_be_put_back_is_a_row_of_the_answer_not_an_error() {
    let (_db, mut admin, mut app) = world();
    for statement in [
        "UPDATE users SET plan = 'a' WHERE id = 1",
        "DELETE FROM notes WHERE id = 5",
        "INSERT INTO users VALUES (11); DELETE FROM users WHERE id = 11",
    ] {
        passes(&mut app, statement);
    }
    // Nobody can damage the record; a forged one does.
    passes(
        &mut admin,
        r#"INSERT INTO backstop.statement_log
            SELECT s.statement_id + n, at + interval '1 ms', xid, session_role, role, application_name, client_addr, pid, query, parameters,
                operations, relations, rows + (n = 102)::int, approval, reverts, image_chunk_id + n, image_relid, image_operation, image_cause,
                image_row_count, image_key_count, image_columns,
                convert_to(CASE n WHEN 100 THEN '[[1,1,"a"' || repeat(',{"x":[]}', 9) || ']]'
                    WHEN 101 THEN replace(backstop.unpacked(images)::text, '{1,2}', '{1,') ELSE backstop.unpacked(images)::text END, 'UTF8')
            FROM backstop.statement_log s, unnest('{100,101,102}'::int[]) n WHERE s.statement_id = (SELECT min(statement_id) FROM backstop.statement_log)"#,
    );
    passes(
        &mut admin,
        "SELECT backstop.unprotect('notes'); ALTER TABLE notes DROP CONSTRAINT notes_user_id_fkey; DROP TABLE notes;
         ALTER TABLE users ADD COLUMN late text, ADD CHECK (id <> 11)",
    );
    let drilled = drill(&mut admin);
    let lines: Vec<&str> = drilled.lines().collect();
    for (line, begins, holds) in [
        (0, "t|1 of 1 rows", ""),
        (1, "f|", "public.notes"),
        (2, "f|", "users_id_check"),
        (3, "f|", "is damaged"),
        (4, "f|", "malformed array literal"),
        (5, "f|the record has images of 1 of 2 rows", ""),
    ] {
        assert!(
            lines[line].starts_with(begins) && lines[line].contains(holds),
            "{line}: {drilled}"
        );
    }
    assert_eq!(lines.len(), 6, "{drilled}");
}

#[test]
fn it_leaves_no_trace() {
    let (db, mut admin, mut app) = world();
    passes(
        &mut app,
        "DELETE FROM users WHERE id IN (2, 3); UPDATE users SET plan = 'a' WHERE id = 1",
    );
    passes(
        &mut admin,
        "CREATE SEQUENCE late_seq; CREATE TABLE seen (what text);
         ALTER TABLE users ADD COLUMN late bigint NOT NULL DEFAULT nextval('late_seq'), ADD COLUMN label text DEFAULT 'n' || nextval('late_seq'),
             ADD COLUMN own int GENERATED ALWAYS AS IDENTITY UNIQUE;
         CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY told; INSERT INTO seen VALUES (TG_OP); RETURN NEW; END $$;
         CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell();
         ALTER TABLE users ENABLE ALWAYS TRIGGER tell; LISTEN told",
    );
    let state = "SELECT (SELECT md5(string_agg(u::text || xmin::text, ',' ORDER BY id)) FROM users u), (SELECT count(*) FROM seen),
        (SELECT count(*) FROM backstop.statement), (SELECT count(*) FROM backstop.preimage), (SELECT last_value FROM backstop.statement_id_seq),
        (SELECT last_value FROM backstop.chunk_id_seq), (SELECT last_value FROM late_seq), (SELECT last_value FROM users_own_seq),
        (SELECT count(*) FROM backstop.committed)";
    let before = query_text(&mut admin, state);
    assert_eq!(
        drill(&mut admin),
        "t|4 of 4 rows can be put back\nt|1 of 1 rows can be put back"
    );
    assert_eq!(query_text(&mut admin, state), before);
    let mut told = admin.notifications();
    use pg_backstop_tests::postgres::fallible_iterator::FallibleIterator;
    assert!(told.iter().next().expect("a connection").is_none());
    drop(told);
    // A dry run and the drill keep the sequences; a restore draws from them.
    passes(
        &mut admin,
        "SELECT * FROM backstop.restore_since('-infinity')",
    );
    assert_eq!(query_text(&mut admin, state), before);
    drop(db);
}

#[test]
fn whoever_cancels_the_drill_ends_it() {
    let (db, mut admin, mut app) = world();
    passes(&mut app, "UPDATE users SET plan = 'a' WHERE id = 1");
    passes(&mut app, "BEGIN; UPDATE users SET plan = 'b' WHERE id = 1");
    let mut other = db.connect();
    passes(&mut admin, "SET statement_timeout = '300ms'");
    let refusal = refused(&mut admin, "SELECT * FROM backstop.restore_drill()");
    assert_eq!(refusal.sqlstate, "57014");
    passes(
        &mut other,
        "SET lock_timeout = '100ms'; SELECT * FROM backstop.restore_drill()",
    );
}

#[test]
fn bad_input_is_named_and_only_those_who_are_granted_it_may() {
    let (_db, mut admin, mut app) = world();
    let refusal = refused(&mut admin, "SELECT * FROM backstop.restore_drill(NULL)");
    assert!(refusal.message.contains("since"), "{refusal:?}");
    let refusal = refused(&mut app, "SELECT * FROM backstop.restore_drill()");
    assert_eq!(refusal.sqlstate, "42501");
}
