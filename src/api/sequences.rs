//! protect_sequence and unprotect_sequence.

use super::arguments;
use super::policy::{execute, typed};
use crate::ddl::{everyone, names};
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::function::Call;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};

crate::sql_function!(
    pg_finfo_backstop_protect_sequence,
    backstop_protect_sequence,
    protect_sequence
);
crate::sql_function!(
    pg_finfo_backstop_unprotect_sequence,
    backstop_unprotect_sequence,
    unprotect_sequence
);

unsafe fn protect_sequence(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let (relid, max_step, min_value, max_value, allow_backward) = unsafe {
        (
            arguments::required::<Oid>(call, 0, "sequence")?,
            arguments::required::<i64>(call, 1, "max_step")?,
            call.arg::<i64>(2),
            call.arg::<i64>(3),
            arguments::required::<bool>(call, 4, "allow_backward")?,
        )
    };
    let Some(relation) = OpenRelation::open(relid, pg_sys::AccessShareLock) else {
        return Err(Report::new(
            sqlstate::UNDEFINED_TABLE,
            format!("relation with OID {} does not exist", relid.to_u32()),
        ));
    };
    let name = catalog::relation_name(relid)
        .map(|(_, name)| name)
        .unwrap_or_default();
    if relation.kind() != 'S' {
        return Err(Report::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a sequence"),
        ));
    }
    if relation.persistence() == 't' {
        return Err(Report::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("cannot protect sequence \"{name}\""),
        )
        .detail("It is temporary."));
    }
    if names::is_own(relid) {
        return Err(Report::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("cannot protect sequence \"{name}\""),
        )
        .detail(format!("\"{name}\" is a sequence of pg_backstop itself.")));
    }
    if max_step < 0 {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            format!("argument \"max_step\" must not be negative: {max_step}"),
        ));
    }
    if let (Some(min), Some(max)) = (min_value, max_value)
        && min > max
    {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            format!(
                "argument \"min_value\" ({min}) must not be greater than \"max_value\" ({max})"
            ),
        ));
    }
    everyone::require()?;
    execute(
        "INSERT INTO backstop.registered_sequence (sequence, max_step, min_value, max_value, allow_backward) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (sequence) DO UPDATE SET max_step = excluded.max_step, \
         min_value = excluded.min_value, max_value = excluded.max_value, allow_backward = excluded.allow_backward",
        &[
            typed(relid, pg_sys::REGCLASSOID),
            typed(max_step, pg_sys::INT8OID),
            typed(min_value, pg_sys::INT8OID),
            typed(max_value, pg_sys::INT8OID),
            typed(allow_backward, pg_sys::BOOLOID),
        ],
    );
    Ok(call.null())
}

unsafe fn unprotect_sequence(call: Call) -> Outcome<Datum> {
    // SAFETY: the type of the SQL declaration.
    let relid = unsafe { arguments::required::<Oid>(call, 0, "sequence")? };
    let removed = execute(
        "DELETE FROM backstop.registered_sequence WHERE sequence = $1 RETURNING 1",
        &[typed(relid, pg_sys::REGCLASSOID)],
    );
    if removed == 0 {
        let name = catalog::display_name(relid);
        return Err(Report::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("sequence \"{name}\" is not protected"),
        )
        .hint("backstop.protected_sequence lists what is."));
    }
    Ok(call.null())
}
