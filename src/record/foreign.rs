//! Rows of the record that come from another database, by a dump or a publication.

use crate::pg::function::Call;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(
    pg_finfo_backstop_forget_oid,
    backstop_forget_oid,
    forget_oid
);

/// `backstop.forget_oid()`, a BEFORE INSERT trigger: the column it is told keeps no OID.
unsafe fn forget_oid(call: Call) -> Outcome<Datum> {
    // SAFETY: a trigger's call has its data in the context; a row trigger has the new row and, as it was made, the name
    // of one of its columns.
    unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        if data.is_null() || (*data).type_ != pg_sys::NodeTag::T_TriggerData {
            return Ok(call.null());
        }
        let (trigger, desc) = ((*data).tg_trigger, (*(*data).tg_relation).rd_att);
        if (*trigger).tgnargs != 1 {
            return Ok(Datum::from((*data).tg_trigtuple));
        }
        let mut column = pg_sys::SPI_fnumber(desc, *(*trigger).tgargs);
        if column <= 0 {
            return Ok(Datum::from((*data).tg_trigtuple));
        }
        let (mut value, mut null) = (Datum::from(pg_sys::InvalidOid), false);
        let row = pg_sys::heap_modify_tuple_by_cols(
            (*data).tg_trigtuple,
            desc,
            1,
            &mut column,
            &mut value,
            &mut null,
        );
        Ok(Datum::from(row))
    }
}
