//! How the columns of a chunk meet the columns of the table as it is now.

use super::input::{ColumnInput, PortableInput};
use crate::pg::catalog::ColumnFact;
use crate::pg::encoding;
use crate::pg::slot::Slot;
use crate::record::json::Span;
use crate::record::text;
use crate::report::Outcome;
use pgrx::pg_sys::{self, Datum};
use std::rc::Rc;

/// A recorded column that the table still has.
pub struct Known {
    /// Its attribute place, from 0, in the table.
    pub place: usize,
    /// The server computes it: it is recorded, but neither compared nor set back.
    pub generated: bool,
    pub input: ColumnInput,
}

/// The columns of a chunk's rows.
pub struct Shape {
    pub columns: Rc<[String]>,
    /// What they are called now; `None` for one that is gone.
    pub names: Vec<Option<String>>,
    pub key_count: usize,
    /// Each column's name as the record writes it in JSON, without quotes.
    pub json_names: Vec<Vec<u8>>,
    /// Per column; `None` for one that has been dropped since.
    pub known: Vec<Option<Known>>,
    /// The statements that have made something else of the columns' values since, by column.
    pub converted: Vec<Option<i64>>,
    /// Places of the table's columns that the record doesn't have: added since, not generated.
    pub missing: Vec<usize>,
    session_dependent: bool,
}

impl Shape {
    /// # Safety
    /// `context` must outlive the shape.
    pub unsafe fn new(
        columns: &Rc<[String]>,
        names: Vec<Option<String>>,
        converted: Vec<Option<i64>>,
        key_count: usize,
        facts: &[ColumnFact],
        context: pg_sys::MemoryContext,
    ) -> Shape {
        let known: Vec<Option<Known>> = names
            .iter()
            .map(|name| {
                let fact = facts
                    .iter()
                    .find(|fact| Some(&fact.name) == name.as_ref())?;
                Some(Known {
                    place: (fact.attnum - 1) as usize,
                    generated: fact.generated,
                    // SAFETY: the caller vouches for the context.
                    input: unsafe { ColumnInput::new(fact, context) },
                })
            })
            .collect();
        Shape {
            columns: columns.clone(),
            key_count,
            json_names: columns.iter().map(|name| json_name(name)).collect(),
            missing: facts
                .iter()
                .filter(|fact| {
                    let named = |name: &Option<String>| name.as_ref() == Some(&fact.name);
                    !fact.generated && !names.iter().any(named)
                })
                .map(|fact| (fact.attnum - 1) as usize)
                .collect(),
            session_dependent: known
                .iter()
                .flatten()
                .any(|column| column.input.session_dependent()),
            known,
            names,
            converted,
        }
    }

    /// Whether the table's attribute `place` is recorded.
    pub fn has(&self, place: usize) -> bool {
        self.column_at(place).is_some()
    }

    /// The column at the table's attribute `place`.
    pub fn column_at(&self, place: usize) -> Option<usize> {
        let mut known = self.known.iter();
        known.position(|known| known.as_ref().is_some_and(|known| known.place == place))
    }

    /// The settings to read values under.
    pub fn settings(&self) -> Option<PortableInput> {
        self.session_dependent.then(PortableInput::begin)
    }

    /// The value of column `n`, in the current memory context; `None` inside for NULL.
    ///
    /// # Safety
    /// In a guarded frame, under `settings`, for a column that is known.
    pub unsafe fn read(
        &mut self,
        n: usize,
        text: &[u8],
        span: Span,
        scratch: &mut Vec<u8>,
    ) -> Outcome<Option<Datum>> {
        match &mut self.known[n] {
            // SAFETY: the caller vouches for the frame.
            Some(known) => unsafe { known.input.read(text, span, scratch) },
            None => Ok(None),
        }
    }

    /// Puts the columns into `slot`, a row of the table.
    ///
    /// # Safety
    /// As for `read`; the slot must be virtual and of the table's shape.
    pub unsafe fn fill(
        &mut self,
        slot: Slot,
        text: &[u8],
        spans: &[Span],
        scratch: &mut Vec<u8>,
    ) -> Outcome<()> {
        for (known, span) in self.known.iter_mut().zip(spans) {
            if let Some(known) = known {
                // SAFETY: the caller vouches for slot and frame.
                unsafe { slot.set(known.place, known.input.read(text, *span, scratch)?) };
            }
        }
        Ok(())
    }

    /// Which column a member of `{changed columns}` names, looked for from `from` on: they come in the columns' order.
    pub fn column_named(&self, name: &[u8], from: usize) -> Option<usize> {
        let count = self.json_names.len();
        (from..count)
            .chain(0..from.min(count))
            .find(|n| self.json_names[*n] == name)
    }
}

/// A column's name as the record writes it in JSON, without quotes.
pub(super) fn json_name(name: &str) -> Vec<u8> {
    let mut json = Vec::new();
    text::string(&mut json, &encoding::encode(name));
    json[1..json.len() - 1].to_vec()
}
