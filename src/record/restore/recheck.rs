//! Deferrable unique and exclusion constraints, which a row may violate for a while, checked when all rows are back.

use super::engine::Engine;
use super::find::fetch;
use crate::pg::acting::ActingAs;
use pgrx::pg_sys::{self, Datum};

impl Engine {
    /// Raises PostgreSQL's own error for a deferrable constraint that is violated.
    ///
    /// # Safety
    /// When all rows are back.
    pub(super) unsafe fn recheck_deferrable(&mut self) {
        for leaf in self
            .targets
            .iter_mut()
            .flat_map(|target| &mut target.leaves)
        {
            // SAFETY: the leaf is open. Index expressions are its owner's.
            let _acting = unsafe { ActingAs::owner_of(leaf.relation.0) };
            for (index, tid) in std::mem::take(&mut leaf.recheck) {
                // SAFETY: what the constraint's own trigger is called with (commands/constraint.c); it leaves rows alone
                // that have been replaced since.
                unsafe {
                    if !fetch(leaf.relation.0, tid, leaf.present) {
                        continue;
                    }
                    let mut trigger = pg_sys::Trigger {
                        tgconstrindid: index,
                        ..pg_sys::Trigger::default()
                    };
                    let mut data = pg_sys::TriggerData {
                        type_: pg_sys::NodeTag::T_TriggerData,
                        tg_event: pg_sys::TRIGGER_EVENT_INSERT
                            | pg_sys::TRIGGER_EVENT_ROW
                            | pg_sys::TRIGGER_EVENT_AFTER,
                        tg_relation: leaf.relation.0,
                        tg_trigslot: leaf.present.0,
                        tg_trigger: &mut trigger,
                        ..pg_sys::TriggerData::default()
                    };
                    let mut call = pg_sys::FunctionCallInfoBaseData {
                        context: (&raw mut data).cast(),
                        ..pg_sys::FunctionCallInfoBaseData::default()
                    };
                    pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                        unique_key_recheck(&mut call);
                    });
                }
            }
        }
    }
}

unsafe extern "C-unwind" {
    /// utils/fmgrprotos.h
    fn unique_key_recheck(fcinfo: pg_sys::FunctionCallInfo) -> Datum;
}
