//! Which tables are the record, and that their rows stay as they were written: for everyone, whatever is protected, in every
//! mode. Only `prune` removes rows, and it does so in the heap, where no statement gets.

use crate::judge::ddl;
use crate::model::Violation;
use crate::pg::function::Call;
use crate::registry;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::Cell;
use std::ffi::CStr;

/// The tables whose rows nobody changes. INSERT passes: a dump that is restored brings its rows that way.
pub const TABLES: [&CStr; 8] = [
    c"statement_log",
    c"image_chunk",
    c"definition",
    c"sequence_change",
    c"column_change",
    c"committed",
    c"pruned",
    c"rejection",
];

thread_local! {
    /// Their OIDs, for one generation of the registry.
    static KNOWN: Cell<(usize, [Oid; TABLES.len()])> =
        const { Cell::new((0, [pg_sys::InvalidOid; TABLES.len()])) };
}

/// The record's table of this OID.
pub fn table(relid: Oid) -> Option<&'static CStr> {
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

/// What changing rows of the table breaks.
pub fn violation(table: &CStr) -> Violation {
    ddl::append_only(&table.to_string_lossy())
}

crate::sql_function!(
    pg_finfo_backstop_guard_record,
    backstop_guard_record,
    guard_record
);

/// `backstop.guard_record()`, the trigger of the record's tables: the hooks refuse before any trigger runs, so it fires
/// where the library was not loaded when the statement began.
unsafe fn guard_record(call: Call) -> Outcome<Datum> {
    if crate::hooks::access::upgrading() {
        return Ok(call.null());
    }
    // SAFETY: a trigger's call has its data in the context.
    let relid = unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        let is_trigger = !data.is_null() && (*data).type_ == pg_sys::NodeTag::T_TriggerData;
        is_trigger.then(|| (*(*data).tg_relation).rd_id)
    };
    let table = relid.and_then(table).unwrap_or(c"statement_log");
    Err(violation(table).into())
}
