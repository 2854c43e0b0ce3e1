//! What becomes of the columns of recorded tables: images have the names that columns had when they were taken, so a
//! restore must know what they are called now, and whether a column of that name is still the one.

use super::{datum, tables, write};
use crate::ledger;
use crate::pg::{catalog, objects, raw};
use crate::registry;
use crate::running;
use pgrx::pg_sys::{self, Datum, Oid};

/// A column of `relid` got another name, or is about to be dropped, in whatever mode. Its table is locked.
pub fn note(relid: Oid, attnum: i16, dropped: bool) {
    let Some(before) = objects::column_before(relid, attnum).filter(|_| is_recorded(relid)) else {
        return;
    };
    let after = (!dropped)
        .then(|| objects::column_after(relid, attnum))
        .flatten();
    if !dropped && after.as_ref().is_none_or(|after| *after == before) {
        return;
    }
    // Images that wait in a buffer would get an id behind this one.
    let statement_id = ledger::with(|ledger| {
        ledger.roots().iter_mut().for_each(write::settle);
        let key = running::root_key().unwrap_or(usize::MAX);
        let mut roots = ledger.roots().iter();
        roots.find(|root| root.key == key)?.statement_id
    });
    insert(
        relid,
        &before,
        after.as_deref(),
        statement_id.filter(|_| dropped),
    );
}

/// A restore has brought back a column that `statement_id` had dropped, in the table and in those that inherit it.
pub fn note_return(relid: Oid, column: &str, statement_id: i64) {
    // SAFETY: the table was altered, with all of them, by this transaction; an OID list.
    let members = unsafe {
        let members = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::find_all_inheritors(relid, pg_sys::NoLock as i32, std::ptr::null_mut())
        });
        catalog::oid_list(members)
    };
    for member in members.into_iter().filter(|member| is_recorded(*member)) {
        insert(member, column, Some(column), Some(statement_id));
    }
}

fn is_recorded(relid: Oid) -> bool {
    registry::current_even_if_off().is_some_and(|registry| registry.table(relid).is_some())
}

fn insert(relid: Oid, column: &str, new: Option<&str>, statement_id: Option<i64>) {
    tables::in_scratch(|| {
        tables::insert(
            c"column_change",
            &mut [
                Some(Datum::from(tables::change_id())),
                Some(datum::string(&catalog::display_name(relid))),
                Some(Datum::from(relid)),
                Some(datum::string(column)),
                new.map(datum::string),
                statement_id.map(Datum::from),
            ],
        );
    });
}
