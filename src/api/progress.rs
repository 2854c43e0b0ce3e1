//! work_under_way: what the view backstop.progress shows.

use crate::pg::function::{Call, Rows};
use crate::record::datum;
use crate::report::Outcome;
use crate::shared::Text;
use crate::shared::progress;
use pgrx::pg_sys::{self, Datum, Oid};

crate::sql_function!(
    pg_finfo_backstop_work_under_way,
    backstop_work_under_way,
    work_under_way
);

unsafe fn work_under_way(call: Call) -> Outcome<Datum> {
    // SAFETY: declared to return a table.
    let mut rows = unsafe { Rows::new(call) };
    for (named, done, total) in progress::all() {
        if !may_see(named.session_role) {
            continue;
        }
        // SAFETY: catalog look-ups that give NULL for what is gone.
        let (database, role) = unsafe {
            (
                pg_sys::get_database_name(named.database),
                pg_sys::GetUserNameFromId(named.session_role, true),
            )
        };
        let name = |text: *mut std::ffi::c_char| {
            // SAFETY: a palloc'd C string, copied into a name with its padding.
            unsafe {
                (!text.is_null()).then(|| {
                    pgrx::direct_function_call_as_datum(pg_sys::namein, &[Some(Datum::from(text))])
                })
            }
            .flatten()
        };
        // Another database's names may be in another encoding.
        // SAFETY: reads a backend variable.
        let own = unsafe { named.database == pg_sys::MyDatabaseId };
        let relation =
            text(&named.relation).filter(|_| own || named.relation.as_bytes().is_ascii());
        rows.push(vec![
            Some(Datum::from(named.pid)),
            name(database),
            name(role),
            text(&named.what),
            text(&named.phase),
            relation,
            Some(named.statement_id)
                .filter(|id| *id != 0)
                .map(Datum::from),
            Some(Datum::from(done)),
            total.map(Datum::from),
            Some(Datum::from(named.since)),
        ]);
    }
    Ok(call.null())
}

fn text<const N: usize>(text: &Text<N>) -> Option<Datum> {
    text.some().map(datum::text)
}

/// As pg_stat_activity has it: one's own work and that of roles one is a member of, or everything.
fn may_see(session_role: Oid) -> bool {
    // SAFETY: membership look-ups; superusers are members of every role.
    unsafe {
        let user = pg_sys::GetUserId();
        pg_sys::has_privs_of_role(user, session_role)
            || pg_sys::has_privs_of_role(user, Oid::from(pg_sys::ROLE_PG_READ_ALL_STATS))
    }
}
