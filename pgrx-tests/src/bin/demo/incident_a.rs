//! Incident A: the id-range cleanup.

use anyhow::Result;
use pg_backstop_tests::Cluster;
use pg_backstop_tests::postgres::Client;

use crate::gate;
use crate::narrator::{Narrator, quietly, value};
use crate::undo::{self, Approved, approve_and_run};

const TABLES: [&str; 4] = ["users", "subscriptions", "chat_sessions", "web_messages"];

/// 150 messenger users with ids of their own, 150 web users with negative ids from the sequence.
const WORLD: &str = "
CREATE SEQUENCE web_user_id_seq;
CREATE TABLE users (id bigint PRIMARY KEY, auth_source text NOT NULL, plan text NOT NULL, email text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE subscriptions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, price numeric(8,2));
CREATE TABLE chat_sessions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, state jsonb);
CREATE TABLE web_messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, body text);
INSERT INTO users SELECT 5000000 + n, 'messenger', 'free', NULL FROM generate_series(1, 150) n;
INSERT INTO users SELECT -nextval('web_user_id_seq'), 'web', 'pro', 'web' || n || '@example.org'
    FROM generate_series(1, 150) n;
GRANT USAGE ON SEQUENCE web_user_id_seq TO app;
GRANT SELECT, UPDATE ON SEQUENCE web_user_id_seq TO app;";

/// What every user has: one subscription, one session, two messages.
const CHILDREN: &str = "
INSERT INTO subscriptions (user_id, price) SELECT id, 9.90 FROM users u
    WHERE NOT EXISTS (SELECT FROM subscriptions s WHERE s.user_id = u.id);
INSERT INTO chat_sessions (user_id, state) SELECT id, '{\"open\": null}' FROM users u
    WHERE NOT EXISTS (SELECT FROM chat_sessions s WHERE s.user_id = u.id);
INSERT INTO web_messages (user_id, body) SELECT id, 'hello ' || n FROM users u, generate_series(1, 2) n
    WHERE NOT EXISTS (SELECT FROM web_messages m WHERE m.user_id = u.id);";

const PROTECT: [&str; 2] = [
    "SELECT backstop.protect('users', max_rows => 20, expendable => $$auth_source = 'test'$$)",
    "SELECT backstop.protect_sequence('web_user_id_seq', max_step => 1000)",
];

const RETRY: &str = "SELECT setval('web_user_id_seq', GREATEST((SELECT -MIN(id) FROM users), currval('web_user_id_seq')))";
const RANGE_DELETE: &str = "DELETE FROM users WHERE id BETWEEN -91111200 AND -91111100";

/// # Errors
/// At the first claim that isn't so.
pub fn tell(narrator: &mut Narrator, server: &Cluster) -> Result<()> {
    let db = server.database();
    let (mut admin, mut app) = (db.connect(), db.connect_as("app"));
    narrator.title("Incident A: the id-range cleanup");
    narrator.say("A small company: 300 users with subscriptions, sessions and messages, all ON DELETE CASCADE.\nThe administrator protects the users and the sequence of the web signups:");
    quietly(&mut admin, WORLD)?;
    quietly(&mut admin, CHILDREN)?;
    for protect in PROTECT {
        narrator.passes(&mut admin, protect)?;
    }
    sequence_jump(narrator, &mut admin, &mut app)?;
    silent_upsert(narrator, &mut admin, &mut app)?;
    range_delete(narrator, &mut app)?;
    cleanup(narrator, &mut admin, &mut app)?;
    worst_case(narrator, &mut admin, &mut app)
}

