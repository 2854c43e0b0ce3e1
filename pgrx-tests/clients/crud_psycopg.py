"""Ordinary work on protected tables through psycopg 3, one statement at a time and in a pipeline.

Usage: crud_psycopg.py HOST PORT DATABASE. Prints the number of rows it destroyed; any complaint is an exception.
"""

import sys

import psycopg

APPROVAL = '{"reason": "OPS-142", "max_rows": 20}'


def refusal(connection, sqlstate, statement, parameters):
    try:
        connection.execute(statement, parameters)
    except psycopg.Error as error:
        diag = error.diag
        assert error.sqlstate == sqlstate, f"{error.sqlstate}: {error}"
        assert (diag.schema_name, diag.table_name) == ("public", "users"), (diag.schema_name, diag.table_name)
        assert diag.message_detail and diag.message_hint, error
        return diag
    raise AssertionError(f"not refused: {statement}")


def main(host, port, database):
    destroyed = 0
    with psycopg.connect(host=host, port=port, dbname=database, user="app", autocommit=True) as c:
        one = c.execute("INSERT INTO users (email) VALUES (%s) RETURNING id", ("p1",)).fetchone()[0]
        # A prepared statement of psycopg's own from the sixth time on.
        for n in range(8):
            assert c.execute("UPDATE users SET plan = %s WHERE id = %s", (f"plan {n}", one)).rowcount == 1
            destroyed += 1
        upsert = "INSERT INTO users (email, plan) VALUES (%s, %s) ON CONFLICT (email) DO UPDATE SET plan = excluded.plan RETURNING id"
        assert c.execute(upsert, ("p1", "upserted")).fetchone()[0] == one
        destroyed += 1
        assert c.execute("SELECT plan FROM users WHERE id = %s", (one,)).fetchone() == ("upserted",)
        with c.cursor() as cursor:
            cursor.executemany("UPDATE users SET plan = %s WHERE id = %s", [("many", n) for n in (1, 2, 3)])
            assert cursor.rowcount == 3, cursor.rowcount
            destroyed += 3
        with c.cursor().copy("COPY users (email) FROM STDIN") as copy:
            for n in range(20):
                copy.write_row((f"copied {n}",))
        assert c.execute("DELETE FROM users WHERE id = ANY(%s)", ([4, 5],)).rowcount == 2
        destroyed += 2 + 2  # and their orders
        with c.pipeline():
            made = c.execute("INSERT INTO users (email) VALUES ('p2') RETURNING id")
            changed = c.execute("UPDATE users SET plan = %s WHERE email = %s", ("piped", "p2"))
            gone = c.execute("DELETE FROM users WHERE email = %s", ("p2",))
            read = c.execute("SELECT count(*) FROM users WHERE email = %s", ("p1",))
        assert made.fetchone() and (changed.rowcount, gone.rowcount, read.fetchone()) == (1, 1, (1,))
        destroyed += 2

        assert refusal(c, "SF001", "DELETE FROM users WHERE id > %s", (0,)).column_name == "id"
        refusal(c, "SF005", "UPDATE users SET plan = %s WHERE email LIKE %s", ("x", "copied%"))
        refusal(c, "SF002", "DELETE FROM users", ())
        # In a pipeline a refusal is the error of its own statement; what stood before it in the implicit transaction goes too.
        try:
            with c.pipeline() as pipeline:
                before = c.execute("UPDATE users SET plan = 'lost' WHERE id = %s", (one,))
                refused = c.execute("DELETE FROM users WHERE id > %s", (0,))
                pipeline.sync()
                after = c.execute("UPDATE users SET plan = 'kept' WHERE id = %s", (one,))
                pipeline.sync()
                assert after.rowcount == 1
        except psycopg.Error as error:
            assert (error.sqlstate, error.diag.table_name) == ("SF001", "users"), error
        else:
            raise AssertionError("the pipeline was not refused")
        plan = c.execute("SELECT plan FROM users WHERE id = %s", (one,)).fetchone()[0]
        assert plan in ("upserted", "kept"), plan
        destroyed += plan == "kept"

        with c.transaction():
            c.execute("SELECT set_config('backstop.approval', %s, true)", (APPROVAL,))
            assert c.execute("DELETE FROM users WHERE email LIKE %s", ("copied%",)).rowcount == 20
            destroyed += 20
        refusal(c, "SF001", "DELETE FROM users WHERE id > %s", (0,))
        # A refusal inside a savepoint takes the savepoint, not the transaction.
        with c.transaction():
            assert c.execute("DELETE FROM orders WHERE user_id = %s", (6,)).rowcount == 1
            destroyed += 1
            try:
                with c.transaction():
                    c.execute("DELETE FROM users")
            except psycopg.Error as error:
                assert error.sqlstate == "SF002"
    print(destroyed)


main(*sys.argv[1:])
