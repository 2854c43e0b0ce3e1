//! What a conversion back asks of every row while PostgreSQL rewrites the table: is the row recorded, and with what values.
//!
//! Constraints and indexes then only see the rows as they will be: no column has to be emptied first. The functions answer
//! while a restore converts a table, in its own session, and only of that table's rows.

use super::fill::Filler;
use super::input::{ColumnInput, PortableInput};
use crate::pg::catalog::ColumnFact;
use crate::pg::function::Call;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;

crate::sql_function!(
    pg_finfo_backstop_is_recorded,
    backstop_is_recorded,
    is_recorded
);
crate::sql_function!(
    pg_finfo_backstop_recorded_value,
    backstop_recorded_value,
    recorded_value
);

thread_local! {
    static FILLER: RefCell<Option<Filler>> = const { RefCell::new(None) };
}

/// Takes the filler away, also after an error.
struct UnderWay;

impl Drop for UnderWay {
    fn drop(&mut self) {
        FILLER.with_borrow_mut(Option::take);
    }
}

/// Runs `work` while `filler` answers.
pub(super) fn during<R>(filler: &mut Option<Filler>, work: impl FnOnce() -> R) -> R {
    FILLER.set(filler.take());
    let under_way = UnderWay;
    let result = work();
    *filler = FILLER.take();
    drop(under_way);
    result
}

fn with<R>(ask: impl FnOnce(&mut Filler) -> Outcome<R>) -> Outcome<R> {
    FILLER.with(|filler| match filler.try_borrow_mut().as_deref_mut() {
        Ok(Some(filler)) => ask(filler),
        _ => Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            "no restore is converting a table back",
        )
        .detail("The function answers the commands that a restore runs, and nobody else.")),
    })
}

/// Whether the row at a place of a table (tableoid, ctid) gets recorded values.
unsafe fn is_recorded(call: Call) -> Outcome<Datum> {
    // SAFETY: declared with an oid and a tid, which is passed by reference.
    let (relid, tid) = unsafe {
        (
            call.arg::<Oid>(0).unwrap_or(pg_sys::InvalidOid),
            call.arg::<pg_sys::ItemPointerData>(1).unwrap_or_default(),
        )
    };
    with(|filler| {
        // SAFETY: in the guarded frame of a function that PostgreSQL calls for a row that it has just read.
        let found = unsafe { filler.find(relid, tid)? };
        Ok(Datum::from(found))
    })
}

/// The recorded value of a column (argument 1) of the row last asked for. The first argument tells the type.
unsafe fn recorded_value(call: Call) -> Outcome<Datum> {
    // SAFETY: the second argument is an integer; PostgreSQL knows what type the call has.
    let (column, of_type) = unsafe {
        (
            call.arg::<i32>(1).unwrap_or(-1),
            pg_sys::get_fn_expr_rettype((*call.0).flinfo),
        )
    };
    // SAFETY: in the guarded frame of a function that PostgreSQL calls.
    let value = with(|filler| unsafe { filler.value(column, of_type) })?;
    Ok(value.unwrap_or_else(|| call.null()))
}

impl Filler {
    /// The recorded value of column `n` of the row that was asked for.
    ///
    /// # Safety
    /// In a guarded frame.
    pub unsafe fn value(&mut self, n: i32, of_type: Oid) -> Outcome<Option<Datum>> {
        let column = usize::try_from(n).ok().filter(|n| *n < self.names.len());
        let place = self.current.as_ref().and_then(|(.., place)| *place);
        let (Some(column), Some((chunk, row))) = (column, place) else {
            return Err(Report::new(
                sqlstate::INVALID_PARAMETER,
                "no recorded row was asked for",
            ));
        };
        let open = self.images.opened(chunk)?;
        let name = std::slice::from_ref(&self.names[column]);
        let Some(place) = self.images.places(chunk, name).map(|places| places[0]) else {
            return Ok(None);
        };
        let fact = ColumnFact {
            attnum: 0,
            name: self.names[column].clone(),
            type_oid: of_type,
            type_mod: -1,
            not_null: false,
            generated: false,
        };
        // SAFETY: the context outlives the filler; the value is made in the caller's.
        unsafe {
            let context = self.context;
            let inputs = &mut self.inputs[column];
            inputs.take_if(|(known, _)| *known != of_type);
            let (_, input) =
                inputs.get_or_insert_with(|| (of_type, ColumnInput::new(&fact, context)));
            let settings = input.session_dependent().then(PortableInput::begin);
            let span = open.1.of(row as usize)[place];
            let value = input.read(&open.0, span, &mut self.scratch);
            drop(settings);
            value
        }
    }
}
