//! unpacked: row images as JSON, for the views.

use crate::pg::function::Call;
use crate::pg::memory::append;
use crate::pg::values::Bytes;
use crate::record::pack;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum};

crate::sql_function!(pg_finfo_backstop_unpacked, backstop_unpacked, unpacked);

unsafe fn unpacked(call: Call) -> Outcome<Datum> {
    // SAFETY: declared STRICT with one bytea.
    let stored = unsafe { call.arg::<Bytes>(0) }.unwrap_or_default().0;
    let text =
        pack::unpacked(&stored).map_err(|_| unreadable("It is a zstd frame that is damaged."))?;
    if !text.starts_with(b"[") {
        return Err(unreadable("It is neither a JSON array nor a zstd frame."));
    }
    // Anybody may call it with anything: what is json must be, and valid in the database's encoding.
    // SAFETY: so many bytes, without a zero among them once they are valid; both raise PostgreSQL's own errors.
    unsafe {
        pg_sys::pg_verifymbstr(text.as_ptr().cast(), text.len() as i32, false);
        let mut text = text.into_owned();
        append(&mut text, b"\0");
        let json = pgrx::direct_function_call_as_datum(
            pg_sys::json_in,
            &[Some(Datum::from(text.as_ptr()))],
        );
        Ok(json.unwrap_or(Datum::null()))
    }
}

fn unreadable(why: &str) -> Box<Report> {
    Report::new(
        sqlstate::INVALID_PARAMETER,
        "argument \"images\" holds no row images",
    )
    .detail(why)
}
