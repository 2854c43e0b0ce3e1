//! The object-access hook: what reaches an object without naming it. CASCADE, DROP OWNED, DROP SCHEMA, DROP EXTENSION,
//! DROP TYPE and TRUNCATE's cascades pass here object by object, before anything is done; so does every function that is
//! looked up for execution, and with it a setval that was not rewritten.

use super::{guarded, raise, utility};
use crate::ddl::enforce::Stage;
use crate::ddl::object::{self, Address};
use crate::ddl::{Finding, Table, capture, enforce};
use crate::guard_triggers;
use crate::judge::{sequence, unguarded};
use crate::pg::{newest, objects};
use crate::preview;
use crate::record::{append_only, column_change, still, table_change};
use crate::registry::{self, Registry};
use crate::report::Outcome;
use crate::running::{judged, underway};
use crate::sequence::{preview as sequence_preview, rewrite};
use pgrx::pg_sys::{self, ObjectAccessType::*, Oid};
use std::ffi::{c_int, c_void};
use std::rc::Rc;

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

pub fn install() {
    // SAFETY: hooks are installed once, while the library is loaded, before any statement runs.
    unsafe {
        PREVIOUS = pg_sys::object_access_hook;
        pg_sys::object_access_hook = Some(access);
    }
}

unsafe extern "C-unwind" fn access(
    access: pg_sys::ObjectAccessType::Type,
    class: Oid,
    oid: Oid,
    column: c_int,
    arg: *mut c_void,
) {
    // SAFETY: a bare frame; the argument is what objectaccess.h says for the event.
    unsafe {
        if concerns(access, class, oid, arg) {
            let address = Address { class, oid, column };
            let (_, error) = guarded((), || judge(access, address, arg));
            raise(error);
        }
        if let Some(previous) = PREVIOUS {
            previous(access, class, oid, column, arg);
        }
    }
}

/// The exit that nearly every call takes.
///
/// # Safety
/// `arg` must be the event's.
unsafe fn concerns(
    access: pg_sys::ObjectAccessType::Type,
    class: Oid,
    oid: Oid,
    arg: *mut c_void,
) -> bool {
    match access {
        OAT_FUNCTION_EXECUTE => {
            rewrite::is_setval(oid) || (oid == rewrite::NEXTVAL && preview::active())
        }
        // SAFETY: a backend that is exiting drops its temporary tables here and can read no registry any more.
        OAT_DROP => unsafe { !pg_sys::proc_exit_inprogress },
        OAT_TRUNCATE => true,
        OAT_POST_ALTER => {
            let alter = arg as *const pg_sys::ObjectAccessPostAlter;
            // SAFETY: the caller vouches for the argument.
            unsafe { alter.is_null() || !(*alter).is_internal }
        }
        // CREATE OR REPLACE FUNCTION comes as a creation.
        OAT_POST_CREATE => {
            class == pg_sys::ProcedureRelationId
                || class == pg_sys::TypeRelationId
                || class == pg_sys::CollationRelationId
                || class == pg_sys::OperatorRelationId
                || class == objects::REWRITE_RELATION
                || class == objects::CAST_RELATION
        }
        _ => false,
    }
}

/// # Safety
/// `arg` must be the event's.
unsafe fn judge(
    access: pg_sys::ObjectAccessType::Type,
    address: Address,
    arg: *mut c_void,
) -> Outcome<()> {
    if access == OAT_TRUNCATE
        && let Some(violation) = append_only::violation(address.oid)
    {
        return Err(violation.into());
    }
    // A restore takes back the names it gives, and says itself which columns it brings back.
    if guard_triggers::own_work() {
        return Ok(());
    }
    // Each new table has a new type.
    let made_type = access == OAT_POST_CREATE && address.class == pg_sys::TypeRelationId;
    if matches!(access, OAT_POST_CREATE | OAT_POST_ALTER | OAT_DROP) && !made_type {
        still::changes(address.class, address.oid);
    }
    if !upgrading() {
        newest::within_command(|| note(access, address));
    }
    if access == OAT_FUNCTION_EXECUTE && preview::active() {
        return Err(sequence_preview::unseen(address.oid));
    }
    if access == OAT_DROP
        && let Some(relid) = object::lock_taken_later(address)
    {
        // SAFETY: the lock that PostgreSQL takes next.
        unsafe { pg_sys::LockRelationOid(relid, pg_sys::AccessExclusiveLock as i32) };
    }
    if access == OAT_FUNCTION_EXECUTE {
        // setval takes no lock that its transaction holds already, and learns by none what was registered meanwhile.
        // SAFETY: in a transaction.
        unsafe { pg_sys::AcceptInvalidationMessages() };
    }
    let Some(registry) = newest::within_command(registry::current) else {
        return Ok(());
    };
    if upgrading() {
        return Ok(());
    }
    if matches!(access, OAT_POST_ALTER | OAT_POST_CREATE)
        && let Some(relid) = object::relation_of(address)
        && !judged::knew(relid)
        && let Some(table) = Table::protected(&registry, relid, false)
    {
        return enforce::refuse(unguarded::protected_since(table.subject()));
    }
    if access == OAT_TRUNCATE && !underway::comes_to(address.oid) {
        return Ok(());
    }
    let findings: Vec<Finding> = match access {
        OAT_FUNCTION_EXECUTE => return raw_setval(&registry),
        OAT_DROP => {
            let drop = arg as *const pg_sys::ObjectAccessDrop;
            // SAFETY: the caller vouches for the argument.
            let flags = unsafe { if drop.is_null() { 0 } else { (*drop).dropflags } };
            let internal = flags & pg_sys::PERFORM_DELETION_INTERNAL as c_int != 0;
            object::dropped(&registry, address, internal)
        }
        OAT_TRUNCATE => object::truncated(&registry, address.oid, utility::truncate_restarts()),
        _ => object::altered(&registry, address),
    };
    enforce::all(&findings, Stage::Object)?;
    if access == OAT_TRUNCATE {
        capture::truncate_reached(&registry, address.oid)?;
    }
    Ok(())
}

/// Notes what the record has to know of columns and tables that change, or go.
fn note(access: pg_sys::ObjectAccessType::Type, address: Address) {
    let Address { class, oid, column } = address;
    let is_relation = class == pg_sys::RelationRelationId;
    match access {
        OAT_DROP | OAT_POST_ALTER if is_relation && column > 0 => {
            column_change::note(oid, column as i16, access == OAT_DROP);
        }
        OAT_POST_ALTER if is_relation => table_change::moved(oid),
        OAT_POST_ALTER if class == pg_sys::NamespaceRelationId => table_change::schema_renamed(oid),
        _ => {}
    }
}

/// setval outside a planned query: which sequence it is for can't be known, so none passes.
fn raw_setval(registry: &Registry) -> Outcome<()> {
    if !registry.has_sequences() {
        return Ok(());
    }
    // A plan made before the first sequence was registered is made anew next time.
    // SAFETY: marks saved plans as invalid.
    unsafe { pg_sys::ResetPlanCache() };
    let mut sequences = registry.sequences();
    let only = sequences.next().filter(|_| sequences.next().is_none());
    let policy = only.and_then(|relid| registry.sequence(relid));
    enforce::refuse(sequence::unseen(policy.map(Rc::as_ref)))
}

/// Whether an upgrade script of ours is running: it may change what is ours.
pub fn upgrading() -> bool {
    // SAFETY: plain reads of backend state.
    unsafe { pg_sys::creating_extension && pg_sys::CurrentExtensionObject == object::extension() }
}
