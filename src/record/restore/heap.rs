//! Writing to one heap and its indexes, as logical replication does it: every constraint, no triggers.

use super::leaf::Leaf;
use crate::pg::catalog;
use crate::pg::compat::{self, IndexesToUpdate};
use crate::pg::memory;
use crate::pg::raw;
use pgrx::pg_sys;

impl Leaf {
    /// Computes generated columns and checks the row in the slot like any row that is written.
    ///
    /// # Safety
    /// The slot must hold a whole row.
    unsafe fn check(&self, estate: *mut pg_sys::EState) {
        // SAFETY: the caller vouches for the slot. CMD_INSERT: every generated column is computed, whatever changed.
        unsafe {
            let _acting = self.acting();
            if self.generated {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    raw::ExecComputeStoredGenerated(
                        self.info,
                        estate,
                        self.slot.0,
                        pg_sys::CmdType::CMD_INSERT,
                    )
                });
            }
            if self.constraints {
                pg_sys::ExecConstraints(self.info, self.slot.0, estate);
            }
            if self.partition_check {
                pg_sys::ExecPartitionCheck(self.info, self.slot.0, estate, true);
            }
        }
    }

    /// Inserts the slot's row. With `unless_taken`, a row whose unique values are taken is taken back, and the answer is
    /// false; without, it is an error.
    ///
    /// # Safety
    /// The slot must hold a whole row.
    pub unsafe fn insert(&mut self, estate: *mut pg_sys::EState, unless_taken: bool) -> bool {
        // SAFETY: as ExecSimpleRelationInsert of execReplication.c does it, without triggers. Asking the indexes while the
        // row is entered saves asking them before; a row that was stored in vain is deleted like any other.
        unsafe {
            self.check(estate);
            self.store(estate);
            let arbiters = unless_taken.then_some(self.all_arbiters);
            if !self.index(estate, arbiters, false) {
                pg_sys::CommandCounterIncrement();
                let mut tid = self.slot.tid();
                pg_sys::simple_table_tuple_delete(
                    self.relation.0,
                    &mut tid,
                    pg_sys::GetActiveSnapshot(),
                );
                pg_sys::CommandCounterIncrement();
                return false;
            }
            self.note_values();
        }
        if self.references {
            memory::push(&mut self.inserted, self.slot.tid());
        }
        true
    }

    /// Stores the slot's row.
    ///
    /// # Safety
    /// As for `insert`.
    unsafe fn store(&mut self, estate: *mut pg_sys::EState) {
        // SAFETY: table_tuple_insert, which is inline in C. The page that the last row went to stays pinned for the next
        // one, until the leaf is closed; after an error the resource owner lets go of it.
        unsafe {
            if self.bulk.is_null() {
                let before = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
                self.bulk = pg_sys::GetBulkInsertState();
                pg_sys::MemoryContextSwitchTo(before);
            }
            let Some(insert) = (*(*self.relation.0).rd_tableam).tuple_insert else {
                return pg_sys::simple_table_tuple_insert(self.relation.0, self.slot.0);
            };
            let command = pg_sys::GetCurrentCommandId(true);
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                insert(self.relation.0, self.slot.0, command, 0, self.bulk);
            });
        }
    }

    /// Writes the slot's row over the present one. `ours`: this restore wrote that one, perhaps by inserting it, so all
    /// of the row's foreign keys are still to be checked.
    ///
    /// # Safety
    /// `present` must hold the row, locked.
    pub unsafe fn update(&mut self, estate: *mut pg_sys::EState, ours: bool) {
        // SAFETY: as ExecSimpleRelationUpdate does it.
        unsafe {
            pg_sys::CheckCmdReplicaIdentity(self.relation.0, pg_sys::CmdType::CMD_UPDATE);
            self.check(estate);
            let mut tid = self.present.tid();
            match compat::update_tuple(
                self.relation.0,
                &mut tid,
                self.slot.0,
                pg_sys::GetActiveSnapshot(),
            ) {
                IndexesToUpdate::None => {}
                IndexesToUpdate::All => {
                    self.index(estate, None, false);
                }
                #[cfg(not(any(feature = "pg14", feature = "pg15")))]
                IndexesToUpdate::Summarizing => {
                    self.index(estate, None, true);
                }
            }
            self.note_values();
        }
        let versions = if ours {
            &mut self.inserted
        } else {
            &mut self.updated
        };
        if self.references {
            memory::push(versions, self.slot.tid());
        }
    }

    /// Deletes the present row.
    ///
    /// # Safety
    /// `present` must hold the row, locked.
    pub unsafe fn delete(&mut self) {
        // SAFETY: as ExecSimpleRelationDelete does it.
        unsafe {
            pg_sys::CheckCmdReplicaIdentity(self.relation.0, pg_sys::CmdType::CMD_DELETE);
            let mut tid = self.present.tid();
            pg_sys::simple_table_tuple_delete(
                self.relation.0,
                &mut tid,
                pg_sys::GetActiveSnapshot(),
            );
        }
    }

    /// Enters the slot's row into the indexes; false when `unless_taken` found a unique value taken.
    ///
    /// # Safety
    /// The slot's row must have been stored.
    unsafe fn index(
        &mut self,
        estate: *mut pg_sys::EState,
        unless_taken: Option<*mut pg_sys::List>,
        only_summarizing: bool,
    ) -> bool {
        // SAFETY: the caller vouches for the slot; the list holds OIDs.
        unsafe {
            if (*self.info).ri_NumIndices == 0 {
                return true;
            }
            let _acting = self.acting();
            let mut taken = false;
            let recheck = compat::insert_index_tuples(
                self.info,
                self.slot.0,
                estate,
                unless_taken,
                &mut taken,
                only_summarizing,
            );
            if taken {
                return false;
            }
            for index in catalog::oid_list(recheck) {
                self.recheck.push((index, self.slot.tid()));
            }
        }
        true
    }
}
