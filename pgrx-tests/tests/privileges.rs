//! Who can do what: PUBLIC, a table's owner, an approver, an auditor and an administrator, as the matrix in the README.
//!
//! `surface.rs` lists which function and relation is open to everyone; this says what comes of it.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{Database, Refusal, database, passes, query_text, refused};

/// What each action gets: `yes`, `no` (insufficient privilege), or the rule that refuses it.
const MATRIX: &str = "
| | PUBLIC | the table's owner | approver | auditor | administrator | restorer |
|---|---|---|---|---|---|---|
| see what is protected; `status()`, `check()` | yes | yes | yes | yes | yes | yes |
| destroy rows of the table by key | no | yes | no | no | no | no |
| the same by a range, unapproved | no | `SF001` | no | no | no | no |
| the same under an approval of one's own (`SET LOCAL`, `approve_batch()`) | no | yes | no | no | no | no |
| preview a statement on the table | no | yes | no | no | no | no |
| see another role's request | no | no | yes | yes | no | no |
| see the rows it would destroy | no | no | yes | yes | no | no |
| approve or deny it | no | no | yes | no | no | no |
| run another role's token | `SF010` | `SF010` | `SF010` | `SF010` | `SF010` | `SF010` |
| read the record | no | no | no | yes | no | no |
| write to the record, the requests or the registry | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no |
| `restore()` and its relatives | no | no | no | no | no | yes |
| `protect()`, `unprotect()` and the like | no | no | no | no | yes | no |
| `prune()` the record | no | no | no | no | yes | no |
| DROP, TRUNCATE, ALTER the table or its triggers | `SF008` | `SF008` | `SF008` | `SF008` | `SF008` | `SF008` |
| the same under an approval of one's own | no | yes | no | no | no | no |
| move a registered sequence | `SF007` | `SF007` | `SF007` | `SF007` | `SF007` | `SF007` |
| change `backstop.mode`, the limits, the time to live | no | no | no | no | no | no |
| drop or alter the extension, its schema, its functions | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no | `SF013`, no |";

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text);
    CREATE TABLE free (id bigint PRIMARY KEY, note text);
    CREATE SEQUENCE numbers;
    INSERT INTO users SELECT n, 'free' FROM generate_series(1, 200) n;
    INSERT INTO free SELECT n FROM generate_series(1, 200) n;
    SELECT setval('numbers', 100)";

/// After the tables have got their owner: to give a protected table away is refused.
const PROTECTION: &str = "
    SELECT backstop.protect('users', max_rows => 10);
    SELECT backstop.protect_columns('users', '{plan}', 'billing');
    SELECT backstop.protect_sequence('numbers', max_step => 10);
    DELETE FROM users WHERE id = 200;
    SELECT setval('numbers', 105)";

/// The roles, with what each was granted. `{approver}` and the like stand for roles of the test's own: roles belong to
/// the whole server.
const GRANTS: &str = "
    CREATE ROLE {owner} LOGIN; CREATE ROLE {approver} LOGIN; CREATE ROLE {auditor} LOGIN; CREATE ROLE {administrator} LOGIN;
    CREATE ROLE {restorer} LOGIN; CREATE ROLE {public} LOGIN; CREATE ROLE {asker} LOGIN;
    GRANT USAGE, CREATE ON SCHEMA public TO {owner};
    ALTER TABLE users OWNER TO {owner}; ALTER TABLE free OWNER TO {owner}; ALTER SEQUENCE numbers OWNER TO {owner};
    GRANT SELECT, DELETE ON users TO {asker};
    GRANT EXECUTE ON FUNCTION backstop.approve(bigint, text), backstop.deny(bigint, text) TO {approver};
    GRANT SELECT ON backstop.statement, backstop.preimage, backstop.sequence_change, backstop.request_log,
        backstop.request_step, backstop.request_chunk TO {auditor};
    GRANT EXECUTE ON FUNCTION backstop.protect(regclass, text[], bigint, text, text, text), backstop.unprotect(regclass),
        backstop.protect_columns(regclass, text[], text), backstop.unprotect_columns(regclass, text[]),
        backstop.protect_sequence(regclass, bigint, bigint, bigint, boolean), backstop.unprotect_sequence(regclass),
        backstop.prune(interval) TO {administrator};
    GRANT EXECUTE ON FUNCTION backstop.restore(bigint, boolean, text, text[]), backstop.restore_conflicts(bigint),
        backstop.restore_since(timestamptz, text[], boolean, text), backstop.restore_drill(interval),
        backstop.restore_sequence(bigint, boolean) TO {restorer}";

const ROLES: [&str; 6] = [
    "public",
    "owner",
    "approver",
    "auditor",
    "administrator",
    "restorer",
];