fn sequence_jump(narrator: &mut Narrator, admin: &mut Client, app: &mut Client) -> Result<()> {
    narrator.say(
        "1. A tester makes a user by hand; the next signup's retry \"catches up\" the sequence.",
    );
    narrator.passes(app, "INSERT INTO users VALUES (-91111101, 'test', 'free')")?;
    quietly(app, "SELECT nextval('web_user_id_seq')")?;
    narrator.say("A rehearsal takes thirty seconds: where would the next signup land?");
    let id = gate::preview(narrator, app, RETRY, "what would the retry do?")?;
    let next = gate::steps(admin, id, "sample->>'next'")?;
    narrator.claim(
        &format!("the rehearsal shows that the sequence would jump, its next value being {next}"),
        next == "91111102",
    )?;
    narrator.say("Run all the same:");
    narrator.refused(app, RETRY, "SF007")?;
    let next = value(app, "SELECT -nextval('web_user_id_seq')")?;
    narrator.claim(
        &format!("the next web signup gets id {next}, not -91111102"),
        next == "-152",
    )
}

fn silent_upsert(narrator: &mut Narrator, admin: &mut Client, app: &mut Client) -> Result<()> {
    narrator.say("2. Suppose ten real users had got ids in the testers' window. The testers' upsert meets one of them.");
    quietly(
        admin,
        "INSERT INTO users SELECT -91111101 - n, 'web', 'pro', 'real' || n || '@example.org' FROM generate_series(1, 10) n",
    )?;
    quietly(admin, CHILDREN)?;
    let user = "SELECT u::text FROM users u WHERE id = -91111102";
    let before = value(admin, user)?;
    narrator.refused(
        app,
        "INSERT INTO users VALUES (-91111102, 'test', 'trial') \
         ON CONFLICT (id) DO UPDATE SET plan = EXCLUDED.plan, auth_source = EXCLUDED.auth_source",
        "SF003",
    )?;
    narrator.claim(
        &format!("user -91111102 is still {before}"),
        value(admin, user)? == before,
    )
}

fn range_delete(narrator: &mut Narrator, app: &mut Client) -> Result<()> {
    let before = undo::dump(app, &TABLES)?;
    narrator.say("3. The nightly script deletes the window.");
    narrator.refused(app, RANGE_DELETE, "SF001")?;
    narrator.say("4. Somebody lists the ids instead. What falls with them by CASCADE counts too.");
    narrator.refused(
        app,
        "DELETE FROM users WHERE id = ANY (ARRAY[-91111102, -91111103, -91111104, -91111105, -91111106, -91111107])",
        "SF005",
    )?;
    narrator.claim(
        "nothing was lost: all four tables are unchanged",
        undo::dump(app, &TABLES)? == before,
    )
}

fn cleanup(narrator: &mut Narrator, admin: &mut Client, app: &mut Client) -> Result<()> {
    narrator.say("5. The cleanup the right way: by the attribute the test rows carry.");
    let real = "SELECT count(*) FROM users WHERE auth_source <> 'test'";
    let before = value(admin, real)?;
    let deleted = narrator.passes(app, "DELETE FROM users WHERE auth_source = 'test'")?;
    let left = value(
        admin,
        "SELECT count(*) FROM users WHERE auth_source = 'test'",
    )?;
    narrator.claim(
        &format!("{deleted} test user is gone and {left} are left"),
        deleted == 1 && left == "0",
    )?;
    narrator.claim(
        &format!("all {before} real users are still there"),
        value(admin, real)? == before,
    )
}

fn worst_case(narrator: &mut Narrator, admin: &mut Client, app: &mut Client) -> Result<()> {
    narrator.say("6. The worst case: somebody approves the range delete after all.");
    let before = undo::dump(admin, &TABLES)?;
    let approved = Approved {
        reason: "OPS-142: remove test users",
        max_rows: 60,
        relation: "public.users",
        operation: "delete",
        statement: RANGE_DELETE,
    };
    let id = approve_and_run(narrator, app, admin, &approved)?;
    let taken = value(
        admin,
        &format!(
            "SELECT count(DISTINCT relation) FROM backstop.preimage WHERE statement_id = {id}"
        ),
    )?;
    narrator.claim(
        "the record holds rows of all four tables, those the cascade took too",
        taken == "4",
    )?;
    undo::restore(narrator, admin, id, &TABLES, &before)?;
    narrator.say("7. And the drill: everything on record is restored once more, and rolled back:");
    undo::drill(narrator, admin)
}
