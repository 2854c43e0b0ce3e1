//! nextval, currval and lastval within a preview.

use super::{ISSUED, LAST, gone, may_use, note, registered, unregistered};
use crate::judge::sequence::Position;
use crate::pg::function::Call;
use crate::pg::raw;
use crate::preview;
use crate::report::{Outcome, Report};
use crate::sequence::guard::may_execute;
use crate::sequence::rewrite::{CURRVAL, LASTVAL, NEXTVAL};
use crate::sequence::state;
use pgrx::pg_sys::{self, Datum, Oid};

crate::sql_function!(
    pg_finfo_backstop_preview_nextval,
    backstop_preview_nextval,
    preview_nextval
);
crate::sql_function!(
    pg_finfo_backstop_preview_currval,
    backstop_preview_currval,
    preview_currval
);
crate::sql_function!(
    pg_finfo_backstop_preview_lastval,
    backstop_preview_lastval,
    preview_lastval
);
crate::sql_function!(
    pg_finfo_backstop_preview_identity,
    backstop_preview_identity,
    preview_identity
);

/// STRICT, `(regclass)`.
unsafe fn preview_nextval(call: Call) -> Outcome<Datum> {
    // SAFETY: the type of the SQL declaration.
    let sequence = unsafe { call.arg::<Oid>(0).unwrap_or(pg_sys::InvalidOid) };
    may_execute(NEXTVAL, "nextval")?;
    nextval(sequence, true)
}

/// STRICT, `(internal)`: only the rewriter makes calls of it, with a sequence's OID.
unsafe fn preview_identity(call: Call) -> Outcome<Datum> {
    // SAFETY: the rewriter's constant.
    let sequence = unsafe { call.arg::<Oid>(0).unwrap_or(pg_sys::InvalidOid) };
    nextval(sequence, false)
}

fn nextval(sequence: Oid, check_privileges: bool) -> Outcome<Datum> {
    let really = || {
        // SAFETY: nextval itself: checks that it is a sequence and, if asked to, the user's privileges.
        let value = unsafe {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::nextval_internal(sequence, check_privileges)
            })
        };
        Datum::from(value)
    };
    if !preview::active() {
        return Ok(really());
    }
    let Some(policy) = registered(sequence) else {
        LAST.set(None);
        return Ok(unregistered(sequence, really));
    };
    let privileges = if check_privileges {
        pg_sys::ACL_USAGE | pg_sys::ACL_UPDATE
    } else {
        0
    };
    may_use(sequence, &policy, privileges, Some(c"nextval()"))?;
    let range = state::range(sequence).ok_or_else(|| gone(sequence))?;
    let old = state::position(sequence);
    let Some(value) = old.following(range) else {
        let (end, bound) = if range.increment < 0 {
            ("minimum", range.min)
        } else {
            ("maximum", range.max)
        };
        return Err(Report::new(
            "2200H",
            format!(
                "nextval: reached {end} value of sequence \"{}\" ({bound})",
                policy.sequence
            ),
        ));
    };
    ISSUED.with_borrow_mut(|issued| issued.insert(sequence, value));
    LAST.set(Some(sequence));
    let new = Position {
        value,
        is_called: true,
    };
    note(sequence, true, old, new);
    Ok(Datum::from(value))
}

/// STRICT, `(regclass)`.
unsafe fn preview_currval(call: Call) -> Outcome<Datum> {
    // SAFETY: the type of the SQL declaration.
    let sequence = unsafe { call.arg::<Oid>(0).unwrap_or(pg_sys::InvalidOid) };
    may_execute(CURRVAL, "currval")?;
    if let Some(value) = issued(sequence)? {
        return Ok(Datum::from(value));
    }
    // SAFETY: PostgreSQL's own currval.
    let value = unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::currval_oid, &[Some(Datum::from(sequence))])
    };
    Ok(value.unwrap_or(Datum::null()))
}

unsafe fn preview_lastval(_call: Call) -> Outcome<Datum> {
    may_execute(LASTVAL, "lastval")?;
    if let Some(sequence) = LAST.get()
        && let Some(value) = issued(sequence)?
    {
        return Ok(Datum::from(value));
    }
    // SAFETY: PostgreSQL's own lastval.
    let value = unsafe { pgrx::direct_function_call_as_datum(pg_sys::lastval, &[]) };
    Ok(value.unwrap_or(Datum::null()))
}

/// What the preview last handed out of a registered sequence.
fn issued(sequence: Oid) -> Outcome<Option<i64>> {
    if !preview::active() {
        return Ok(None);
    }
    let (Some(value), Some(policy)) = (
        ISSUED.with_borrow(|issued| issued.get(&sequence).copied()),
        registered(sequence),
    ) else {
        return Ok(None);
    };
    let privileges = pg_sys::ACL_SELECT | pg_sys::ACL_USAGE;
    may_use(sequence, &policy, privileges, None)?;
    Ok(Some(value))
}
