//! The triggers on guarded tables: made where they are missing, dropped where nothing is guarded any more.
//!
//! A row trigger on a partitioned table is cloned to its partitions, present and future; a table that inherits gets its
//! own. TRUNCATE triggers are cloned to nobody, so every protected table has one.

use crate::pg::catalog;
use crate::pg::encoding;
use crate::pg::settings::OwnSettings;
use crate::registry::{self, Guarded, Registry};
use pgrx::Spi;
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::CStr;
use std::rc::Rc;

/// The row trigger's name.
pub const CAPTURE: &CStr = c"backstop_capture";
const TRUNCATE: &CStr = c"backstop_guard_truncate";

thread_local! {
    static OWN_WORK: Cell<u32> = const { Cell::new(0) };
}

/// Whether the DDL that runs now is our own, which no rule judges.
pub fn own_work() -> bool {
    OWN_WORK.get() > 0
}

/// Marks our own DDL until dropped.
pub struct OwnWork;

impl OwnWork {
    pub fn begin() -> OwnWork {
        OWN_WORK.set(OWN_WORK.get() + 1);
        OwnWork
    }
}

impl Drop for OwnWork {
    fn drop(&mut self) {
        OWN_WORK.set(OWN_WORK.get() - 1);
    }
}

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

fn has_trigger(relid: Oid, name: &CStr) -> bool {
    // SAFETY: a catalog look-up; missing_ok.
    unsafe { pg_sys::get_trigger_oid(relid, name.as_ptr(), true) != pg_sys::InvalidOid }
}

/// Locks a table as making a trigger does, and returns its schema and name: `None` when it is gone.
fn locked(relid: Oid) -> Option<(String, String)> {
    // SAFETY: any OID can be locked; held to the end of the transaction.
    unsafe { pg_sys::LockRelationOid(relid, pg_sys::ShareRowExclusiveLock as i32) };
    catalog::relation_name(relid)
}

/// Makes the triggers that are missing.
pub fn adjust() {
    if let Some(registry) = registry::current_even_if_off() {
        make(&registry, registry.tables().cloned().collect());
    }
}

/// Makes the triggers of tables that are guarded now and were not in `before`: DDL has made followers or children.
///
/// Only those are looked at, because looking locks: two sessions that alter one guarded table each would wait for each
/// other.
pub fn adjust_new(before: &Rc<Registry>) {
    let Some(registry) = registry::current_even_if_off() else {
        return;
    };
    if Rc::ptr_eq(before, &registry) {
        return;
    }
    let is_new = |table: &&Rc<Guarded>| {
        before
            .table(table.relid)
            .is_none_or(|known| table.is_protected() && !known.is_protected())
    };
    let tables: Vec<Rc<Guarded>> = registry.tables().filter(is_new).cloned().collect();
    if !tables.is_empty() {
        let _privileged = Privileged::begin();
        make(&registry, tables);
    }
}

/// Our own DDL runs as a superuser, with a search_path in which nobody can have put anything.
pub struct Privileged {
    user: Oid,
    context: i32,
    _settings: OwnSettings,
}

