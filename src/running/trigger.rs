//! Which trigger is running, so that the record can name the cause of what its statements destroy.
//!
//! For a query that changes rows, the look-ups of its user triggers are filled in ahead of time with a shim that notes the
//! trigger's name around the real call. The AFTER triggers of what a referential action changes are fired by the query around
//! it, which looks them up when it comes to them: that is brought forward. Deferred triggers run without a shim.

use crate::pg::{catalog, compat, encoding};
use pgrx::pg_sys::{self, Datum, FmgrInfo};
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, c_char};
use std::ptr;
use std::rc::Rc;

thread_local! {
    /// The running trigger's shim, which lives as long as its query; NULL when none runs.
    static RUNNING: Cell<*const Shim> = const { Cell::new(ptr::null()) };
    /// What ran when each open subtransaction began: what runs again when it is rolled back.
    static SAVED: RefCell<Vec<(i32, *const Shim)>> = const { RefCell::new(Vec::new()) };
}

/// What the running trigger makes a cause: `trigger purge on public.users`.
pub fn cause() -> Option<Rc<str>> {
    // SAFETY: while the pointer is set its trigger is running, and its query's memory with it: an error that ends the
    // trigger ends a (sub)transaction, which puts back what ran before.
    unsafe { RUNNING.get().as_ref() }.map(Shim::cause)
}

pub fn begin_level(nest: i32) {
    SAVED.with_borrow_mut(|saved| saved.push((nest, RUNNING.get())));
}

pub fn commit_level(nest: i32) {
    SAVED.with_borrow_mut(|saved| saved.retain(|(level, _)| *level < nest));
}

pub fn abort_level(nest: i32) {
    let before = SAVED.with_borrow_mut(|saved| {
        let before = saved
            .iter()
            .find(|(level, _)| *level >= nest)
            .map(|(_, shim)| *shim);
        saved.retain(|(level, _)| *level < nest);
        before
    });
    RUNNING.set(before.unwrap_or(ptr::null()));
}

pub fn end_transaction() {
    SAVED.with_borrow_mut(Vec::clear);
    RUNNING.set(ptr::null());
}

/// TRUNCATE, which is no query, fires the others.
const FIRED_BY_QUERIES: u32 =
    pg_sys::TRIGGER_TYPE_INSERT | pg_sys::TRIGGER_TYPE_DELETE | pg_sys::TRIGGER_TYPE_UPDATE;

/// The real function behind a shim.
struct Shim {
    real: FmgrInfo,
    /// The trigger's name, in the query's memory.
    name: *const c_char,
    relation: pg_sys::Oid,
    /// Made when it is asked for: most triggers destroy nothing.
    cause: OnceCell<Rc<str>>,
}

impl Shim {
    fn cause(&self) -> Rc<str> {
        let cause = self.cause.get_or_init(|| {
            // SAFETY: the query's TriggerDesc lives as long as the shim.
            let name = encoding::decoded(unsafe { CStr::from_ptr(self.name) });
            let relation = catalog::display_name(self.relation);
            Rc::from(format!("trigger {} on {relation}", catalog::quoted(&name)))
        });
        cause.clone()
    }
}

/// Puts shims before the user triggers of `relation_info`.
///
/// # Safety
/// `info` must be a result relation that the executor has just initialised, in `estate`'s memory.
pub unsafe fn announce(info: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) {
    // SAFETY: ri_TrigFunctions has one member per trigger of ri_TrigDesc. What the shim needs is put into memory that
    // lives as long as the query.
    unsafe {
        let triggers = (*info).ri_TrigDesc;
        if triggers.is_null() {
            return;
        }
        let relation = (*(*info).ri_RelationDesc).rd_id;
        for n in 0..(*triggers).numtriggers as usize {
            let trigger = &*(*triggers).triggers.add(n);
            let function = &mut *(*info).ri_TrigFunctions.add(n);
            let ours = || CStr::from_ptr(trigger.tgname) == crate::guard_triggers::CAPTURE;
            if trigger.tgisinternal
                || function.fn_oid != pg_sys::InvalidOid
                || u32::from(trigger.tgtype as u16) & FIRED_BY_QUERIES == 0
                || ours()
            {
                continue;
            }
            let context = (*estate).es_query_cxt;
            let mut real = FmgrInfo::default();
            pg_sys::fmgr_info_cxt(trigger.tgfoid, &mut real, context);
            let shim = crate::pg::memory::leak_into(
                context,
                Shim {
                    real,
                    name: trigger.tgname,
                    relation,
                    cause: OnceCell::new(),
                },
            );
            *function = FmgrInfo {
                fn_addr: Some(run),
                fn_oid: trigger.tgfoid,
                fn_extra: shim.cast(),
                fn_mcxt: context,
                fn_stats: real.fn_stats,
                ..FmgrInfo::default()
            };
        }
    }
}

/// Puts shims before the AFTER triggers of the relation of `info`, a referential action's, where the query around it, whose
/// state is `estate`, will fire them.
///
/// # Safety
/// Both must be live, and the referential action be run by a trigger of that query.
pub unsafe fn announce_later(info: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) {
    // SAFETY: the relation is locked by the action to the transaction's end; the executor keeps what it looks up for triggers
    // in the query's memory and finds it there again (ExecGetTriggerResultRel() of executor/execMain.c).
    unsafe {
        if has_after_triggers((*info).ri_TrigDesc) {
            let relation = (*(*info).ri_RelationDesc).rd_id;
            announce(compat::trigger_result_relation(estate, relation), estate);
        }
    }
}

/// Whether there are AFTER triggers besides ours and PostgreSQL's.
///
/// # Safety
/// `triggers` must be NULL or live.
unsafe fn has_after_triggers(triggers: *const pg_sys::TriggerDesc) -> bool {
    const BEFORE_OR_INSTEAD: u32 = pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_INSTEAD;
    // SAFETY: the caller vouches for the descriptor, which has numtriggers members.
    unsafe {
        !triggers.is_null()
            && (0..(*triggers).numtriggers as usize).any(|n| {
                let trigger = &*(*triggers).triggers.add(n);
                !trigger.tgisinternal
                    && trigger.tgtype as u32 & BEFORE_OR_INSTEAD == 0
                    && CStr::from_ptr(trigger.tgname) != crate::guard_triggers::CAPTURE
            })
    }
}

/// The shim itself: no guard and nothing with a destructor across the call, so that the trigger's errors keep all their
/// fields.
unsafe extern "C-unwind" fn run(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: fn_extra is the Shim that `announce` made, alive as long as the query.
    unsafe {
        let mine = (*fcinfo).flinfo;
        let shim = (*mine).fn_extra as *mut Shim;
        let outer = RUNNING.replace(shim);
        (*fcinfo).flinfo = &raw mut (*shim).real;
        let result = match (*shim).real.fn_addr {
            Some(function) => function(fcinfo),
            None => Datum::from(0),
        };
        (*fcinfo).flinfo = mine;
        RUNNING.set(outer);
        result
    }
}
