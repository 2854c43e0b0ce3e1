//! Writes what a preview saw as a request for the reviewer.

use super::lines::Line;
use super::run::Previewed;
use super::store;
use crate::judge::approval::Kind;
use crate::pg::encoding;
use crate::pg::raw;
use crate::record::{datum, tables, who};
use crate::{gucs, registry};
use pgrx::pg_sys::{self, Datum};
use std::collections::HashMap;
use std::ffi::CString;

/// The weakest kind of approval that everything the statement destroys accepts.
fn kind(previewed: &Previewed) -> Kind {
    let steps = previewed.seen.steps.iter().map(|step| step.kind);
    let mut kind = steps.max().unwrap_or(Kind::Session);
    if let Some(registry) = registry::current() {
        for table in registry.tables() {
            let named = previewed.violations.iter().any(|violation| {
                violation.schema.as_ref() == Some(&table.schema)
                    && violation.table.as_ref() == Some(&table.table)
            });
            if named {
                kind = kind.max(table.kind());
            }
        }
    }
    kind
}

/// Writes the request and tells whoever listens. Returns its id.
pub fn write(
    previewed: &Previewed,
    lines: &[Line],
    numbers: &[i32],
    reason: Option<&str>,
    parameters: Option<Datum>,
) -> i64 {
    let id = tables::draw(c"request_id_seq");
    let expendable: i64 = lines.iter().map(|line| line.expendable_rows).sum();
    let rows: i64 = lines.iter().map(|line| line.rows).sum::<i64>() - expendable;
    let session = who::session();
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    tables::insert(
        c"request_log",
        &mut [
            Some(Datum::from(id)),
            Some(Datum::from(now)),
            Some(session.session_role),
            Some(session.role),
            Some(session.application_name),
            session.client_addr,
            Some(session.pid),
            reason.map(datum::string),
            Some(datum::text(previewed.statement.to_bytes())),
            parameters,
            Some(datum::string(kind(previewed).name())),
            Some(Datum::from(rows)),
            Some(Datum::from(expendable)),
            Some(Datum::from(now + gucs::request_ttl_us())),
            Some(datum::text(&previewed.key.0)),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
        ],
    );
    for (n, line) in lines.iter().enumerate() {
        write_line(id, (n + 1) as i32, line);
    }
    write_chunks(id, previewed, numbers);
    let payload = CString::new(id.to_string()).unwrap_or_default();
    // SAFETY: both are C strings; queued until the transaction commits.
    unsafe {
        let payload = payload.as_ptr();
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::Async_Notify(c"backstop_request".as_ptr(), payload)
        });
    }
    id
}

fn write_line(id: i64, step: i32, line: &Line) {
    let columns = datum::text_array(&line.columns);
    let cleared = datum::text_array(&line.cleared_columns);
    let rules = datum::text_array(&line.rules);
    tables::insert(
        c"request_step",
        &mut [
            Some(Datum::from(id)),
            Some(Datum::from(step)),
            Some(datum::string(&line.relation)),
            Some(Datum::from(line.relid)),
            Some(datum::string(&line.operation)),
            line.cause.as_ref().map(|cause| datum::string(cause)),
            Some(Datum::from(line.rows)),
            Some(Datum::from(line.expendable_rows)),
            Some(Datum::from(columns.as_ptr())),
            Some(Datum::from(cleared.as_ptr())),
            Some(Datum::from(rules.as_ptr())),
            line.sample
                .as_ref()
                .map(|json| datum::jsonb(&encoding::encode(json))),
        ],
    );
}

/// The stored chunks of what was not rolled back inside the statement.
fn write_chunks(id: i64, previewed: &Previewed, numbers: &[i32]) {
    let steps: HashMap<i64, i32> = previewed
        .seen
        .chunks
        .iter()
        .filter_map(|chunk| {
            let step =
                previewed.seen.steps.iter().position(|step| {
                    step.is(&chunk.format, chunk.operation, chunk.cause.as_ref())
                })?;
            Some((chunk.number, numbers[step]))
        })
        .collect();
    store::drain(|number, values| {
        if let Some(step) = steps.get(&number) {
            tables::insert(
                c"request_chunk",
                &mut [
                    Some(Datum::from(id)),
                    Some(Datum::from(number)),
                    Some(Datum::from(*step)),
                    Some(values[1]),
                    Some(values[2]),
                    Some(values[3]),
                    Some(values[4]),
                    Some(values[5]),
                ],
            );
        }
    });
    if !previewed.marks.is_empty() {
        write_marks(id, previewed);
    }
}

/// What the statement changes besides rows, for the token: a chunk without rows.
fn write_marks(id: i64, previewed: &Previewed) {
    let bytes: Vec<u8> = previewed
        .marks
        .iter()
        .flat_map(|mark| mark.to_le_bytes())
        .collect();
    let none = datum::text_array(&[""; 0]);
    tables::insert(
        c"request_chunk",
        &mut [
            Some(Datum::from(id)),
            Some(Datum::from(0i64)),
            Some(Datum::from(0i32)),
            Some(Datum::from(0i32)),
            Some(Datum::from(0i16)),
            Some(Datum::from(none.as_ptr())),
            Some(datum::text(b"[]")),
            Some(datum::text(&bytes)),
        ],
    );
}