impl Privileged {
    pub fn begin() -> Privileged {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: in a transaction, whose abort undoes all of it; else Drop does.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(
                Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Privileged {
            user,
            context,
            _settings: OwnSettings::pinned(),
        }
    }
}

impl Drop for Privileged {
    fn drop(&mut self) {
        // SAFETY: restores what begin() found; after an error the abort does it. The settings go after it.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

fn make(registry: &Registry, mut tables: Vec<Rc<Guarded>>) {
    // A fixed order, so that two sessions that adjust at once lock alike.
    tables.sort_by_key(|table| table.relid.to_u32());
    let present = Present::read();
    for table in tables {
        // SAFETY: a syscache look-up; partitions get the row trigger from their parent.
        let partition = unsafe { pg_sys::get_rel_relispartition(table.relid) };
        // SAFETY: a syscache look-up. A foreign table has no TRUNCATE triggers.
        let foreign =
            unsafe { pg_sys::get_rel_relkind(table.relid) } as u8 == pg_sys::RELKIND_FOREIGN_TABLE;
        let (capture, truncate) = (
            !present.capture.contains(&table.relid),
            !present.truncate.contains(&table.relid),
        );
        let capture = capture && !(partition && registry.table(table.recorded_relid).is_some());
        let truncate = truncate && !foreign;
        if !capture && !truncate {
            continue;
        }
        // Another session may have dropped or renamed it since the registry was read.
        let Some((schema, relation)) = locked(table.relid) else {
            continue;
        };
        let name = catalog::qualified(&schema, &relation);
        // It may have made them meanwhile. One of their name that is not ours stays in the way: PostgreSQL says so.
        let present = Present::read();
        if capture && !present.capture.contains(&table.relid) {
            run(&format!(
                "CREATE TRIGGER backstop_capture AFTER DELETE OR UPDATE ON {name} FOR EACH ROW \
                 WHEN (backstop.capture_row()) EXECUTE FUNCTION backstop.capture()"
            ));
            run(&format!(
                "ALTER TABLE {name} ENABLE ALWAYS TRIGGER backstop_capture"
            ));
        }
        if truncate && !present.truncate.contains(&table.relid) {
            run(&format!(
                "CREATE TRIGGER backstop_guard_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT \
                 EXECUTE FUNCTION backstop.guard_truncate()"
            ));
            run(&format!(
                "ALTER TABLE ONLY {name} ENABLE ALWAYS TRIGGER backstop_guard_truncate"
            ));
        }
    }
}

/// The guarded tables before a registration is removed, for `release`.
pub fn guarded_now() -> Vec<Oid> {
    registry::current_even_if_off()
        .map(|registry| registry.tables().map(|table| table.relid).collect())
        .unwrap_or_default()
}

/// Drops the triggers of tables that were guarded and are no longer.
pub fn release(before: &[Oid]) {
    let registry = registry::current_even_if_off();
    let present = Present::read();
    for relid in before {
        let table = registry
            .as_ref()
            .and_then(|registry| registry.table(*relid));
        let (keep_capture, keep_truncate) = (table.is_some(), table.is_some());
        // SAFETY: a syscache look-up; a partition's row trigger goes with its parent's.
        let partition = unsafe { pg_sys::get_rel_relispartition(*relid) };
        let name = catalog::display_name(*relid);
        if !keep_capture && present.capture.contains(relid) && !partition {
            run(&format!("DROP TRIGGER backstop_capture ON {name}"));
        }
        if !keep_truncate && present.truncate.contains(relid) {
            run(&format!("DROP TRIGGER backstop_guard_truncate ON {name}"));
        }
    }
}

/// Tables that carry our triggers as we made them: right function, events, condition, and always enabled. A trigger of
/// our name that is anything else does not count, so making ours fails with PostgreSQL's own error.
#[derive(Default)]
struct Present {
    capture: HashSet<Oid>,
    truncate: HashSet<Oid>,
}

impl Present {
    /// Read from the catalog, which locks no table: an administrator's protect() must not wait for, or deadlock with,
    /// writers of other tables.
    fn read() -> Present {
        let sql = "SELECT tgrelid, tgname::pg_catalog.text, \
                   tgtype OPERATOR(pg_catalog.=) 25 \
                   AND tgfoid OPERATOR(pg_catalog.=) 'backstop.capture()'::pg_catalog.regprocedure::pg_catalog.oid \
                   AND tgenabled OPERATOR(pg_catalog.=) 'A' AND tgattr::pg_catalog.text OPERATOR(pg_catalog.=) '' \
                   AND tgqual::pg_catalog.text OPERATOR(pg_catalog.~~) pg_catalog.concat('{FUNCEXPR :funcid ', \
                       'backstop.capture_row()'::pg_catalog.regprocedure::pg_catalog.oid, ' %'), \
                   tgtype OPERATOR(pg_catalog.=) 34 \
                   AND tgfoid OPERATOR(pg_catalog.=) 'backstop.guard_truncate()'::pg_catalog.regprocedure::pg_catalog.oid \
                   AND tgenabled OPERATOR(pg_catalog.=) 'A' \
                   FROM pg_catalog.pg_trigger \
                   WHERE tgname OPERATOR(pg_catalog.=) ANY ('{backstop_capture,backstop_guard_truncate}')";
        let mut present = Present::default();
        Spi::connect(|client| {
            let rows = client
                .select(sql, None, &[])
                .unwrap_or_else(|error| pgrx::error!("{error}"));
            for row in rows {
                let relid = row.get::<Oid>(1).ok().flatten();
                let flag = |n: usize| row.get::<bool>(n).ok().flatten() == Some(true);
                let Some(relid) = relid else { continue };
                if flag(3) {
                    present.capture.insert(relid);
                }
                if flag(4) {
                    present.truncate.insert(relid);
                }
            }
        });
        present
    }
}

fn run(sql: &str) {
    let _own = OwnWork::begin();
    encoding::run(sql).unwrap_or_else(|error| pgrx::error!("{error}"));
}
