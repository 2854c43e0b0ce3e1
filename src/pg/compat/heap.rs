//! Differences in how rows and their index entries are written.

use pgrx::pg_sys;

/// `ExecInsertIndexTuples` for a row that has just been stored. (16 added an argument.)
///
/// With `unless_taken`, immediate indexes among those given don't raise when the row violates them: `taken` says so.
/// Returns the deferrable indexes that may be violated, to be checked at the end (and the immediate ones that are).
///
/// # Safety
/// The slot must hold the row; `info`'s indexes must have been opened for speculative insertion.
pub unsafe fn insert_index_tuples(
    info: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
    unless_taken: Option<*mut pg_sys::List>,
    taken: &mut bool,
    only_summarizing: bool,
) -> *mut pg_sys::List {
    let (tolerant, arbiters) = match unless_taken {
        Some(arbiters) if !arbiters.is_null() => (true, arbiters),
        _ => (false, std::ptr::null_mut()),
    };
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the caller vouches for the slot. update = false is a lost hint to the index, nothing more.
    unsafe {
        let _ = only_summarizing;
        pg_sys::ExecInsertIndexTuples(info, slot, estate, false, tolerant, taken, arbiters)
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: as above.
    unsafe {
        pg_sys::ExecInsertIndexTuples(
            info,
            slot,
            estate,
            false,
            tolerant,
            taken,
            arbiters,
            only_summarizing,
        )
    }
}

/// `ExecCheckIndexConstraints`: whether the row violates none of `indexes`; the row in the way if it does. (18 added the
/// row's own place.)
///
/// # Safety
/// `info`'s indexes must have been opened for speculative insertion, and all of `indexes` be immediate.
pub unsafe fn check_index_constraints(
    info: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
    in_the_way: &mut pg_sys::ItemPointerData,
    indexes: *mut pg_sys::List,
) -> bool {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller vouches for everything.
    unsafe {
        pg_sys::ExecCheckIndexConstraints(info, slot, estate, in_the_way, indexes)
    }
    #[cfg(feature = "pg18")]
    // SAFETY: as above; an invalid place means that the row is not stored yet.
    unsafe {
        let mut nowhere = pg_sys::ItemPointerData::default();
        pg_sys::ExecCheckIndexConstraints(info, slot, estate, in_the_way, &mut nowhere, indexes)
    }
}

/// Which indexes need entries for an updated row's new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexesToUpdate {
    None,
    All,
    /// Summarizing ones (BRIN) only: 16 and later.
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    Summarizing,
}

/// `simple_table_tuple_update`, which tells more about indexes since 16.
///
/// # Safety
/// `slot` must hold the new version of the row at `tid`, which the caller has locked.
pub unsafe fn update_tuple(
    relation: pg_sys::Relation,
    tid: &mut pg_sys::ItemPointerData,
    slot: *mut pg_sys::TupleTableSlot,
    snapshot: pg_sys::Snapshot,
) -> IndexesToUpdate {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the caller vouches for the row.
    unsafe {
        let mut all = false;
        pg_sys::simple_table_tuple_update(relation, tid, slot, snapshot, &mut all);
        if all {
            IndexesToUpdate::All
        } else {
            IndexesToUpdate::None
        }
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: as above.
    unsafe {
        let mut which = pg_sys::TU_UpdateIndexes::TU_None;
        pg_sys::simple_table_tuple_update(relation, tid, slot, snapshot, &mut which);
        match which {
            pg_sys::TU_UpdateIndexes::TU_None => IndexesToUpdate::None,
            pg_sys::TU_UpdateIndexes::TU_Summarizing => IndexesToUpdate::Summarizing,
            _ => IndexesToUpdate::All,
        }
    }
}
