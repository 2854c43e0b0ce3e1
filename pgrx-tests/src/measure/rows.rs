//! The table everything is measured on.

use anyhow::Result;
use pg_backstop_tests::postgres::Client;

use crate::server::execute;

pub const DESCRIPTION: &str = "ten columns, about 400 bytes: bigint key, two ints, numeric, boolean, e-mail address, \
     street, a note of 35 words drawn from 144, timestamptz, random uuid";

const COLUMNS: &str = "
    id bigint PRIMARY KEY,
    account_id int NOT NULL,
    quantity int NOT NULL,
    amount numeric(12,2) NOT NULL,
    active boolean NOT NULL,
    email text NOT NULL,
    street text NOT NULL,
    note text,
    updated_at timestamptz NOT NULL,
    token uuid NOT NULL";

const WORDS: &str = "the customer asked for a refund because order arrived late and damaged after delivery address was \
    changed in account settings by support agent on behalf of owner please check invoice number before sending second \
    reminder payment failed twice card expired bank transfer received manual review pending contract renewed until end \
    next year discount applied per agreement with sales region north south east west office shipping paused warehouse \
    stock low backorder expected within two weeks call again tomorrow morning left voicemail no answer escalated to \
    manager billing team closed ticket reopened duplicate merged into parent case waiting legal approval signed copy \
    uploaded verified identity documents missing request new login reset password locked security question answered \
    wrong email bounced updated preferences newsletter unsubscribed language german french english currency euro \
    converted rate daily report exported monthly summary attached see comment above internal note only do not share";

/// Makes `source`, which every measured table is filled from.
///
/// # Errors
/// When the server refuses.
pub fn make_source(client: &mut Client, rows: i64) -> Result<()> {
    execute(
        client,
        &format!(
            "CREATE TABLE source ({COLUMNS});
             SELECT setseed(0.42);
             INSERT INTO source
             SELECT id, (random() * 50000)::int, (random() * 100)::int, (random() * 100000)::numeric(12,2),
                    random() < 0.9,
                    word[1 + (random() * 143)::int] || '.' || word[1 + (random() * 143)::int] || (random() * 999)::int
                        || '@example.com',
                    (random() * 200)::int || ' ' || initcap(word[1 + (random() * 143)::int]) || ' street',
                    (SELECT string_agg(one, ' ') FROM
                        (SELECT word[1 + (random() * 143)::int] AS one FROM generate_series(1, 35 + (id * 0)::int)) AS note),
                    '2025-01-01 00:00+00'::timestamptz + random() * interval '600 days',
                    md5(random()::text)::uuid
             FROM generate_series(1::bigint, {rows}) AS id,
                  (SELECT regexp_split_to_array('{WORDS}', '\\s+') AS word) AS words;
             ANALYZE source"
        ),
    )
}

/// Makes an empty table of the same shape.
///
/// # Errors
/// When the server refuses.
pub fn make(client: &mut Client, table: &str) -> Result<()> {
    execute(client, &format!("CREATE TABLE {table} ({COLUMNS})"))
}

/// Fills a table anew, as a vacuumed table that nobody has changed since.
///
/// # Errors
/// When the server refuses.
pub fn fill(client: &mut Client, table: &str) -> Result<()> {
    execute(
        client,
        &format!("TRUNCATE {table}; INSERT INTO {table} SELECT * FROM source ORDER BY id"),
    )?;
    execute(client, &format!("VACUUM (ANALYZE) {table}"))
}
