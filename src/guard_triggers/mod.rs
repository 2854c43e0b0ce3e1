//! The triggers on guarded tables: made and enabled where they are missing or disabled, dropped where nothing is guarded any
//! more.
//!
//! A row trigger on a partitioned table is cloned to its partitions, present and future; a table that inherits gets its
//! own. So a partition has a clone where its parent is guarded, and a trigger of its own where it alone is. TRUNCATE
//! triggers are cloned to nobody, so every guarded table has one.

mod attach;
mod make;
mod own_work;
mod present;
mod release;

pub use attach::make_way;
pub use make::{adjust_changed, adjust_for, hold_children, incomplete};
pub use own_work::{OwnWork, enter, leave, on_triggers, own_work};
pub use present::IS_ROW_TRIGGER;
pub use release::{Wait, hold, release, sweep};

use crate::pg::values;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// The row trigger's name.
pub const CAPTURE: &CStr = c"backstop_capture";
const TRUNCATE: &CStr = c"backstop_guard_truncate";

/// Whether a trigger is one of ours, by name.
pub fn is_ours(name: &str) -> bool {
    [CAPTURE, TRUNCATE]
        .iter()
        .any(|ours| ours.to_bytes() == name.as_bytes())
}

/// Whether the table has the trigger that every protected table has.
pub fn guards_truncate(relid: Oid) -> bool {
    has_trigger(relid, TRUNCATE)
}

/// Whether the session is a replica, where only some triggers fire (`session_replication_role`).
pub fn is_replica() -> bool {
    // SAFETY: reads a setting.
    let role = unsafe { pg_sys::SessionReplicationRole };
    role == pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32
}

fn has_trigger(relid: Oid, name: &CStr) -> bool {
    // SAFETY: a catalog look-up; missing_ok.
    unsafe { pg_sys::get_trigger_oid(relid, name.as_ptr(), true) != pg_sys::InvalidOid }
}

fn run(sql: &str) {
    let _own = OwnWork::begin_on_triggers();
    values::run(sql).unwrap_or_else(|error| pgrx::error!("{error}"));
}
