//! The trigger's function: rows that a logical replication worker changes, without the executor.

use super::capture::fetch;
use super::keep::{Captured, keep};
use super::site;
use crate::judge::approval::Kind;
use crate::ledger::{self, DestroyedRow};
use crate::model::Operation;
use crate::pg::function::Call;
use crate::pg::raw;
use crate::report::{self, Outcome};
use crate::running::coverage::Coverage;
use crate::running::queries::ActiveQuery;
use crate::{registry, running};
use pgrx::pg_sys::{self, Datum};
use std::rc::Rc;

crate::sql_function!(pg_finfo_backstop_capture, backstop_capture, capture);

/// `backstop.capture()`: rows that a logical replication worker changes.
unsafe fn capture(call: Call) -> Outcome<Datum> {
    // SAFETY: checked to be a row trigger's call below; its slots hold the row's versions.
    unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        let is_trigger = !data.is_null() && (*data).type_ == pg_sys::NodeTag::T_TriggerData;
        if !is_trigger {
            return Err(report::Report::new(
                "39P01",
                "backstop.capture() must be called as a trigger",
            ));
        }
        // Anybody may make a trigger with this function on a table of his own.
        if !pg_sys::IsLogicalWorker() {
            return Err(report::Report::new(
                "0A000",
                "backstop.capture() is the function of pg_backstop's own triggers",
            ));
        }
        let Some(registry) = registry::current() else {
            return Ok(Datum::null());
        };
        let relation = (*data).tg_relation;
        let Some(guarded) = registry.table((*relation).rd_id) else {
            return Ok(Datum::null());
        };
        let old = (*data).tg_trigslot;
        let new = (!(*data).tg_newslot.is_null()).then_some((*data).tg_newslot);
        let operation = if new.is_some() {
            Operation::Update
        } else {
            Operation::Delete
        };
        let format = site::format(&registry, guarded, (*relation).rd_att);
        fetch(old, format.last_attnum);
        if let Some(new) = new {
            fetch(new, format.last_attnum);
        }
        let query = ActiveQuery {
            desc: 0,
            judged_by: None,
            estate: std::ptr::null_mut(),
            owner: std::ptr::null_mut(),
            waiting: Vec::new(),
            root: running::root_key().unwrap_or(usize::MAX),
            nest: raw::GetCurrentTransactionNestLevel(),
            cause: Some(Rc::from("logical replication")),
            coverage: Coverage::Absent,
            trigger_depth: 0,
            referential: false,
        };
        // A replica refuses nothing: that would stop replication. What it changes is recorded.
        ledger::book(DestroyedRow {
            query: &query,
            table: guarded,
            operation,
            expendable: true,
            cleared: &[],
        });
        keep(&Captured {
            query: &query,
            format: &format,
            operation,
            old,
            new,
            expendable: true,
            kind: Kind::Session,
        })?;
        Ok(Datum::null())
    }
}
