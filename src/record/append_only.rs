//! Which tables are the record or the registry, and that their rows stay as they were written: for everyone, whatever is
//! protected, in every mode. Of the record, only `prune` removes rows, and it does so in the heap, where no statement gets;
//! the registry is changed by the policy functions alone.

use crate::judge::ddl;
use crate::model::Violation;
use crate::pg::function::Call;
use crate::registry;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::Cell;
use std::ffi::CStr;

/// The tables whose rows nobody changes, and the views of them that PostgreSQL would not change by itself. INSERT passes: a dump
/// that is restored brings its rows that way.
const TABLES: [&CStr; 13] = [
    c"statement_log",
    c"image_chunk",
    c"definition",
    c"sequence_change",
    c"column_change",
    c"committed",
    c"pruned",
    c"rejection",
    c"chunk",
    c"preimage",
    c"registered_table",
    c"registered_column",
    c"registered_sequence",
];

thread_local! {
    /// Their OIDs, for one generation of the registry.
    static KNOWN: Cell<(usize, [Oid; TABLES.len()])> =
        const { Cell::new((0, [pg_sys::InvalidOid; TABLES.len()])) };
}

/// What the statement that runs breaks when it changes or removes rows of the table.
pub fn violation(relid: Oid) -> Option<Violation> {
    let table = table(relid)?.to_string_lossy();
    if crate::hooks::access::upgrading() {
        return None;
    }
    match is_registry(&table) {
        true if registry::is_writing() => None,
        true => Some(ddl::by_functions_only(&table)),
        false => Some(ddl::append_only(&table)),
    }
}

fn is_registry(table: &str) -> bool {
    table.starts_with("registered_")
}

/// The table of this OID.
fn table(relid: Oid) -> Option<&'static CStr> {
    // Reads the registry anew where the extension has come or gone.
    let _ = registry::current_even_if_off();
    let generation = registry::generation();
    let (of, mut known) = KNOWN.get();
    if of != generation {
        known = look_up();
        KNOWN.set((generation, known));
    }
    let place = known.iter().position(|known| *known == relid)?;
    (relid != pg_sys::InvalidOid).then_some(TABLES[place])
}

fn look_up() -> [Oid; TABLES.len()] {
    // SAFETY: catalog look-ups with static names; missing objects give InvalidOid.
    unsafe {
        if pg_sys::get_extension_oid(c"pg_backstop".as_ptr(), true) == pg_sys::InvalidOid {
            return [pg_sys::InvalidOid; TABLES.len()];
        }
        let schema = pg_sys::get_namespace_oid(c"backstop".as_ptr(), true);
        TABLES.map(|name| pg_sys::get_relname_relid(name.as_ptr(), schema))
    }
}

crate::sql_function!(
    pg_finfo_backstop_guard_record,
    backstop_guard_record,
    guard_record
);

/// `backstop.guard_record()`, the trigger of the record's tables: the hooks refuse before any trigger runs, so it fires
/// where the library was not loaded when the statement began. Of a view, it makes the statement one that gets so far.
unsafe fn guard_record(call: Call) -> Outcome<Datum> {
    // SAFETY: a trigger's call has its data in the context.
    let relid = unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        let is_trigger = !data.is_null() && (*data).type_ == pg_sys::NodeTag::T_TriggerData;
        is_trigger.then(|| (*(*data).tg_relation).rd_id)
    };
    match relid.and_then(violation) {
        Some(violation) => Err(violation.into()),
        None => Ok(call.null()),
    }
}
