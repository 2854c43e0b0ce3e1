//! What becomes of the columns of recorded tables: images have the names that columns had when they were taken, so a
//! restore must know what they are called now, and whether a column of that name is still the one.

use super::{datum, tables, write};
use crate::ledger;
use crate::pg::{catalog, objects};
use crate::registry;
use pgrx::pg_sys::{Datum, Oid};

/// A column of `relid` got another name, or is about to be dropped, in whatever mode. Its table is locked.
pub fn note(relid: Oid, attnum: i16, dropped: bool) {
    let recorded =
        registry::current_even_if_off().is_some_and(|registry| registry.table(relid).is_some());
    let Some(before) = objects::column_before(relid, attnum).filter(|_| recorded) else {
        return;
    };
    let after = (!dropped)
        .then(|| objects::column_after(relid, attnum))
        .flatten();
    if !dropped && after.as_ref().is_none_or(|after| *after == before) {
        return;
    }
    // Images that wait in a buffer would get an id behind this one.
    ledger::with(|ledger| ledger.roots().iter_mut().for_each(write::settle));
    tables::in_scratch(|| {
        tables::insert(
            c"column_change",
            &mut [
                Some(Datum::from(tables::change_id())),
                Some(datum::string(&catalog::display_name(relid))),
                Some(Datum::from(relid)),
                Some(datum::string(&before)),
                after.as_ref().map(|after| datum::string(after)),
            ],
        );
    });
}
