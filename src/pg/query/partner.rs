//! Whether an outer join has found a partner: what `IS NULL` asks of a column that is never stored as null.

use pgrx::pg_sys;

use super::node::{Node, tag};
use super::nulls::is_not_null;
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::ColumnId;
use crate::judge::statement::InstanceKind;

impl Gatherer<'_> {
    /// Are these columns of tables that declare them NOT NULL, so that nothing but an outer join makes them null?
    pub fn stored_not_null(&self, columns: &[ColumnId]) -> bool {
        !columns.is_empty()
            && columns.iter().all(|&c| {
                let facts = &self.statement.columns[c];
                let instance = &self.statement.instances[facts.instance];
                instance.kind == InstanceKind::Relation
                    && (facts.attno <= 0 || is_not_null(instance.relid.into(), facts.attno))
            })
    }

    /// `IS [NOT] NULL` that asks for nothing but a partner reads no value of the column: the partner's table stands for it.
    ///
    /// # Safety
    /// `test` is a valid NullTest of that scope's query.
    pub unsafe fn asks_for_partner(
        &mut self,
        scope: ScopeId,
        test: *mut pg_sys::NullTest,
    ) -> Option<Vec<ColumnId>> {
        // SAFETY: the caller vouches for the test; its argument is an expression.
        unsafe {
            let arg: Node = (*test).arg.cast();
            if tag(arg) != pg_sys::NodeTag::T_Var || self.never_null(scope, arg) {
                return None;
            }
            let column = self.var(scope, arg.cast());
            let computed = !column.reads.is_empty() || !column.fields.is_empty();
            if computed || column.series || !self.stored_not_null(&column.bare) {
                return None;
            }
            let table = |&c: &ColumnId| {
                let instance = self.statement.columns[c].instance;
                let number = pg_sys::TableOidAttributeNumber as i16;
                self.statement.column(instance, number)
            };
            Some(column.bare.iter().map(table).collect())
        }
    }
}
