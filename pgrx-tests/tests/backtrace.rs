//! A server that was started with RUST_BACKTRACE set shows its clients no backtraces: they are no DETAIL of anybody's
//! mistake, and tell what is loaded where.

use pg_backstop_tests::{ClusterOptions, passes, refused, start};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users);
    CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 / 0; RETURN NULL; END';
    CREATE TRIGGER broken BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION broken();
    INSERT INTO users VALUES (1, 'free'), (2, 'free'); CREATE SEQUENCE counted;
    SELECT backstop.protect('users'); SELECT backstop.protect_sequence('counted')";

/// Errors of every kind: refusals, bad arguments, and PostgreSQL's own errors inside and outside our functions.
const FAILING: &[&str] = &[
    "DELETE FROM users WHERE id > 0",
    "DROP TABLE users CASCADE",
    "SELECT setval('counted', 77)",
    "SELECT setval('counted', -5)",
    "SELECT setval('nowhere', 1)",
    "SET backstop.approval = '{'",
    "SET backstop.max_rows = -7",
    "SELECT backstop.protect('nowhere')",
    "SELECT backstop.protect('notes', key_columns => '{nothing}')",
    "SELECT backstop.protect('notes', expendable => 'nothing = 1')",
    "SELECT backstop.protect('notes', expendable => 'id = ')",
    "SELECT backstop.protect('notes', expendable => '1')",
    "SELECT backstop.protect('notes', require => 'sometimes')",
    "SELECT backstop.protect(NULL)",
    "SELECT backstop.restore(12345)",
    "SELECT backstop.restore(NULL)",
    "SELECT * FROM backstop.check('SELEC')",
    "SELECT * FROM backstop.check('DELETE FROM nowhere')",
    "SELECT backstop.approve_batch('', 1)",
    "INSERT INTO users VALUES (1, 'again')",
    "INSERT INTO notes VALUES (1, 1)",
    "SELECT nothing FROM users",
    "SELECT 1 / 0",
    "UPDATE users SET plan = (1 / (id - 1))::text WHERE plan = 'free'",
];

#[test]
fn no_detail_is_a_backtrace() {
    for value in ["1", "full"] {
        let cluster = start(&ClusterOptions::default().variable("RUST_BACKTRACE", value));
        let db = cluster.database();
        let mut admin = db.connect();
        passes(&mut admin, WORLD);
        for statement in FAILING {
            let refusal = refused(&mut admin, statement);
            for text in [
                &refusal.message,
                &refusal.detail,
                &refusal.hint,
                &refusal.context,
            ] {
                let lower = text.to_lowercase();
                assert!(
                    !["backtrace", "pgrx", "libpg_backstop", ".rs:", "panic"]
                        .iter()
                        .any(|word| lower.contains(word)),
                    "{statement}\n{refusal:#?}"
                );
            }
        }
    }
}
