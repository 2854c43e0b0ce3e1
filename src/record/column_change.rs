//! What becomes of the columns of recorded tables: images have the names that columns had when they were taken, so a
//! restore must know what they are called now, and whether a column of that name is still the one. Of the tables:
//! `table_change`.

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
    let statement_id = settled();
    insert(
        (relid, &catalog::display_name(relid)),
        Some(&before),
        after.as_deref(),
        statement_id.filter(|_| dropped),
    );
}

/// Images that wait in a buffer would get an id behind the change that is noted next. Returns the running statement's.
pub(super) fn settled() -> Option<i64> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let roots = ledger.roots().iter_mut();
        roots.for_each(|root| write::settle_in(root, nest));
        let key = running::root_key().unwrap_or(usize::MAX);
        let mut roots = ledger.roots().iter();
        roots.find(|root| root.key == key)?.statement_id
    })
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
        let table = catalog::display_name(member);
        insert(
            (member, &table),
            Some(column),
            Some(column),
            Some(statement_id),
        );
    }
}

/// The type of a column is changed: by the statement that runs, whose rows are captured, or by the restore whose statement is
/// `by`, which undoes what `undone` had made of it. `as_written`: its values read from images of before are those that it leaves.
pub fn converted((relid, attnum): (Oid, i16), by: Option<(i64, i64)>, as_written: bool) {
    let Some(column) = objects::column_before(relid, attnum).filter(|_| is_recorded(relid)) else {
        return;
    };
    let settled = settled();
    put(
        (relid, &catalog::display_name(relid)),
        Some(&column),
        Some(&column),
        by.map(|(_, undone)| undone),
        Some((by.map(|(by, _)| by).or(settled).unwrap_or(0), as_written)),
    );
}

/// Whether images may speak of the table. Those of a partition's rows have the names of its root: what becomes of that counts,
/// whichever of its partitions are guarded.
pub(super) fn is_recorded(relid: Oid) -> bool {
    registry::current_even_if_off().is_some_and(|registry| registry.records(relid))
}

/// A row of the record's. Without a column, it is about the table.
pub(super) fn insert(
    (relid, relation): (Oid, &str),
    column: Option<&str>,
    new: Option<&str>,
    statement_id: Option<i64>,
) {
    put((relid, relation), column, new, statement_id, None);
}

fn put(
    (relid, relation): (Oid, &str),
    column: Option<&str>,
    new: Option<&str>,
    statement_id: Option<i64>,
    converted: Option<(i64, bool)>,
) {
    tables::in_scratch(|| {
        tables::insert(
            c"column_change",
            &mut [
                Some(Datum::from(tables::change_id())),
                Some(datum::string(relation)),
                Some(Datum::from(relid)),
                column.map(datum::string),
                new.map(datum::string),
                statement_id.map(Datum::from),
                converted.map(|(by, _)| Datum::from(by)),
                converted.map(|(_, as_written)| Datum::from(as_written)),
            ],
        );
    });
}
