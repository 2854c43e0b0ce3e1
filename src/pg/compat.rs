//! Every difference between PostgreSQL's major versions that the house has to know.

mod heap;
mod nodes;

pub use heap::{IndexesToUpdate, check_index_constraints, insert_index_tuples, update_tuple};
#[cfg(not(feature = "pg14"))]
pub use nodes::merge_operations;
pub use nodes::{
    analyze_and_rewrite, int_list, merges_nothing_away, mutate_expression, mutate_query,
    string_value,
};

use pgrx::pg_sys;

/// Whether the current user owns an object (superusers own everything).
///
/// # Safety
/// `oid` must be a schema's or relation's OID, as `class` says.
pub unsafe fn owns(class: pg_sys::Oid, oid: pg_sys::Oid) -> bool {
    // SAFETY: the caller vouches for the object; superusers pass without a look at it.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        if class == pg_sys::NamespaceRelationId {
            pg_sys::pg_namespace_ownercheck(oid, pg_sys::GetUserId())
        } else {
            pg_sys::pg_class_ownercheck(oid, pg_sys::GetUserId())
        }
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        pg_sys::object_ownercheck(class, oid, pg_sys::GetUserId())
    }
}

/// Whether the current user was granted TRUNCATE of a relation.
///
/// # Safety
/// In a transaction.
pub unsafe fn may_truncate(relid: pg_sys::Oid) -> bool {
    let truncate = pg_sys::ACL_TRUNCATE as pg_sys::AclMode;
    // SAFETY: catalog look-ups.
    unsafe {
        let allowed = pg_sys::pg_class_aclcheck(relid, pg_sys::GetUserId(), truncate);
        allowed == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// `ExecGetTriggerResultRel` for a relation that is not reached through a partitioned one.
///
/// # Safety
/// `estate` must be a running query's, and the relation locked.
pub unsafe fn trigger_result_relation(
    estate: *mut pg_sys::EState,
    relid: pg_sys::Oid,
) -> *mut pg_sys::ResultRelInfo {
    // SAFETY: the caller vouches for both.
    unsafe {
        #[cfg(feature = "pg14")]
        return pg_sys::ExecGetTriggerResultRel(estate, relid);
        #[cfg(not(feature = "pg14"))]
        return pg_sys::ExecGetTriggerResultRel(estate, relid, std::ptr::null_mut());
    }
}

/// `InitMaterializedSRF`, which 14 did not have and early 15 called `SetSingleFuncCall`.
///
/// # Safety
/// As for a set-returning function's call.
pub unsafe fn init_materialized(fcinfo: pg_sys::FunctionCallInfo) {
    #[cfg(not(feature = "pg14"))]
    // SAFETY: the caller is a set-returning function.
    unsafe {
        pg_sys::InitMaterializedSRF(fcinfo, 0)
    };
    #[cfg(feature = "pg14")]
    // SAFETY: what InitMaterializedSRF does, by hand: a tuplestore in the query's context, the declared row type.
    unsafe {
        let info = (*fcinfo).resultinfo as *mut pg_sys::ReturnSetInfo;
        let context = (*(*info).econtext).ecxt_per_query_memory;
        let before = pg_sys::MemoryContextSwitchTo(context);
        let mut desc: pg_sys::TupleDesc = std::ptr::null_mut();
        pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut desc);
        (*info).setDesc = pg_sys::CreateTupleDescCopy(desc);
        (*info).setResult = pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem);
        (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        pg_sys::MemoryContextSwitchTo(before);
    }
}

/// The attribute `n` (from 0) of a tuple descriptor.
///
/// # Safety
/// `desc` must be live and have more than `n` attributes.
pub unsafe fn attribute<'a>(
    desc: pg_sys::TupleDesc,
    n: usize,
) -> &'a pg_sys::FormData_pg_attribute {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: attrs is a flexible array of natts members.
    unsafe {
        &*(*desc).attrs.as_ptr().add(n)
    }
    #[cfg(feature = "pg18")]
    // SAFETY: as TupleDescAttr() of 18 does it: the full attributes stand behind natts compact ones.
    unsafe {
        let compact = (*desc).compact_attrs.as_ptr().add((*desc).natts as usize);
        &*compact.cast::<pg_sys::FormData_pg_attribute>().add(n)
    }
}

/// Memory for a setting's `extra`, which the GUC machinery frees: plain malloc before 16.
///
/// # Safety
/// In a check hook.
pub unsafe fn guc_memory(size: usize) -> *mut std::ffi::c_void {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the C library's malloc; free() is what the GUC machinery calls on it.
    unsafe {
        unsafe extern "C" {
            fn malloc(size: usize) -> *mut std::ffi::c_void;
        }
        malloc(size)
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: raises on failure.
    unsafe {
        pg_sys::guc_malloc(pgrx::PgLogLevel::ERROR as i32, size)
    }
}

/// Whether this backend holds exactly this lock on a relation of the database. (17 added an argument.)
pub fn holds_lock(relid: pg_sys::Oid, mode: pg_sys::LOCKMODE) -> bool {
    // SAFETY: reads a backend variable.
    let database = unsafe { pg_sys::MyDatabaseId };
    // As SET_LOCKTAG_RELATION makes it: nothing is looked up, and the relation may be gone.
    let tag = pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: relid.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    // SAFETY: looks into the backend's own table of locks.
    unsafe {
        pg_sys::LockHeldByMe(&tag, mode)
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: as above.
    unsafe {
        pg_sys::LockHeldByMe(&tag, mode, false)
    }
}

/// The subtransactions that made a relation and that gave it new storage: its contents go with them.
///
/// # Safety
/// `relation` must be open.
pub unsafe fn subtransactions_of(relation: pg_sys::Relation) -> [pg_sys::SubTransactionId; 2] {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: the caller vouches for the relation.
    unsafe {
        [
            (*relation).rd_createSubid,
            (*relation).rd_newRelfilenodeSubid,
        ]
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: the caller vouches for the relation.
    unsafe {
        [
            (*relation).rd_createSubid,
            (*relation).rd_newRelfilelocatorSubid,
        ]
    }
}

/// Sets a signal's handler (`pqsignal`, which has another name in 18).
///
/// # Safety
/// In a background worker, before it lets signals in.
pub unsafe fn on_signal(signal: i32, handler: unsafe extern "C-unwind" fn(i32)) {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller vouches for the moment.
    unsafe {
        pg_sys::pqsignal(signal, Some(handler));
    }
    #[cfg(feature = "pg18")]
    // SAFETY: as above.
    unsafe {
        pg_sys::pqsignal_be(signal, Some(handler));
    }
}
