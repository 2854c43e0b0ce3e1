//! Columns fed by an upstream, and what counts as clearing one: a value that was not empty becomes NULL, the column's
//! default, or an empty value.

use super::format::{ColumnFormat, RowFormat};
use super::portable::PortableOutput;
use crate::pg::folding;
use crate::registry::Guarded;
use pgrx::pg_sys::{self, Datum, Relation};
use std::ffi::CStr;
use std::rc::Rc;

struct FedColumn {
    attnum: i16,
    name: Rc<str>,
    upstream: Rc<str>,
    output: pg_sys::Oid,
    /// The default's text; `None` when there is none, or none that is constant.
    default: Option<Vec<u8>>,
}

/// A column that lost its value.
#[derive(Clone, Debug)]
pub struct Cleared {
    pub column: Rc<str>,
    pub upstream: Rc<str>,
}

/// The fed columns of one relation.
pub struct FedColumns(Vec<FedColumn>);

impl FedColumns {
    /// # Safety
    /// `relation` must be `guarded`'s, open.
    pub unsafe fn new(guarded: &Guarded, relation: Relation, format: &RowFormat) -> FedColumns {
        let columns = guarded.fed.iter().filter_map(|fed| {
            let mut columns = format.columns.iter();
            let column = columns.find(|column| column.fact.name == fed.column)?;
            // SAFETY: the caller vouches for the relation.
            Some(unsafe { FedColumn::new(relation, column, &fed.upstream) })
        });
        FedColumns(columns.collect())
    }

    /// Every column of the format, in its order, whatever feeds it.
    ///
    /// # Safety
    /// `relation` must be the format's, open.
    pub unsafe fn every(relation: Relation, format: &RowFormat) -> FedColumns {
        let columns = format.columns.iter();
        // SAFETY: the caller vouches for the relation.
        FedColumns(
            columns
                .map(|column| unsafe { FedColumn::new(relation, column, "") })
                .collect(),
        )
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that this update clears, one for each upstream.
    ///
    /// # Safety
    /// Both slots must hold rows of the relation, with all attributes fetched.
    pub unsafe fn cleared(
        &self,
        old: *mut pg_sys::TupleTableSlot,
        new: *mut pg_sys::TupleTableSlot,
    ) -> Vec<Cleared> {
        let _portable = PortableOutput::begin();
        let mut cleared: Vec<Cleared> = Vec::new();
        for column in &self.0 {
            // SAFETY: the caller vouches for the slots.
            let clears = unsafe { column.clears(old, new) };
            if clears
                && !cleared
                    .iter()
                    .any(|known| known.upstream == column.upstream)
            {
                cleared.push(Cleared {
                    column: column.name.clone(),
                    upstream: column.upstream.clone(),
                });
            }
        }
        cleared
    }

    /// Whether this update clears column `n`.
    ///
    /// # Safety
    /// As for `cleared`.
    pub unsafe fn clears(
        &self,
        n: usize,
        old: *mut pg_sys::TupleTableSlot,
        new: *mut pg_sys::TupleTableSlot,
    ) -> bool {
        let _portable = PortableOutput::begin();
        // SAFETY: the caller vouches for the slots.
        unsafe { self.0[n].clears(old, new) }
    }
}

impl FedColumn {
    /// # Safety
    /// `relation` must be open, and `column` one of its.
    unsafe fn new(relation: Relation, column: &ColumnFormat, upstream: &str) -> FedColumn {
        // SAFETY: catalog look-ups for a live column of an open relation.
        let (output, default) = unsafe {
            let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
            pg_sys::getTypeOutputInfo(column.fact.type_oid, &mut output, &mut is_varlena);
            (
                output,
                constant_default(relation, column.fact.attnum, output),
            )
        };
        FedColumn {
            attnum: column.fact.attnum,
            name: Rc::from(column.fact.name.as_str()),
            upstream: Rc::from(upstream),
            output,
            default,
        }
    }

    /// # Safety
    /// Both slots must hold rows of the column's relation, with all attributes fetched.
    unsafe fn clears(
        &self,
        old: *mut pg_sys::TupleTableSlot,
        new: *mut pg_sys::TupleTableSlot,
    ) -> bool {
        let place = (self.attnum - 1) as usize;
        // SAFETY: the caller fetched the attributes.
        let (before, after) = unsafe { (text_of(self, old, place), text_of(self, new, place)) };
        before.is_some_and(|before| {
            before != after.unwrap_or_default() && !is_empty(before) && self.empties(after)
        })
    }

    fn empties(&self, after: Option<&[u8]>) -> bool {
        match after {
            None => true,
            Some(after) => is_empty(after) || self.default.as_deref() == Some(after),
        }
    }
}

/// The empty string, array, object and JSON array, as their types print them.
fn is_empty(text: &[u8]) -> bool {
    let mut bare = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let start = [bare.next(), bare.next(), bare.next()];
    matches!(
        start,
        [None, ..]
            | [Some(b'{'), Some(b'}'), None]
            | [Some(b'['), Some(b']'), None]
            | [Some(b'\\'), Some(b'x'), None]
    )
}

/// # Safety
/// The slot's attribute `place` must be fetched.
unsafe fn text_of<'a>(
    column: &FedColumn,
    slot: *mut pg_sys::TupleTableSlot,
    place: usize,
) -> Option<&'a [u8]> {
    // SAFETY: the text lives in the current memory context, which the caller's row outlives.
    unsafe {
        if *(*slot).tts_isnull.add(place) {
            return None;
        }
        let text = pg_sys::OidOutputFunctionCall(column.output, *(*slot).tts_values.add(place));
        Some(CStr::from_ptr(text).to_bytes())
    }
}

/// The text of a column's default when it is a constant.
///
/// # Safety
/// `relation` must be open.
unsafe fn constant_default(
    relation: Relation,
    attnum: i16,
    output: pg_sys::Oid,
) -> Option<Vec<u8>> {
    // SAFETY: build_column_default returns NULL or an expression; only a constant's value is looked at.
    unsafe {
        let node = pg_sys::build_column_default(relation, i32::from(attnum));
        if node.is_null() {
            return None;
        }
        let constant = folding::constant(node)?;
        if (*constant).constisnull {
            return None;
        }
        let value: Datum = (*constant).constvalue;
        Some(
            CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value))
                .to_bytes()
                .to_vec(),
        )
    }
}
