"""The attack list as psycopg 3 sees it: server-side prepared statements, and every field of the exceptions.

Usage: psycopg_client.py SUPERUSER_DSN [APP_DSN]

Both name one empty database that has the extension. Prints "N passed, N failed"; exit status 1 if any failed.
"""

import sys
import uuid
from datetime import datetime, timezone

import psycopg

WORLD = """
CREATE TABLE users (id bigint PRIMARY KEY, auth_source text NOT NULL DEFAULT 'oauth', plan text, email text UNIQUE);
CREATE TABLE subscriptions (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
CREATE TABLE seats (train int, number int, passenger text, PRIMARY KEY (train, number));
CREATE TABLE devices (id uuid PRIMARY KEY, owner text);
CREATE TABLE readings (at timestamptz PRIMARY KEY, value int);
CREATE TABLE pages (slug text PRIMARY KEY, body text);
CREATE TABLE results (id bigint PRIMARY KEY, cache_a text, cache_b text);
CREATE TABLE plain (id bigint PRIMARY KEY);
CREATE SEQUENCE web_user_id_seq;
INSERT INTO users SELECT n, 'oauth', 'free', 'u' || n FROM generate_series(1, 300) n;
INSERT INTO users SELECT -n, 'test', 'free', 't' || n FROM generate_series(1, 9) n;
INSERT INTO subscriptions SELECT n, 1 FROM generate_series(1, 150) n;
INSERT INTO seats SELECT 1, n, 'p' FROM generate_series(1, 5) n;
INSERT INTO devices SELECT md5(n::text)::uuid, 'o' FROM generate_series(1, 5) n;
INSERT INTO readings SELECT '2026-01-01Z'::timestamptz + n * interval '1 hour', n FROM generate_series(0, 5) n;
INSERT INTO pages VALUES ('home', 'a'), ('hobby', 'b');
INSERT INTO results VALUES (1, 'a', 'b'), (2, 'a', 'b');
INSERT INTO plain SELECT n FROM generate_series(1, 5) n;
SELECT setval('web_user_id_seq', 100);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
SELECT backstop.protect(t::regclass) FROM unnest('{users,seats,devices,readings,pages,results}'::text[]) t;
SELECT backstop.protect_columns('results', '{cache_a}', 'pipeline a');
SELECT backstop.protect_columns('results', '{cache_b}', 'pipeline b');
SELECT backstop.protect_sequence('web_user_id_seq', max_step => 10);
"""

ONE_DEVICE = uuid.UUID("c4ca4238-a0b9-2382-0dcc-509a6f75849b")
ONE_HOUR = datetime(2026, 1, 1, 2, tzinfo=timezone.utc)

# What is refused: SQLSTATE, table, column (None where none is meant), statement, parameters.
REFUSED = [
    ("SF001", "users", "id", "DELETE FROM users WHERE id BETWEEN %s AND %s", (-91111200, -1)),
    ("SF001", "users", "id", "DELETE FROM users WHERE id < %s", (0,)),
    ("SF001", "users", "id", "UPDATE users SET plan = %s WHERE id >= %s", ("x", 290)),
    ("SF001", "users", "id", "DELETE FROM users WHERE id <> ALL(%s)", ([1, 2, 3],)),
    ("SF001", "users", "id", "DELETE FROM users WHERE NOT id = %s", (5,)),
    ("SF001", "users", "id", "DELETE FROM users WHERE id %% 2 = %s", (0,)),
    ("SF001", "users", "id", "DELETE FROM users WHERE id IN (SELECT generate_series(%s::int, %s::int))", (1, 9)),
    ("SF001", "users", "id", "DELETE FROM users WHERE email IN (SELECT email FROM users WHERE id < %s)", (0,)),
    ("SF001", "users", "id", "WITH o AS (SELECT id FROM users WHERE id < %s) DELETE FROM users USING o WHERE o.id = users.id", (0,)),
    ("SF001", "seats", "number", "DELETE FROM seats WHERE train = %s AND number > %s", (1, 2)),
    ("SF001", "devices", "id", "DELETE FROM devices WHERE id > %s", (uuid.UUID(int=0),)),
    ("SF001", "readings", "at", "DELETE FROM readings WHERE at > %s", (ONE_HOUR,)),
    ("SF001", "pages", "slug", "DELETE FROM pages WHERE slug LIKE %s", ("ho%",)),
    ("SF002", "users", None, "DELETE FROM users", ()),
    ("SF002", "users", None, "UPDATE users SET plan = %s WHERE %s::boolean", ("x", True)),
    ("SF002", "pages", None, "DELETE FROM pages WHERE %s::int = %s::int", (1, 1)),
    ("SF003", "users", None, "INSERT INTO users (id, plan) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET plan = excluded.plan", (5, "x")),
    ("SF003", "seats", None, "INSERT INTO seats VALUES (%s, %s, %s) ON CONFLICT (train, number) DO UPDATE SET passenger = 'x'", (1, 1, "x")),
    ("SF004", "users", "id", "UPDATE users SET id = %s WHERE id = %s", (1000, 5)),
    ("SF005", "users", None, "UPDATE users SET plan = %s WHERE auth_source = %s", ("x", "oauth")),
    ("SF005", "users", None, "DELETE FROM users WHERE id = %s", (1,)),
    ("SF007", "web_user_id_seq", None, "SELECT setval('web_user_id_seq', %s)", (91111101,)),
    ("SF008", "users", None, "TRUNCATE users CASCADE", ()),
    ("SF009", "results", "cache_", "UPDATE results SET cache_a = %s, cache_b = %s WHERE id = %s", (None, "", 1)),
]