/// An action of the matrix: one or more statements, each of which gets the same answer.
struct Action {
    what: &'static str,
    statements: &'static [&'static str],
}

/// `{request}` is another role's request, `{token}` an approved one's token.
const ACTIONS: &[Action] = &[
    Action {
        what: "see what is protected; `status()`, `check()`",
        statements: &[
            "SELECT * FROM backstop.protected_table",
            "SELECT * FROM backstop.protected_column",
            "SELECT * FROM backstop.protected_sequence",
            "SELECT * FROM backstop.follower",
            "SELECT * FROM backstop.status()",
            "SELECT * FROM backstop.check('SELECT 1')",
        ],
    },
    Action {
        what: "destroy rows of the table by key",
        statements: &[
            "DELETE FROM users WHERE id = 5",
            "UPDATE users SET plan = 'x' WHERE id = ANY ('{5,6}')",
        ],
    },
    Action {
        what: "the same by a range, unapproved",
        statements: &[
            "DELETE FROM users WHERE id > 190",
            "UPDATE users SET plan = 'x' WHERE id > 190",
        ],
    },
    Action {
        what: "the same under an approval of one's own (`SET LOCAL`, `approve_batch()`)",
        statements: &[
            "SELECT backstop.approve_batch('OPS-142', 50); DELETE FROM users WHERE id > 190",
            r#"SET LOCAL backstop.approval = '{"reason": "OPS-142", "max_rows": 50}'; DELETE FROM users WHERE id > 190"#,
        ],
    },
    Action {
        what: "preview a statement on the table",
        statements: &[
            "SELECT * FROM backstop.preview('DELETE FROM users WHERE id > 190')",
            "SELECT backstop.preview_json('DELETE FROM users WHERE id > 190')",
        ],
    },
    Action {
        what: "see another role's request",
        statements: &["SELECT 1 / count(*) FROM backstop.request WHERE request_id = {request}"],
    },
    Action {
        what: "see the rows it would destroy",
        statements: &["SELECT 1 / count(old_row) FROM backstop.request_rows({request})"],
    },
    Action {
        what: "approve or deny it",
        statements: &[
            "SELECT backstop.approve({request}, 'looked')",
            "SELECT backstop.deny({request}, 'looked')",
        ],
    },
    Action {
        what: "run another role's token",
        statements: &["SELECT * FROM backstop.run('{token}')"],
    },
    Action {
        what: "read the record",
        statements: &[
            "SELECT * FROM backstop.statement",
            "SELECT * FROM backstop.preimage",
            "SELECT * FROM backstop.sequence_change",
        ],
    },
    Action {
        what: "write to the record, the requests or the registry",
        statements: &[
            "INSERT INTO backstop.pruned VALUES (now(), 'x', now(), 1)",
            "UPDATE backstop.statement_log SET query = ''",
            "DELETE FROM backstop.image_chunk",
            "TRUNCATE backstop.committed",
            "UPDATE backstop.request_log SET decision = 'approved'",
            "DELETE FROM backstop.request",
            "DELETE FROM backstop.registered_table",
            "INSERT INTO backstop.protected_column VALUES ('users', 'id', 'x')",
            "SELECT nextval('backstop.statement_id_seq')",
        ],
    },
    Action {
        what: "`restore()` and its relatives",
        statements: &[
            "SELECT * FROM backstop.restore({statement}, false)",
            "SELECT * FROM backstop.restore_conflicts({statement})",
            "SELECT * FROM backstop.restore_since(now() - interval '1 hour')",
            "SELECT * FROM backstop.restore_drill()",
            "SELECT * FROM backstop.restore_sequence({moved})",
        ],
    },
    Action {
        what: "`protect()`, `unprotect()` and the like",
        statements: &[
            "SELECT backstop.protect('free')",
            "SELECT backstop.protect('users', max_rows => 1000000)",
            "SELECT backstop.unprotect('users')",
            "SELECT backstop.protect_columns('free', '{note}', 'x')",
            "SELECT backstop.unprotect_columns('users', '{plan}')",
            "SELECT backstop.protect_sequence('numbers', max_step => 1000)",
            "SELECT backstop.unprotect_sequence('numbers')",
        ],
    },
    Action {
        what: "`prune()` the record",
        statements: &["SELECT backstop.prune('1 day')"],
    },
    Action {
        what: "DROP, TRUNCATE, ALTER the table or its triggers",
        statements: &[
            "DROP TABLE users",
            "TRUNCATE users",
            "ALTER TABLE users DROP COLUMN plan",
            "ALTER TABLE users RENAME TO u",
            "ALTER TABLE users DISABLE TRIGGER ALL",
            "ALTER TABLE users DISABLE TRIGGER USER",
        ],
    },
    Action {
        what: "the same under an approval of one's own",
        statements: &[
            "SELECT backstop.approve_batch('OPS-142', 500); DROP TABLE users",
            "SELECT backstop.approve_batch('OPS-142', 500); TRUNCATE users",
            "SELECT backstop.approve_batch('OPS-142', 500); ALTER TABLE users DROP COLUMN plan",
        ],
    },
    Action {
        what: "move a registered sequence",
        statements: &[
            "SELECT setval('numbers', 5)",
            "ALTER SEQUENCE numbers RESTART",
        ],
    },
    Action {
        what: "change `backstop.mode`, the limits, the time to live",
        statements: &[
            "SET backstop.mode = off",
            "SET LOCAL backstop.mode = observe",
            "SET backstop.max_rows = 1000000",
            "SET backstop.max_rows_per_transaction = 1000000",
            "SET backstop.approval_ttl = 1000000",
            "SET backstop.log_parameters = off",
            "SELECT set_config('backstop.mode', 'off', false)",
        ],
    },
    Action {
        what: "drop or alter the extension, its schema, its functions",
        statements: &[
            "DROP EXTENSION pg_backstop CASCADE",
            "DROP SCHEMA backstop CASCADE",
            "ALTER EXTENSION pg_backstop DROP FUNCTION backstop.capture()",
            "CREATE OR REPLACE FUNCTION backstop.capture_row() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "ALTER FUNCTION backstop.capture() OWNER TO CURRENT_USER",
            "CREATE FUNCTION backstop.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ],
    },
];

struct World {
    db: Database,
    admin: Client,
    asker: Client,
    approver: Client,
}

fn role(db: &Database, name: &str) -> String {
    format!("{}_{name}", db.name)
}

fn world() -> World {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let mut grants = GRANTS.to_owned();
    for name in ROLES.iter().chain(&["asker"]) {
        grants = grants.replace(&format!("{{{name}}}"), &role(&db, name));
    }
    passes(&mut admin, &grants);
    passes(&mut admin, PROTECTION);
    let asker = db.connect_as(&role(&db, "asker"));
    let approver = db.connect_as(&role(&db, "approver"));
    World {
        db,
        admin,
        asker,
        approver,
    }
}

fn ask(asker: &mut Client) -> String {
    query_text(
        asker,
        "SELECT DISTINCT request_id FROM backstop.preview('DELETE FROM users WHERE id > 190', 'OPS-142')",
    )
}

/// The answer a statement gets in a transaction of its own, which is rolled back.
fn answer(client: &mut Client, statement: &str) -> String {
    passes(client, "BEGIN");
    let outcome = client.batch_execute(statement);
    passes(client, "ROLLBACK");
    match outcome {
        Ok(()) => "yes".to_owned(),
        Err(error) => {
            let refusal = Refusal::of(&error).expect("an error of the server");
            match refusal.sqlstate.as_str() {
                // Insufficient privilege; or nothing to be seen, which the statement divides by.
                "42501" | "22012" => "no".to_owned(),
                rule if rule.starts_with("SF0") => format!("`{rule}`"),
                other => panic!("{statement}: {other} {refusal:?}"),
            }
        }
    }
}

fn matrix(world: &mut World) -> String {
    let request = ask(&mut world.asker);
    let approved = ask(&mut world.asker);
    let token = query_text(
        &mut world.approver,
        &format!("SELECT backstop.approve({approved}, 'looked')"),
    );
    let statement = query_text(
        &mut world.admin,
        "SELECT statement_id FROM backstop.statement WHERE rows = 1",
    );
    let moved = query_text(
        &mut world.admin,
        "SELECT statement_id FROM backstop.sequence_change",
    );
    let mut clients = ROLES.map(|name| world.db.connect_as(&role(&world.db, name)));
    let mut lines = vec![
        "| | PUBLIC | the table's owner | approver | auditor | administrator | restorer |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for action in ACTIONS {
        let mut line = format!("| {} |", action.what);
        for client in &mut clients {
            let mut answers: Vec<String> = action
                .statements
                .iter()
                .map(|sql| {
                    let sql = sql
                        .replace("{request}", &request)
                        .replace("{token}", &token)
                        .replace("{statement}", &statement)
                        .replace("{moved}", &moved);
                    answer(client, &sql)
                })
                .collect();
            answers.sort();
            answers.dedup();
            line += &format!(" {} |", answers.join(", "));
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn everyone_can_do_what_the_readme_says_and_no_more() {
    let mut world = world();
    let matrix = matrix(&mut world);
    assert_eq!(matrix, MATRIX.trim(), "the matrix is now:\n{matrix}\n");
    // Nothing of all that was tried is left.
    let left =
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM backstop.protected_table),
        (SELECT count(*) FROM backstop.statement), (SELECT last_value FROM numbers)";
    assert_eq!(query_text(&mut world.admin, left), "199|1|2|105");
}

/// Rights don't come with a role that was set: the session's own role asks and decides.
#[test]
fn an_approver_who_takes_the_askers_role_is_still_somebody_else_and_an_asker_who_may_approve_is_not()
 {
    let mut world = world();
    passes(
        &mut world.admin,
        "SELECT backstop.protect('users', max_rows => 10, approval => 'second_person')",
    );
    let (asker, approver) = (role(&world.db, "asker"), role(&world.db, "approver"));
    passes(&mut world.admin, &format!("GRANT {approver} TO {asker}"));
    let own = ask(&mut world.asker);
    passes(&mut world.asker, &format!("SET ROLE {approver}"));
    assert_eq!(
        refused(
            &mut world.asker,
            &format!("SELECT backstop.approve({own}, 'me')")
        )
        .sqlstate,
        "SF010"
    );
    passes(
        &mut world.approver,
        &format!("SELECT backstop.approve({own}, 'looked')"),
    );
    passes(
        &mut world.admin,
        &format!("REVOKE {approver} FROM {asker}; GRANT {asker} TO {approver}"),
    );
    // Asked for under the asker's role, it is the approver's own request all the same.
    passes(&mut world.approver, &format!("SET ROLE {asker}"));
    let taken = ask(&mut world.approver);
    passes(&mut world.approver, "RESET ROLE");
    assert_eq!(
        refused(
            &mut world.approver,
            &format!("SELECT backstop.approve({taken}, 'me')")
        )
        .sqlstate,
        "SF010"
    );
}

/// A SECURITY DEFINER function of ours calls nothing that its caller could have put in the way.
#[test]
fn no_function_of_ours_runs_what_its_caller_put_into_the_search_path() {
    let mut world = world();
    let owner = role(&world.db, "owner");
    let administrator = role(&world.db, "administrator");
    let restorer = role(&world.db, "restorer");
    let statement = query_text(
        &mut world.admin,
        "SELECT statement_id FROM backstop.statement WHERE rows = 1",
    );
    // Operators, functions and a table of pg_catalog's names, which say who ran them.
    passes(
        &mut world.admin,
        &format!(
            "CREATE SCHEMA trap AUTHORIZATION {owner}; GRANT USAGE ON SCHEMA trap TO PUBLIC;
             SET SESSION AUTHORIZATION {owner};
             CREATE FUNCTION trap.sprung(a anyelement, b anyelement) RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'the trap was sprung by %', current_user; END $$;
             CREATE OPERATOR trap.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = trap.sprung);
             CREATE OPERATOR trap.< (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = trap.sprung);
             CREATE FUNCTION trap.count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'sprung'; END $$;
             CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'sprung'; END $$;
             CREATE FUNCTION trap.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'sprung'; END $$;
             CREATE FUNCTION trap.setval(regclass, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'sprung'; END $$;
             CREATE VIEW trap.pg_class AS SELECT 1 / 0 AS oid; CREATE VIEW trap.pg_constraint AS SELECT 1 / 0 AS oid;
             RESET SESSION AUTHORIZATION"
        ),
    );
    let request = ask(&mut world.asker);
    let calls: [(&str, Vec<String>); 4] = [
        (&administrator, vec![
            "SELECT backstop.protect('public.free', expendable => 'note is null')".into(),
            "SELECT backstop.protect_columns('public.free', '{note}', 'x')".into(),
            "SELECT backstop.protect_sequence('public.numbers', max_step => 1000)".into(),
            "SELECT backstop.unprotect('public.users')".into(),
            "SELECT backstop.prune('1 day')".into(),
        ]),
        (&restorer, vec![
            format!("SELECT backstop.restore({statement}, false)"),
            "SELECT backstop.restore_since('2020-01-01')".into(),
            "SELECT backstop.restore_drill()".into(),
        ]),
        (&role(&world.db, "asker"), vec![
            "SELECT backstop.preview('DELETE FROM public.users WHERE plan OPERATOR(pg_catalog.=) ''x''')".into(),
            "SELECT backstop.preview_tree(1)".into(),
            "SELECT backstop.request_json(1)".into(),
            "SELECT backstop.status()".into(),
            "SELECT * FROM backstop.follower".into(),
        ]),
        (&role(&world.db, "approver"), vec![
            format!("SELECT backstop.request_rows({request})"),
            format!("SELECT backstop.approve({request}, 'looked')"),
            format!("SELECT backstop.deny({request}, 'looked')"),
        ]),
    ];
    for (role, statements) in &calls {
        let mut client = world.db.connect_as(role);
        passes(&mut client, "SET search_path = trap, pg_catalog, public");
        // The trap works.
        assert_eq!(refused(&mut client, "SELECT now()").message, "sprung");
        for statement in statements {
            passes(&mut client, &format!("BEGIN; {statement}; ROLLBACK"));
        }
    }
}
