//! Defaults of columns that were added after a row was recorded.

use super::target::Target;
use crate::pg::catalog::{self, ColumnFact};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum};
use std::ffi::CString;

/// A column's default, ready to be evaluated.
pub struct Default {
    place: usize,
    /// NULL for a column without one.
    state: *mut pg_sys::ExprState,
    /// It is `nextval`, of a serial or identity column or as it stands.
    draws: bool,
}

impl Target {
    /// Puts the defaults of the columns at `missing` into the slot. `dry_run`: sequences stay where they are, because
    /// they would not be rolled back; stand-ins from the type's upper end take the place of what they would hand out.
    ///
    /// # Safety
    /// The slot must have been started.
    pub unsafe fn add_defaults(
        &mut self,
        missing: &[usize],
        estate: *mut pg_sys::EState,
        dry_run: bool,
    ) {
        for place in missing {
            // SAFETY: the default's expression is the catalog's; its state is made once, in the estate's memory.
            unsafe {
                let known = self.defaults.iter().position(|known| known.place == *place);
                let n = known.unwrap_or_else(|| {
                    let default = self.default(*place, estate);
                    self.defaults.push(default);
                    self.defaults.len() - 1
                });
                let Default { state, draws, .. } = self.defaults[n];
                if state.is_null() {
                    continue;
                }
                if dry_run && draws {
                    self.stand_ins += 1;
                    let column = self.column(*place);
                    let value = column.map(|column| stand_in(column, self.stand_ins));
                    self.slot.set(*place, value);
                    continue;
                }
                let mut null = false;
                let context = (*estate).es_per_tuple_exprcontext;
                let value = match (*state).evalfunc {
                    Some(evaluate) => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                        evaluate(state, context, &mut null)
                    }),
                    None => continue,
                };
                self.slot.set(*place, (!null).then_some(value));
            }
        }
    }

    /// Says which column has no value for a row that is to be inserted: one added since, NOT NULL and without a default.
    ///
    /// # Safety
    /// The slot must hold the row.
    pub unsafe fn check_missing(&self, shape: usize) -> Outcome<()> {
        let missing = self.shapes[shape].missing.iter();
        // SAFETY: the caller vouches for the slot.
        let empty = |column: &&ColumnFact| unsafe {
            column.not_null && self.slot.get(column.attnum as usize - 1).is_none()
        };
        let mut empty = missing
            .filter_map(|place| self.column(*place))
            .filter(empty);
        let Some(column) = empty.next() else {
            return Ok(());
        };
        let (table, name) = (&self.name, catalog::quoted(&column.name));
        Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("cannot put rows of table \"{table}\" back: they have no value for column \"{}\"", column.name),
        )
        .detail("The column was added since they were recorded; it is NOT NULL and has no default.")
        .hint(format!(
            "Give it a default for the time of the restore: ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT ..."
        )))
    }

    fn column(&self, place: usize) -> Option<&ColumnFact> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.attnum as usize == place + 1)
    }

    /// # Safety
    /// `estate` must be the one the target was opened with.
    unsafe fn default(&self, place: usize, estate: *mut pg_sys::EState) -> Default {
        // SAFETY: the relation is open; ExecPrepareExpr works in the estate's memory.
        unsafe {
            let expression = pg_sys::build_column_default(self.relation.0, place as i32 + 1);
            if expression.is_null() {
                return Default {
                    place,
                    state: std::ptr::null_mut(),
                    draws: false,
                };
            }
            Default {
                place,
                draws: pg_sys::contain_volatile_functions(expression)
                    && !pg_sys::contain_volatile_functions_not_nextval(expression),
                state: pg_sys::ExecPrepareExpr(expression.cast(), estate),
            }
        }
    }
}

/// A value of the column's type that nothing has handed out.
///
/// # Safety
/// In the per-row memory context.
unsafe fn stand_in(column: &ColumnFact, n: i32) -> Datum {
    let top = match column.type_oid {
        pg_sys::INT2OID => i32::from(i16::MAX),
        _ => i32::MAX,
    };
    let text = CString::new((top - n).to_string()).unwrap_or_default();
    let (mut function, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: catalog look-ups of a live column's type; a type that takes no number raises.
    unsafe {
        pg_sys::getTypeInputInfo(column.type_oid, &mut function, &mut io_param);
        pg_sys::OidInputFunctionCall(
            function,
            text.as_ptr().cast_mut(),
            io_param,
            column.type_mod,
        )
    }
}
