//! PostgreSQL functions called without pgrx's error boundary.
//!
//! pgrx 0.18.1 turns an error that passes through its boundary into a Rust panic and raises it anew with only level,
//! SQLSTATE, message, detail, hint and domain: every unique violation would lose its constraint, table, schema and
//! context. So hooks chain through these declarations, from a frame that owns nothing with a destructor, and errors
//! pass by as PostgreSQL raised them. The second half is calls that either cannot raise an
//! error or are made from frames without destructors, and those that pgrx's bindings lack.

use pgrx::pg_sys;
use std::ffi::{c_char, c_int, c_void};

unsafe extern "C-unwind" {
    pub fn standard_planner(
        parse: *mut pg_sys::Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
    pub fn standard_ExecutorStart(query_desc: *mut pg_sys::QueryDesc, eflags: c_int);
    #[cfg(not(feature = "pg18"))]
    pub fn standard_ExecutorRun(
        query_desc: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        execute_once: bool,
    );
    #[cfg(feature = "pg18")]
    pub fn standard_ExecutorRun(
        query_desc: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
    pub fn standard_ExecutorFinish(query_desc: *mut pg_sys::QueryDesc);
    pub fn standard_ExecutorEnd(query_desc: *mut pg_sys::QueryDesc);
    pub fn standard_ProcessUtility(
        pstmt: *mut pg_sys::PlannedStmt,
        query_string: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        query_env: *mut pg_sys::QueryEnvironment,
        dest: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
    /// Raises (or, below ERROR, sends) a report with all its fields.
    pub fn ThrowErrorData(report: *mut pg_sys::ErrorData);
    pub fn ExecInitNode(
        node: *mut pg_sys::Plan,
        estate: *mut pg_sys::EState,
        eflags: c_int,
    ) -> *mut pg_sys::PlanState;
    pub fn ExecEndNode(node: *mut pg_sys::PlanState);
    pub fn ExecReScan(node: *mut pg_sys::PlanState);
    /// tablecmds.c: the lock that ALTER TABLE takes, and the look-up that takes it.
    pub fn AlterTableGetLockLevel(commands: *mut pg_sys::List) -> pg_sys::LOCKMODE;
    pub fn AlterTableLookupRelation(
        statement: *mut pg_sys::AlterTableStmt,
        lock: pg_sys::LOCKMODE,
    ) -> pg_sys::Oid;
    pub fn RangeVarGetRelidExtended(
        relation: *const pg_sys::RangeVar,
        lock: pg_sys::LOCKMODE,
        flags: u32,
        callback: pg_sys::RangeVarGetRelidCallback,
        arg: *mut std::ffi::c_void,
    ) -> pg_sys::Oid;
    pub fn RangeVarCallbackOwnsRelation(
        relation: *const pg_sys::RangeVar,
        relid: pg_sys::Oid,
        before: pg_sys::Oid,
        arg: *mut std::ffi::c_void,
    );
}

unsafe extern "C-unwind" {
    pub fn GetCurrentTransactionNestLevel() -> c_int;
    /// The SQLSTATE of the error that is being raised, for a callback of its context.
    pub fn geterrcode() -> c_int;
    /// elog.h: a line of CONTEXT for the error that is being raised, for a callback of its context; NULL is PostgreSQL's own
    /// domain.
    pub fn set_errcontext_domain(domain: *const c_char) -> c_int;
    pub fn errcontext_msg(format: *const c_char, ...) -> c_int;
    /// elog.h: where in the text that the client sent; 0 is nowhere.
    pub fn errposition(position: c_int) -> c_int;
    /// elog.h: into the current memory context.
    pub fn CopyErrorData() -> *mut pg_sys::ErrorData;
    pub fn FreeErrorData(error: *mut pg_sys::ErrorData);
    /// utils/datum.h: compares bytes, nothing compressed or out of line.
    pub fn datumIsEqual(
        one: pg_sys::Datum,
        other: pg_sys::Datum,
        by_value: bool,
        length: c_int,
    ) -> bool;
    /// miscadmin.h
    pub fn stack_is_too_deep() -> bool;
    /// miscadmin.h: plain assignments.
    pub fn GetUserIdAndSecContext(user: *mut pg_sys::Oid, context: *mut c_int);
    pub fn SetUserIdAndSecContext(user: pg_sys::Oid, context: c_int);
    pub fn MemoryContextRegisterResetCallback(
        context: pg_sys::MemoryContext,
        callback: *mut pg_sys::MemoryContextCallback,
    );
    pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, attnum: c_int);
    /// utils/partcache.h; a copy
    pub fn RelationGetPartitionQual(relation: pg_sys::Relation) -> *mut pg_sys::List;
    /// catalog/pg_constraint.h
    pub fn get_primary_key_attnos(
        relid: pg_sys::Oid,
        deferrable_ok: bool,
        constraint: *mut pg_sys::Oid,
    ) -> *mut pg_sys::Bitmapset;
    /// catalog/pg_constraint.h
    pub fn get_relation_constraint_oid(
        relid: pg_sys::Oid,
        name: *const c_char,
        missing_ok: bool,
    ) -> pg_sys::Oid;
    /// utils/datum.h
    pub fn datumGetSize(value: pg_sys::Datum, by_value: bool, length: c_int) -> usize;
    /// utils/datum.h
    pub fn datumCopy(value: pg_sys::Datum, by_value: bool, length: c_int) -> pg_sys::Datum;
    /// utils/datum.h
    pub fn datum_image_eq(
        a: pg_sys::Datum,
        b: pg_sys::Datum,
        by_value: bool,
        length: c_int,
    ) -> bool;
    /// tcop/tcopprot.h: the handler that ends a process at its next check for interrupts.
    pub fn die(signal: c_int);
    pub fn MemoryContextAllocZero(context: pg_sys::MemoryContext, size: usize) -> *mut c_void;
    /// executor/nodeModifyTable.h
    pub fn ExecComputeStoredGenerated(
        info: *mut pg_sys::ResultRelInfo,
        estate: *mut pg_sys::EState,
        slot: *mut pg_sys::TupleTableSlot,
        command: pg_sys::CmdType::Type,
    );
    /// executor/execPartition.h
    pub fn ExecSetupPartitionTupleRouting(
        estate: *mut pg_sys::EState,
        relation: pg_sys::Relation,
    ) -> *mut pg_sys::PartitionTupleRouting;
    pub fn ExecFindPartition(
        state: *mut pg_sys::ModifyTableState,
        root: *mut pg_sys::ResultRelInfo,
        routing: *mut pg_sys::PartitionTupleRouting,
        slot: *mut pg_sys::TupleTableSlot,
        estate: *mut pg_sys::EState,
    ) -> *mut pg_sys::ResultRelInfo;
    pub fn ExecCleanupTupleRouting(
        state: *mut pg_sys::ModifyTableState,
        routing: *mut pg_sys::PartitionTupleRouting,
    );
    /// commands/sequence.h
    pub fn nextval_internal(relid: pg_sys::Oid, check_permissions: bool) -> i64;
    /// catalog/pg_inherits.h
    pub fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: c_int,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
    /// catalog/partition.h
    pub fn get_default_partition_oid(parent: pg_sys::Oid) -> pg_sys::Oid;
    pub fn get_partition_parent(relid: pg_sys::Oid, even_if_detached: bool) -> pg_sys::Oid;
}

// What runs a user's statement, below `attempt`.
unsafe extern "C-unwind" {
    pub fn SPI_connect() -> c_int;
    pub fn SPI_finish() -> c_int;
    pub fn SPI_prepare_extended(
        source: *const c_char,
        options: *const pg_sys::SPIPrepareOptions,
    ) -> pg_sys::SPIPlanPtr;
    pub fn SPI_execute_plan_extended(
        plan: pg_sys::SPIPlanPtr,
        options: *const pg_sys::SPIExecuteOptions,
    ) -> c_int;
    pub fn setup_parse_variable_parameters(
        state: *mut pg_sys::ParseState,
        types: *mut *mut pg_sys::Oid,
        count: *mut c_int,
    );
    /// commands/trigger.h
    pub fn AfterTriggerSetState(statement: *mut pg_sys::ConstraintsSetStmt);
    #[link_name = "SPI_result"]
    static RESULT_OF_SPI: c_int;
}

unsafe extern "C-unwind" {
    /// commands/async.h; raises for a bad channel or payload.
    pub fn Async_Notify(channel: *const c_char, payload: *const c_char);
}

/// `SPI_result`: why the last call returned nothing.
pub fn spi_result() -> c_int {
    // SAFETY: a variable of the backend's only thread.
    unsafe { RESULT_OF_SPI }
}

/// `list_length`, which is an inline function in C.
///
/// # Safety
/// `list` must be NIL or live.
pub unsafe fn list_length(list: *const pg_sys::List) -> c_int {
    if list.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for the list.
    unsafe { (*list).length }
}

/// `list_nth`, which is an inline function in C.
///
/// # Safety
/// `list` must have more than `n` pointer members.
pub unsafe fn list_nth(list: *const pg_sys::List, n: c_int) -> *mut c_void {
    // SAFETY: the caller vouches for the list.
    unsafe { (*(*list).elements.add(n as usize)).ptr_value }
}
