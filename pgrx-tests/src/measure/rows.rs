//! The table everything is measured on.

use anyhow::Result;
use pg_backstop_tests::postgres::Client;

use crate::server::execute;

pub const DESCRIPTION: &str = "ten columns, about 400 bytes: bigint key, two ints, numeric, boolean, e-mail address, \
     street, a note made of one of six sentences with names and numbers in it, timestamptz, random uuid";

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

/// What an application writes about an order: sentences of its own with names and numbers in them.
const NOTES: [&str; 6] = [
    "Order %s (%s items) left the %s warehouse; invoice INV-2026-%s went to the billing address, payment is due within \
     thirty days. The customer was told by e-mail and can follow the parcel until the carrier confirms its delivery.",
    "Refund of order %s requested, %s items damaged on arrival, reason given: %s. Case %s was opened and assigned to the \
     billing team; the customer has sent photographs, and a replacement is reserved until the return has been received.",
    "Payment for order %s failed %s times: the %s card was declined by the bank (reference %s). A reminder was sent with a \
     link to change the means of payment; the order is kept for fourteen days and then cancelled without further notice.",
    "Delivery address of order %s changed by support (%s earlier changes) after a call about the %s depot, ticket %s. The \
     carrier was informed, the label printed anew, and the customer received a confirmation with the new delivery date.",
    "Contract %s renewed for %s months at the rate agreed with the %s office, signed copy stored under number %s. The next \
     invoice follows at the beginning of the quarter; a cancellation is possible with three months' notice in writing.",
    "Subscription %s paused for %s weeks by its owner, reason chosen from the list: %s, reference %s. Access to the archive \
     remains until the end of the paid period, after which the account is kept for a year and can be opened again.",
];

/// Makes `source`, which every measured table is filled from.
///
/// # Errors
/// When the server refuses.
pub fn make_source(client: &mut Client, rows: i64) -> Result<()> {
    let notes = NOTES
        .map(|note| format!("'{}'", note.replace('\'', "''")))
        .join(",");
    let word = "word[1 + (random() * 143)::int]";
    execute(
        client,
        &format!(
            "CREATE TABLE source ({COLUMNS});
             SELECT setseed(0.42);
             INSERT INTO source
             SELECT id, (random() * 50000)::int, (random() * 100)::int, (random() * 100000)::numeric(12,2),
                    random() < 0.9,
                    {word} || '.' || {word} || (random() * 999)::int || '@example.com',
                    (random() * 200)::int || ' ' || initcap({word}) || ' street',
                    format(note[1 + (random() * 5)::int], (random() * 1000000)::int, (random() * 20)::int, {word},
                        (random() * 1000000)::int),
                    '2025-01-01 00:00+00'::timestamptz + random() * interval '600 days',
                    md5(random()::text)::uuid
             FROM generate_series(1::bigint, {rows}) AS id,
                  (SELECT {words} AS word, ARRAY[{notes}] AS note) AS texts;
             ANALYZE source",
            words = words(),
        ),
    )
}

/// Replaces the notes of `source` by words drawn at random, which compress far worse than what people or programs write.
///
/// # Errors
/// When the server refuses.
pub fn scramble(client: &mut Client) -> Result<()> {
    execute(
        client,
        &format!(
            "UPDATE source SET note = (SELECT string_agg(one, ' ') FROM
                 (SELECT word[1 + (random() * 143)::int] AS one FROM generate_series(1, 35 + (id * 0)::int)) AS note)
             FROM (SELECT {} AS word) AS words",
            words()
        ),
    )?;
    execute(client, "VACUUM (FULL, ANALYZE) source")
}

/// Gives every row of `source` a uuid that counts, as many applications' keys do.
///
/// # Errors
/// When the server refuses.
pub fn count_uuids(client: &mut Client) -> Result<()> {
    execute(
        client,
        "UPDATE source SET token = ('00000000-0000-4000-8000-' || lpad(to_hex(id), 12, '0'))::uuid",
    )?;
    execute(client, "VACUUM (FULL, ANALYZE) source")
}

fn words() -> String {
    format!("regexp_split_to_array('{WORDS}', '\\s+')")
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
