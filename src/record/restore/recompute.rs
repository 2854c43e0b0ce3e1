//! Generated columns whose type comes back: PostgreSQL converts what is stored, which is not what the expression gives in
//! the type that it has again.

use super::engine::Engine;
use super::find::fetch_visible;
use super::reopen::scan;
use super::retype::Conversion;
use super::target::Target;
use crate::pg::memory;
use crate::pg::slot::Slot;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Oid};

impl Conversion {
    /// Whether one of its columns is computed and stored.
    pub(super) fn is_of_generated(&self) -> bool {
        // SAFETY: a syscache look-up.
        let generated = |number| unsafe { pg_sys::get_attgenerated(self.relid, number) } as u8;
        let mut columns = self.columns.iter();
        columns.any(|(_, number)| generated(*number) == pg_sys::ATTRIBUTE_GENERATED_STORED)
    }
}

impl Engine {
    /// Computes the generated columns of every row of the conversion's `heaps` anew.
    ///
    /// # Errors
    /// When a heap cannot be opened.
    ///
    /// # Safety
    /// Between two images, with the heaps locked.
    pub(super) unsafe fn recompute(&mut self, heaps: &[Oid]) -> Outcome<()> {
        for relid in heaps {
            // SAFETY: the heap is a table of its own here, whatever it is a part of: its rows stay where they are. What it
            // writes is recorded as what the conversion writes.
            unsafe {
                let mut target = Target::of("", Vec::new(), *relid, self.estate)?;
                let mut rows = Vec::new();
                scan(&target.relation, |slot: Slot, _| {
                    memory::push(&mut rows, slot.tid());
                    true
                });
                {
                    let _acting = target.acting();
                    let leaf = &mut target.leaves[0];
                    let context = (*(*self.estate).es_per_tuple_exprcontext).ecxt_per_tuple_memory;
                    for tid in rows {
                        memory::check();
                        pg_sys::MemoryContextReset(context);
                        let before = pg_sys::MemoryContextSwitchTo(context);
                        if fetch_visible(leaf.relation.0, tid, leaf.present) {
                            leaf.slot.start();
                            for place in 0..leaf.slot.width() {
                                leaf.slot.set(place, leaf.present.get(place));
                            }
                            leaf.slot.store();
                            leaf.update(self.estate, true);
                            leaf.slot.clear();
                            leaf.present.clear();
                        }
                        pg_sys::MemoryContextSwitchTo(before);
                    }
                }
                target.close();
                pg_sys::CommandCounterIncrement();
            }
        }
        Ok(())
    }
}
