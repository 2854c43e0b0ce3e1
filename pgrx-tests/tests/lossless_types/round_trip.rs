//! Destroys the values of one type in every form a column can have them, restores them, and compares the stored bytes.

use pg_backstop_tests::postgres::{Client, SimpleQueryMessage};

/// In which forms a type's values are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Alone, in arrays, domains, composites and arrays of composites.
    Whole,
    /// Alone.
    Plain,
}

/// Runs the query; its first cell.
fn ask(client: &mut Client, sql: &str) -> Result<String, String> {
    match client.simple_query(sql) {
        Ok(messages) => Ok(messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
                _ => None,
            })
            .unwrap_or_default()),
        Err(error) => Err(error.as_db_error().map_or_else(
            || format!("{error:?}"),
            |db| {
                format!(
                    "{}: {} {}",
                    db.code().code(),
                    db.message(),
                    db.detail().unwrap_or_default()
                )
            },
        )),
    }
}

/// What went wrong with values of `kind` in a table `table`, in words.
pub fn round_trip(
    admin: &mut Client,
    app: &mut Client,
    table: &str,
    kind: &str,
    values: &[String],
    shape: Shape,
) -> Vec<String> {
    let began = std::time::Instant::now();
    let mut failures = Vec::new();
    if let Err(error) = make(admin, table, kind, shape) {
        return vec![format!("{kind}: could not make a table: {error}")];
    }
    let forbids_null = kind == "percent";
    for (n, value) in values.iter().enumerate() {
        // Sixteen megabytes once are enough, and neither the name of an overloaded function nor an XML declaration's
        // encoding gets through PostgreSQL's own text of an array.
        let alone =
            value.contains("repeat(") || value.contains("(SELECT") || value.contains("encoding=");
        let one = format!("({value})::{kind}");
        let wide = if shape == Shape::Plain || alone || !arrays(kind) {
            String::new()
        } else {
            let none = if forbids_null { &one } else { "NULL" };
            format!(
                r#", ARRAY[{one}, {none}, {one}], array_fill({one}, '{{2,1}}', '{{-1,3}}'), {one},
                   ROW({one}, ARRAY[{one}])::public.{table}_pair, ARRAY[ROW({one}, NULL)::public.{table}_pair, NULL]"#
            )
        };
        match ask(
            admin,
            &format!("INSERT INTO {table} SELECT {n}, {one} {wide}"),
        ) {
            Ok(_) => {}
            Err(error) if error.starts_with("0A000") && kind == "xml" => {
                println!("skipped: {kind}: {error}")
            }
            Err(error) => {
                failures.push(format!("{kind}: could not store {}: {error}", shown(value)))
            }
        }
    }
    let empty = if shape == Shape::Plain || !arrays(kind) || forbids_null {
        ""
    } else {
        ", '{}', NULL, NULL, NULL, '{}'"
    };
    let null = format!("INSERT INTO {table} SELECT 1000, NULL {empty}");
    if !forbids_null && let Err(error) = ask(admin, &null) {
        failures.push(format!("{kind}: could not store NULL: {error}"));
    }
    let twin =
        format!("CREATE TABLE {table}_twin AS TABLE {table}; SELECT backstop.protect('{table}')");
    if let Err(error) = ask(admin, &twin) {
        failures.push(format!("{kind}: {error}"));
        return failures;
    }
    let ids = match ask(
        admin,
        &format!("SELECT coalesce(array_agg(id), '{{}}') FROM public.{table}_twin"),
    ) {
        Ok(ids) => format!("'{ids}'"),
        Err(error) => return vec![format!("{kind}: {error}")],
    };
    let mut destroy = vec![format!("DELETE FROM public.{table} WHERE id = ANY ({ids})")];
    if !forbids_null {
        let all = "t = NULL, old = NULL, new = NULL, dom = NULL, \"row\" = NULL, \"Odd \"\"Name\"\". 🙂\" = NULL";
        let all = if wide(kind, shape) { all } else { "t = NULL" };
        destroy.push(format!(
            "UPDATE public.{table} SET {all} WHERE id = ANY ({ids})"
        ));
    }
    if values.len() > 1 {
        // Every row gets the next one's value.
        destroy.push(format!(
        "UPDATE public.{table} AS x SET t = o.t FROM public.{table}_twin AS o WHERE x.id = ANY ({ids}) AND o.id = CASE x.id WHEN 1000 THEN 0 ELSE x.id + 1 END"
    ));
    }
    for statement in destroy {
        let what = statement.split(' ').next().unwrap_or_default();
        let id = "SELECT max(statement_id) FROM backstop.statement";
        let before = ask(admin, id);
        if let Err(error) = ask(app, &statement) {
            failures.push(format!("{kind}: {what}: {error}"));
            continue;
        }
        if before == ask(admin, id) {
            failures.push(format!("{kind}: {what} was not recorded"));
        }
        let readable = format!(
            "SELECT count(old_row::text) FROM backstop.preimage WHERE statement_id = ({id})"
        );
        if let Err(error) = ask(admin, &readable) {
            failures.push(format!(
                "{kind}: {what}: the record cannot be read: {error}"
            ));
        }
        let restore = format!(
            "SET LOCAL array_nulls = off; SET LOCAL xmloption = document;
             SELECT sum(conflicts) FROM backstop.restore(({id}), dry_run => false)"
        );
        match ask(admin, &restore) {
            Ok(conflicts) if conflicts == "0" => {}
            Ok(conflicts) => failures.push(format!("{kind}: {what}: {conflicts} conflicts")),
            Err(error) => failures.push(format!("{kind}: {what}: restore: {error}")),
        }
        let differ = format!(
            "SELECT string_agg(id::text, ' ' ORDER BY id) FROM public.{table}_twin AS w FULL JOIN public.{table} AS z USING (id)
             WHERE NOT coalesce((z.*) *= (w.*), false)"
        );
        match ask(admin, &differ) {
            Ok(none) if none == "null" => {}
            Ok(ids) => failures.extend(ids.split(' ').map(|id| {
                let value = id.parse().ok().and_then(|n: usize| values.get(n));
                format!(
                    "{kind}: {what}: {} is not what it was",
                    value.map_or("NULL".into(), |value| shown(value))
                )
            })),
            Err(error) => failures.push(format!("{kind}: {error}")),
        }
    }
    if began.elapsed().as_secs() > 1 {
        println!("{kind}: {:?}", began.elapsed());
    }
    failures
}

fn wide(kind: &str, shape: Shape) -> bool {
    shape == Shape::Whole && arrays(kind)
}

/// Whether there are arrays of the type (and not of what it is a domain over).
fn arrays(kind: &str) -> bool {
    !matches!(
        kind,
        "deep"
            | "pg_node_tree"
            | "pg_ndistinct"
            | "pg_dependencies"
            | "pg_mcv_list"
            | "pg_brin_bloom_summary"
            | "pg_brin_minmax_multi_summary"
    )
}

fn make(admin: &mut Client, table: &str, kind: &str, shape: Shape) -> Result<(), String> {
    let wide = if wide(kind, shape) {
        format!(
            r#", old {kind}[], new {kind}[], dom {table}_domain, "row" {table}_pair, "Odd ""Name"". 🙂" {table}_pair[]"#
        )
    } else {
        String::new()
    };
    if !wide.is_empty() {
        ask(
            admin,
            &format!(
                "CREATE DOMAIN {table}_domain AS {kind}; CREATE TYPE {table}_pair AS (a {kind}, b {kind}[])"
            ),
        )?;
    }
    ask(
        admin,
        &format!("CREATE TABLE {table} (id int PRIMARY KEY, t {kind} {wide})"),
    )
    .map(drop)
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}
