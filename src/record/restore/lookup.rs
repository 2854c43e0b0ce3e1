//! Looking a row up by an index that PostgreSQL's replication code does not take for the row's identity.
//!
//! Since 16, RelationFindReplTupleByIndex compares all columns unless the index is the replica identity or the primary
//! key, and a deferrable key is neither.

use super::leaf::Leaf;
use super::leaf_indexes::Identity;
use pgrx::pg_sys;

impl Identity {
    /// Whether RelationFindReplTupleByIndex takes the index for the row's identity.
    ///
    /// # Safety
    /// `relation` must be open, its indexes looked at.
    pub unsafe fn is_native(relation: pg_sys::Relation, index: &pg_sys::FormData_pg_index) -> bool {
        // SAFETY: the caller vouches for the relation; as GetRelationIdentityOrPK does it.
        let identity = unsafe {
            if (*relation).rd_replidindex == pg_sys::InvalidOid {
                (*relation).rd_pkindex
            } else {
                (*relation).rd_replidindex
            }
        };
        index.indimmediate && index.indexrelid == identity
    }
}

impl Leaf {
    /// Finds the row with the slot's key and locks it in `present`.
    ///
    /// # Safety
    /// The slot must hold the key's columns, none of them NULL.
    pub unsafe fn look_up(&self, identity: &Identity) -> bool {
        let relation = self.relation.0;
        // SAFETY: the index is open; each key column is compared by its operator class's own equality.
        unsafe {
            let index = identity.relation;
            let mut keys = vec![pg_sys::ScanKeyData::default(); identity.places.len()];
            for (n, (key, place)) in keys.iter_mut().zip(&identity.places).enumerate() {
                const EQUAL: u16 = pg_sys::BTEqualStrategyNumber as u16;
                let Some(value) = self.slot.get(*place) else {
                    return false;
                };
                let of_type = *(*index).rd_opcintype.add(n);
                let family = *(*index).rd_opfamily.add(n);
                let operator = pg_sys::get_opfamily_member(family, of_type, of_type, EQUAL as i16);
                pg_sys::ScanKeyEntryInitialize(
                    key,
                    0,
                    *place as i16 + 1,
                    EQUAL,
                    pg_sys::InvalidOid,
                    *(*index).rd_indcollation.add(n),
                    pg_sys::get_opcode(operator),
                    value,
                );
            }
            loop {
                pgrx::check_for_interrupts!();
                let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
                let mut copy = keys.clone();
                let scan = pg_sys::systable_beginscan(
                    relation,
                    identity.index,
                    true,
                    snapshot,
                    copy.len() as i32,
                    copy.as_mut_ptr(),
                );
                let tuple = pg_sys::systable_getnext(scan);
                let tid = (!tuple.is_null()).then(|| (*tuple).t_self);
                pg_sys::systable_endscan(scan);
                pg_sys::UnregisterSnapshot(snapshot);
                let Some(tid) = tid else { return false };
                // A row that someone else has changed meanwhile is looked up again.
                if self.lock(tid) {
                    return true;
                }
            }
        }
    }

    /// Locks the row version at `tid` and fetches it into `present`; false when it is no longer current.
    ///
    /// # Safety
    /// `tid` must come from a scan of the relation.
    unsafe fn lock(&self, mut tid: pg_sys::ItemPointerData) -> bool {
        let relation = self.relation.0;
        // SAFETY: table_tuple_lock, which is inline in C, under the newest snapshot.
        unsafe {
            let Some(lock) = (*(*relation).rd_tableam).tuple_lock else {
                return false;
            };
            pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
            let mut failure = pg_sys::TM_FailureData::default();
            let result = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                lock(
                    relation,
                    &mut tid,
                    pg_sys::GetActiveSnapshot(),
                    self.present.0,
                    pg_sys::GetCurrentCommandId(false),
                    pg_sys::LockTupleMode::LockTupleExclusive,
                    pg_sys::LockWaitPolicy::LockWaitBlock,
                    0,
                    &mut failure,
                )
            });
            pg_sys::PopActiveSnapshot();
            result == pg_sys::TM_Result::TM_Ok
        }
    }
}