PASSES = [
    ("DELETE FROM users WHERE id = %s", (5,)),
    ("DELETE FROM users WHERE id = ANY(%s)", ([2, 3, 4],)),
    ("DELETE FROM users WHERE auth_source = %s", ("test",)),
    ("UPDATE users SET plan = %s WHERE email = %s", ("x", "u7")),
    ("DELETE FROM seats WHERE (train, number) = (%s, %s)", (1, 1)),
    ("DELETE FROM devices WHERE id = %s", (ONE_DEVICE,)),
    ("DELETE FROM readings WHERE at = %s", (ONE_HOUR,)),
    ("UPDATE pages SET body = %s WHERE slug = %s", ("new", "home")),
    ("INSERT INTO users (id, plan) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", (5, "x")),
    ("INSERT INTO users (id, email) VALUES (%s, %s) ON CONFLICT (email) DO UPDATE SET plan = 'x'", (1000, "u5")),
    ("SELECT setval('web_user_id_seq', %s)", (105,)),
    ("UPDATE results SET cache_a = %s WHERE id = %s", (None, 1)),
    ("DELETE FROM plain WHERE id > %s", (0,)),
    ("SELECT count(*) FROM users WHERE id BETWEEN %s AND %s", (-5, 5)),
]

# More than five: the server may take its generic plan from the sixth execution on. psycopg forgets a prepared statement
# that failed, so the refused ones get there by the second of these settings.
EXECUTIONS = 7
PLANS = ["auto", "force_generic_plan"]

CHECKSUM = "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u"


class Tally:
    """Counts what passed and prints what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def note(self, name, complaint):
        if complaint is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}: {complaint}")


def run_once(connection, statement, parameters):
    """Runs a statement and returns the exception, if any.

    There is no transaction to roll back on purpose: at a ROLLBACK psycopg throws its prepared statements away, and no
    generic plan would ever be reached. A refused statement loses nothing anyway, and this is where that is tested.
    """
    try:
        connection.execute(statement, parameters, prepare=True)
    except psycopg.Error as error:
        return error
    return None


def complaint_about(error, sqlstate, table, column):
    """What is wrong with a refusal, if anything."""
    if error is None:
        return "it was not refused"
    if error.sqlstate != sqlstate:
        return f"got {error.sqlstate} instead of {sqlstate}: {error}"
    diag = error.diag
    expected = {"schema": (diag.schema_name, "public"), "table": (diag.table_name, table)}
    for part, (found, wanted) in expected.items():
        if found != wanted:
            return f"its {part} is {found!r}, not {wanted!r}"
    if column is not None and not (diag.column_name or "").startswith(column):
        return f"its column is {diag.column_name!r}, not {column!r}"
    if not diag.message_hint or not diag.message_detail:
        return f"it does not help: detail {diag.message_detail!r}, hint {diag.message_hint!r}"
    return None


def try_refused(connection, case):
    sqlstate, table, column, statement, parameters = case
    before = connection.execute(CHECKSUM).fetchone()
    for plan in PLANS:
        connection.execute(f"SET plan_cache_mode = {plan}")
        complaint = complaint_about(run_once(connection, statement, parameters), sqlstate, table, column)
        if complaint:
            return f"plan {plan}: {complaint}"
    if connection.execute(CHECKSUM).fetchone() != before:
        return "it changed the table"
    return None


def try_passing(connection, statement, parameters):
    for execution in range(1, EXECUTIONS + 1):
        error = run_once(connection, statement, parameters)
        if error is not None:
            return f"execution {execution}: {error.sqlstate}: {error}"
    return None


def try_pipeline(connection):
    """A refusal in a pipeline aborts what follows it and leaves the connection usable."""
    try:
        with connection.pipeline():
            connection.execute("UPDATE users SET plan = 'x' WHERE id = %s", (7,))
            connection.execute("DELETE FROM users WHERE id < %s", (0,))
            connection.execute("UPDATE users SET plan = 'x' WHERE id = %s", (8,))
    except psycopg.Error as error:
        if error.sqlstate != "SF001":
            return f"got {error.sqlstate}: {error}"
    else:
        return "it was not refused"
    left = connection.execute("SELECT count(*) FROM users WHERE auth_source = 'test'").fetchone()[0]
    return None if left == 9 else f"{left} of 9 rows are left"


def try_server_cursor(connection):
    """WHERE CURRENT OF a server-side cursor over one key passes; the connection's own FETCHes are its steps."""
    with connection.transaction(force_rollback=True):
        with connection.cursor(name="one") as cursor:
            cursor.execute("SELECT * FROM users WHERE id = %s FOR UPDATE", (7,))
            cursor.fetchone()
            error = run_once(connection, "UPDATE users SET plan = 'x' WHERE CURRENT OF one", ())
            return None if error is None else f"{error.sqlstate}: {error}"


def main():
    superuser = sys.argv[1]
    application = sys.argv[2] if len(sys.argv) > 2 else f"{superuser} user=app"
    with psycopg.connect(superuser, autocommit=True) as admin:
        admin.execute(WORLD)
    tally = Tally()
    with psycopg.connect(application, autocommit=True) as connection:
        connection.prepare_threshold = 0
        for case in REFUSED:
            tally.note(case[3], try_refused(connection, case))
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]
        few = None if prepared >= len(REFUSED) else f"only {prepared} statements were prepared"
        tally.note("server-side statements", few)
        tally.note("a pipeline", try_pipeline(connection))
        tally.note("a server-side cursor", try_server_cursor(connection))
        connection.execute("RESET plan_cache_mode")
        for statement, parameters in PASSES:
            tally.note(statement, try_passing(connection, statement, parameters))
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
