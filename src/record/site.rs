//! One place where rows are captured: one result relation of one running query.

use super::cleared::FedColumns;
use super::expendable;
use super::format::RowFormat;
use crate::judge::approval::Kind;
use crate::pg::memory;
use crate::pg::raw;
use crate::registry::{self, Guarded, Registry};
use crate::report::Outcome;
use crate::running::{
    self,
    queries::{self, ActiveQuery},
};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

/// Everything a row needs, looked up once per query and relation and kept in the query's memory.
pub struct Site {
    pub estate: *mut pg_sys::EState,
    pub info: *mut pg_sys::ResultRelInfo,
    pub query: ActiveQuery,
    pub guarded: Rc<Guarded>,
    pub format: Rc<RowFormat>,
    /// A row is expendable when every policy says so.
    pub expendable: expendable::Compiled,
    pub fed: FedColumns,
    /// In a preview: all columns, to see which are cleared.
    pub every_column: Option<FedColumns>,
    /// The weakest kind of approval the table accepts.
    pub kind: Kind,
    /// Rows of a foreign table have no place by which to tell them apart.
    pub foreign: bool,
    /// The row captured last, so that no row is captured twice.
    pub last: pg_sys::ItemPointerData,
}

/// What the look-up found.
pub enum Found {
    Site(*mut Site),
    /// As `Site`, of a table that was not protected yet when the query started.
    Late(*mut Site),
    /// The row is of no interest: nothing protected (any more), or a partitioned table's part of a row's move.
    Nothing,
    /// The row is changed outside the executor: the AFTER trigger captures it.
    Outside,
    /// Our hooks did not see this query start.
    NotLoaded,
    /// In a query that changes a guarded table, something else than our trigger's condition called the function.
    Foreign,
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
pub unsafe fn find(call: pg_sys::FunctionCallInfo) -> Outcome<Found> {
    // SAFETY: PostgreSQL hands every function its look-up.
    let context = unsafe { (*(*call).flinfo).fn_mcxt };
    let query = queries::of_context(context);
    let Some(registry) = registry::current() else {
        return Ok(Found::Nothing);
    };
    let Some(query) = query else {
        // SAFETY: reads the backend's kind.
        return Ok(if unsafe { pg_sys::IsLogicalWorker() } {
            Found::Outside
        } else if running::root_key().is_some() && running::seen_from_the_beginning() {
            // Our hooks have seen every query of this statement: this one changes no rows, so no trigger asks.
            Found::Nothing
        } else {
            Found::NotLoaded
        });
    };
    // SAFETY: the query is running, so its estate, the row's slot and the result relation that owns it are live.
    unsafe {
        // A query that targets nothing guarded comes here by a trigger that is left from when its table was guarded, a
        // follower whose foreign key is gone; or the table has become guarded since the query started.
        let foreign = match query.judged_by {
            Some(_) => Found::Foreign,
            None => Found::Nothing,
        };
        if (*query.estate).es_per_tuple_exprcontext.is_null() {
            return Ok(foreign);
        }
        let slot = (*(*query.estate).es_per_tuple_exprcontext).ecxt_innertuple;
        let Some(info) = result_relation(query.estate, slot) else {
            return Ok(Found::Nothing);
        };
        if !is_our_trigger(info, call) {
            return Ok(foreign);
        }
        let relation = (*info).ri_RelationDesc;
        if (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE {
            return Ok(Found::Nothing);
        }
        let Some(guarded) = registry.table((*relation).rd_id) else {
            return Ok(Found::Nothing);
        };
        let judged_by = query.judged_by.as_deref().unwrap_or_default();
        let mut policies = guarded.policies.iter();
        let late = policies.any(|policy| !judged_by.contains(&policy.relid));
        let format = format(&registry, guarded, (*relation).rd_att);
        let site = Site {
            estate: query.estate,
            info,
            expendable: expendable::compile(guarded, relation, query.estate)?,
            fed: FedColumns::new(guarded, relation, &format),
            every_column: crate::preview::active().then(|| FedColumns::every(relation, &format)),
            kind: guarded.kind(),
            guarded: guarded.clone(),
            format,
            foreign: (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_FOREIGN_TABLE,
            last: pg_sys::ItemPointerData::default(),
            query: ActiveQuery {
                waiting: Vec::new(),
                ..query
            },
        };
        let site = memory::leak_into(context, site);
        Ok(match late {
            true => Found::Late(site),
            false => Found::Site(site),
        })
    }
}

/// Whether the call is a step of the condition of our own trigger on that relation: anybody may call the function, and
/// nobody else may make it write the record.
///
/// # Safety
/// `info` must be a live result relation, `call` the running call.
unsafe fn is_our_trigger(info: *mut pg_sys::ResultRelInfo, call: pg_sys::FunctionCallInfo) -> bool {
    const AFTER_ROW: i16 = pg_sys::TRIGGER_TYPE_ROW as i16;
    const TIMING: i16 =
        AFTER_ROW | pg_sys::TRIGGER_TYPE_BEFORE as i16 | pg_sys::TRIGGER_TYPE_INSTEAD as i16;
    // SAFETY: ri_TrigWhenExprs has one member per trigger; an expression has steps_len steps. What a step that is no
    // function call holds in the compared place is only compared.
    unsafe {
        let triggers = (*info).ri_TrigDesc;
        if triggers.is_null() || (*info).ri_TrigWhenExprs.is_null() {
            return false;
        }
        (0..(*triggers).numtriggers as usize).any(|n| {
            let trigger = &*(*triggers).triggers.add(n);
            let state = *(*info).ri_TrigWhenExprs.add(n);
            let ours = CStr::from_ptr(trigger.tgname) == c"backstop_capture"
                && trigger.tgtype & TIMING == AFTER_ROW;
            ours && !state.is_null()
                && (0..(*state).steps_len as usize)
                    .any(|step| (*(*state).steps.add(step)).d.func.fcinfo_data == call)
        })
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
            for n in 0..raw::list_length(list) {
                let info = raw::list_nth(list, n) as *mut pg_sys::ResultRelInfo;
                if (*info).ri_TrigOldSlot == slot {
                    return Some(info);
                }
            }
        }
        None
    }
}
