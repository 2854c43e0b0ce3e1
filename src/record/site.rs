//! One place where rows are captured: one result relation of one running query.

use super::cleared::FedColumns;
use super::expendable;
use super::format::RowFormat;
use crate::pg::memory;
use crate::registry::{self, Guarded, Registry};
use crate::running::queries::{self, ActiveQuery};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Everything a row needs, looked up once per query and relation and kept in the query's memory.
pub struct Site {
    pub estate: *mut pg_sys::EState,
    pub info: *mut pg_sys::ResultRelInfo,
    pub query: ActiveQuery,
    pub guarded: Rc<Guarded>,
    pub format: Rc<RowFormat>,
    /// One compiled `expendable` per policy that has one; a row is expendable when every policy says so.
    pub expendable: Vec<*mut pg_sys::ExprState>,
    pub fed: FedColumns,
    /// The row captured last, so that no row is captured twice.
    pub last: pg_sys::ItemPointerData,
}

/// What the look-up found.
pub enum Found {
    Site(*mut Site),
    /// The row is of no interest: nothing protected (any more), or a partitioned table's part of a row's move.
    Nothing,
    /// The row is changed outside the executor: the AFTER trigger captures it.
    Outside,
    /// Our hooks did not see this query start.
    NotLoaded,
}

thread_local! {
    /// Formats by relation, dropped together with the registry they were made from.
    static FORMATS: RefCell<(usize, HashMap<pg_sys::Oid, Rc<RowFormat>>)> = RefCell::new((0, HashMap::new()));
}

/// The format of a guarded table's rows.
///
/// # Safety
/// `desc` must be the live descriptor of `guarded`'s relation.
pub unsafe fn format(
    registry: &Rc<Registry>,
    guarded: &Guarded,
    desc: pg_sys::TupleDesc,
) -> Rc<RowFormat> {
    let generation = registry::generation();
    let known = FORMATS.with_borrow_mut(|(of, formats)| {
        if *of != generation {
            formats.clear();
            *of = generation;
        }
        formats.get(&guarded.relid).cloned()
    });
    if let Some(format) = known {
        return format;
    }
    // SAFETY: the caller vouches for desc.
    let format = Rc::new(unsafe { RowFormat::new(registry, guarded, desc) });
    FORMATS.with_borrow_mut(|(_, formats)| formats.insert(guarded.relid, format.clone()));
    format
}

/// Finds the site of a trigger condition that was compiled in `context`.
///
/// # Safety
/// Called from a trigger condition.
pub unsafe fn find(context: pg_sys::MemoryContext) -> Found {
    let query = queries::of_context(context);
    let Some(registry) = registry::current() else {
        return Found::Nothing;
    };
    let Some(query) = query else {
        // SAFETY: reads the backend's kind.
        return if unsafe { pg_sys::IsLogicalWorker() } {
            Found::Outside
        } else {
            Found::NotLoaded
        };
    };
    // SAFETY: the query is running, so its estate, the row's slot and the result relation that owns it are live.
    unsafe {
        let slot = (*(*query.estate).es_per_tuple_exprcontext).ecxt_innertuple;
        let Some(info) = result_relation(query.estate, slot) else {
            return Found::Nothing;
        };
        let relation = (*info).ri_RelationDesc;
        if (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE {
            return Found::Nothing;
        }
        let Some(guarded) = registry.table((*relation).rd_id) else {
            return Found::Nothing;
        };
        let format = format(&registry, guarded, (*relation).rd_att);
        let site = Site {
            estate: query.estate,
            info,
            expendable: expendable::compile(guarded, relation, query.estate),
            fed: FedColumns::new(guarded, relation, &format),
            guarded: guarded.clone(),
            format,
            last: pg_sys::ItemPointerData::default(),
            query,
        };
        Found::Site(memory::leak_into(context, site))
    }
}

/// The result relation whose OLD slot is `slot`.
///
/// # Safety
/// `estate` must be live.
unsafe fn result_relation(
    estate: *mut pg_sys::EState,
    slot: *mut pg_sys::TupleTableSlot,
) -> Option<*mut pg_sys::ResultRelInfo> {
    // SAFETY: these lists hold every result relation the executor made: the plan's, those of tuple routing, and those
    // it looked up for triggers.
    unsafe {
        for list in [
            (*estate).es_opened_result_relations,
            (*estate).es_tuple_routing_result_relations,
            (*estate).es_trig_target_relations,
        ] {
            for n in 0..crate::pg::raw::list_length(list) {
                let info = crate::pg::raw::list_nth(list, n) as *mut pg_sys::ResultRelInfo;
                if (*info).ri_TrigOldSlot == slot {
                    return Some(info);
                }
            }
        }
        None
    }
}
