//! Which partition a row belongs to.

use crate::pg::catalog::OpenRelation;
use crate::pg::raw;
use crate::pg::slot::Slot;
use pgrx::pg_sys::{self, Oid};

/// Tuple routing of a partitioned table.
pub struct Routing {
    root: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::ModifyTableState,
    routing: *mut pg_sys::PartitionTupleRouting,
}

impl Routing {
    /// # Safety
    /// In the estate's memory context.
    pub unsafe fn new(relation: &OpenRelation, estate: *mut pg_sys::EState) -> Routing {
        // SAFETY: set up the way the logical replication worker does it (worker.c, apply_handle_tuple_routing): a
        // ModifyTableState without a plan. A root without triggers makes none for its partitions.
        unsafe {
            let root =
                pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()) as *mut pg_sys::ResultRelInfo;
            (*root).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(root, relation.0, 0, std::ptr::null_mut(), 0);
            let state = pg_sys::palloc0(size_of::<pg_sys::ModifyTableState>())
                as *mut pg_sys::ModifyTableState;
            (*state).ps.type_ = pg_sys::NodeTag::T_ModifyTableState;
            (*state).ps.state = estate;
            (*state).operation = pg_sys::CmdType::CMD_INSERT;
            (*state).resultRelInfo = root;
            (*state).rootResultRelInfo = root;
            let routing = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::ExecSetupPartitionTupleRouting(estate, relation.0)
            });
            Routing {
                root,
                state,
                routing,
            }
        }
    }

    /// The partition the slot's row belongs to; an error when there is none.
    ///
    /// # Safety
    /// The slot must hold a row of the table.
    pub unsafe fn partition(&self, row: Slot, estate: *mut pg_sys::EState) -> Oid {
        // SAFETY: routing was set up for this table.
        unsafe {
            let info = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::ExecFindPartition(self.state, self.root, self.routing, row.0, estate)
            });
            (*(*info).ri_RelationDesc).rd_id
        }
    }

    /// # Safety
    /// Once, without an error under way.
    pub unsafe fn close(self) {
        // SAFETY: set up by `new`.
        unsafe {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::ExecCleanupTupleRouting(self.state, self.routing)
            });
        }
    }
}
