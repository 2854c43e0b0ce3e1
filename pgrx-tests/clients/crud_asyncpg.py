"""Ordinary work on protected tables through asyncpg, which prepares everything and binds in binary.

Usage: crud_asyncpg.py HOST PORT DATABASE. Prints the number of rows it destroyed; any complaint is an exception.
"""

import asyncio
import sys

import asyncpg

APPROVAL = '{"reason": "OPS-142", "max_rows": 20}'


async def refusal(connection, sqlstate, statement, *parameters):
    try:
        await connection.execute(statement, *parameters)
    except asyncpg.PostgresError as error:
        assert error.sqlstate == sqlstate, f"{error.sqlstate}: {error}"
        assert (error.schema_name, error.table_name) == ("public", "users"), error.as_dict()
        assert error.detail and error.hint, error.as_dict()
        return error
    raise AssertionError(f"not refused: {statement}")


async def main(host, port, database):
    destroyed = 0
    pool = await asyncpg.create_pool(host=host, port=int(port), database=database, user="app", min_size=1, max_size=3)
    async with pool.acquire() as c:
        one = await c.fetchval("INSERT INTO users (email) VALUES ($1) RETURNING id", "a1")
        for n in range(8):
            assert await c.execute("UPDATE users SET plan = $1 WHERE id = $2", f"plan {n}", one) == "UPDATE 1"
            destroyed += 1
        upsert = "INSERT INTO users (email, plan) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET plan = excluded.plan RETURNING id"
        assert await c.fetchval(upsert, "a1", "upserted") == one
        destroyed += 1
        # A pipeline of Bind and Execute in one transaction.
        await c.executemany("UPDATE users SET plan = $1 WHERE id = $2", [("many", n) for n in (1, 2, 3)])
        destroyed += 3
        await c.copy_records_to_table("users", records=[(f"copied {n}",) for n in range(20)], columns=["email"])
        assert await c.execute("DELETE FROM users WHERE id = ANY($1::bigint[])", [4, 5]) == "DELETE 2"
        destroyed += 2 + 2  # and their orders
        prepared = await c.prepare("DELETE FROM users WHERE email = $1 RETURNING id")
        assert len(await prepared.fetch("copied 0")) == 1
        destroyed += 1

        assert (await refusal(c, "SF001", "DELETE FROM users WHERE id > $1", 0)).column_name == "id"
        await refusal(c, "SF005", "UPDATE users SET plan = $1 WHERE email LIKE $2", "x", "copied%")
        await refusal(c, "SF002", "DELETE FROM users")
        async with c.transaction():
            await c.execute("SELECT set_config('backstop.approval', $1, true)", APPROVAL)
            assert await c.execute("DELETE FROM users WHERE email LIKE $1", "copied%") == "DELETE 19"
            destroyed += 19
            async for row in c.cursor("SELECT id FROM users WHERE id = ANY($1::bigint[])", [1, 2]):
                assert row["id"] in (1, 2)
        await refusal(c, "SF001", "DELETE FROM users WHERE id > $1", 0)

        # An approval left behind by a plain SET does not outlast asyncpg's own reset of a pooled connection.
        await c.execute(f"SET backstop.approval = '{APPROVAL}'")
        pid = await c.fetchval("SELECT pg_backend_pid()")
    async with pool.acquire() as c:
        assert await c.fetchval("SELECT pg_backend_pid()") == pid
        await refusal(c, "SF001", "DELETE FROM users WHERE id > $1", 0)

    async def work(n):
        async with pool.acquire() as c, c.transaction():
            assert await c.execute("UPDATE users SET plan = 'side by side' WHERE id = $1", n) == "UPDATE 1"

    await asyncio.gather(*(work(n) for n in range(10, 20)))
    destroyed += 10
    await pool.close()
    print(destroyed)


asyncio.run(main(*sys.argv[1:]))
