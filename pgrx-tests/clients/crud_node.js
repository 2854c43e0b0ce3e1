// Ordinary work on protected tables through node-postgres.
//
// Usage: node crud_node.js HOST PORT DATABASE, with pg in NODE_PATH. Prints the number of rows it destroyed; any
// complaint ends it with an error.

const assert = require("node:assert/strict");
const { Pool } = require("pg");

const APPROVAL = '{"reason": "OPS-142", "max_rows": 20}';

async function refusal(client, code, statement, parameters) {
  await assert.rejects(client.query(statement, parameters), (error) => {
    assert.equal(error.code, code, error.message);
    assert.equal(error.schema, "public");
    assert.equal(error.table, "users");
    assert.ok(error.detail && error.hint, error.message);
    if (code === "SF001") assert.equal(error.column, "id");
    return true;
  });
}

async function main(host, port, database) {
  let destroyed = 0;
  const pool = new Pool({ host, port: Number(port), database, user: "app", max: 3 });
  const client = await pool.connect();
  const made = await client.query("INSERT INTO users (email) VALUES ($1) RETURNING id", ["n1"]);
  const one = made.rows[0].id;
  for (let n = 0; n < 8; n++) {
    // A name makes it a prepared statement.
    const done = await client.query({ name: "plan", text: "UPDATE users SET plan = $1 WHERE id = $2", values: [`p${n}`, one] });
    assert.equal(done.rowCount, 1);
    destroyed += 1;
  }
  const upsert = await client.query(
    "INSERT INTO users (email, plan) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET plan = excluded.plan RETURNING id",
    ["n1", "upserted"],
  );
  assert.equal(upsert.rows[0].id, one);
  destroyed += 1;
  assert.equal((await client.query("DELETE FROM users WHERE id = ANY($1)", [[4, 5]])).rowCount, 2);
  destroyed += 2 + 2; // and their orders
  const both = await client.query("UPDATE users SET plan = 'a' WHERE id = 6; UPDATE users SET plan = 'b' WHERE id = 7");
  assert.deepEqual(both.map((result) => result.rowCount), [1, 1]);
  destroyed += 2;

  await refusal(client, "SF001", "DELETE FROM users WHERE id > $1", [0]);
  await refusal(client, "SF005", "UPDATE users SET plan = $1 WHERE plan = $2", ["x", "free"]);
  await refusal(client, "SF002", "DELETE FROM users");
  await client.query("BEGIN");
  await client.query("SELECT set_config('backstop.approval', $1, true)", [APPROVAL]);
  assert.equal((await client.query("UPDATE users SET plan = 'x' WHERE id BETWEEN $1 AND $2", [20, 34])).rowCount, 15);
  await client.query("COMMIT");
  destroyed += 15;
  await refusal(client, "SF001", "DELETE FROM users WHERE id > $1", [0]);
  client.release();

  const side = [];
  for (let n = 10; n < 20; n++) side.push(pool.query("UPDATE users SET plan = 'side by side' WHERE id = $1", [n]));
  for (const result of await Promise.all(side)) assert.equal(result.rowCount, 1);
  destroyed += 10;
  await pool.end();
  console.log(destroyed);
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
