//! Row order: which columns decide what comes first, where a LIMIT, an aggregate or a window takes rows in order.

use pgrx::pg_sys;

use super::node::{Node, items};
use super::scope::{Gatherer, ScopeId};
use super::set_operation::arms;
use super::sources::{Source, joined};
use crate::judge::pins::Facts;
use crate::judge::predicate::{ColumnId, Operand};
use crate::pg::stack::check_stack;

/// What a list of sort expressions reads, and whether it decides the order.
struct Leading {
    read: Operand,
    decides: bool,
}

impl Gatherer<'_> {
    /// What decides which rows the query gives out first: its ORDER BY or, without one that tells rows apart, the
    /// order in which it gets them.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn row_order(&mut self, scope: ScopeId) -> Operand {
        if self.overflow {
            return Operand::default();
        }
        let query = self.scopes[scope].query;
        // SAFETY: the caller vouches for the query; window clauses are WindowClause nodes.
        unsafe {
            check_stack();
            let Leading { mut read, decides } = self.leading(scope, (*query).sortClause, &[]);
            let mixes = (*query).hasAggs
                || !(*query).groupClause.is_null()
                || !(*query).distinctClause.is_null();
            if decides || (mixes && !(*query).hasDistinctOn) {
                return read;
            }
            // Rows leave a window function in the order of the window.
            for window in items::<pg_sys::WindowClause>((*query).windowClause) {
                add(
                    &mut read,
                    self.leading(scope, (*window).orderClause, &[]).read,
                );
            }
            let given = self.given_order(scope);
            add(&mut read, given);
            read
        }
    }

    /// What decides which row of each group DISTINCT ON keeps.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn first_of_each(&mut self, scope: ScopeId) -> Operand {
        let query = self.scopes[scope].query;
        // SAFETY: as in `row_order`.
        unsafe {
            let groups = items::<pg_sys::SortGroupClause>((*query).distinctClause);
            let same: Vec<u32> = groups.into_iter().map(|g| (*g).tleSortGroupRef).collect();
            let Leading { mut read, decides } = self.leading(scope, (*query).sortClause, &same);
            if !decides {
                let given = self.given_order(scope);
                add(&mut read, given);
            }
            read
        }
    }

    /// What decides the order in which a window without ORDER BY, or with one, sees its rows.
    ///
    /// # Safety
    /// `window` is a window of the scope's query.
    pub unsafe fn window_order(
        &mut self,
        scope: ScopeId,
        window: *mut pg_sys::WindowClause,
        given: bool,
    ) -> Operand {
        // SAFETY: passed on from the caller.
        unsafe {
            let Leading { mut read, decides } = self.leading(scope, (*window).orderClause, &[]);
            if given && !decides {
                let order = self.given_order(scope);
                add(&mut read, order);
            }
            read
        }
    }

    /// The order in which the query's subqueries hand it their rows. SQL promises none, PostgreSQL keeps it.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn given_order(&mut self, scope: ScopeId) -> Operand {
        let query = self.scopes[scope].query;
        let mut order = Operand::default();
        // SAFETY: passed on from the caller.
        unsafe {
            let entries = match (*query).setOperations.is_null() {
                true => joined((*query).jointree.cast()),
                false => {
                    let arms = arms((*query).setOperations);
                    arms.into_iter().map(|arm| arm.rtindex).collect()
                }
            };
            for rtindex in entries {
                if let Source::Query(inner, _) = self.source(scope, rtindex) {
                    let inner = self.row_order(inner);
                    add(&mut order, inner);
                }
            }
        }
        order
    }

    /// The first sort expression that tells rows apart. Those after it only break its ties.
    unsafe fn leading(
        &mut self,
        scope: ScopeId,
        clause: *mut pg_sys::List,
        same: &[u32],
    ) -> Leading {
        let query = self.scopes[scope].query;
        let mut leading = Leading {
            read: Operand::default(),
            decides: false,
        };
        if clause.is_null() {
            return leading;
        }
        let facts = Facts::of(&self.statement.bodies[self.scopes[scope].body].predicate);
        let resting = std::mem::take(&mut self.sublinks);
        // SAFETY: a sort clause names entries of its query's target list.
        unsafe {
            for sort in items::<pg_sys::SortGroupClause>(clause) {
                if same.contains(&(*sort).tleSortGroupRef) {
                    continue;
                }
                let entry = pg_sys::get_sortgroupclause_tle(sort, (*query).targetList);
                let expr: Node = (*entry).expr.cast();
                let value = if (*entry).resjunk {
                    self.operand(scope, expr)
                } else {
                    self.output(scope, (*entry).resno)
                };
                let passed_on = !value.bare.is_empty();
                let columns: Vec<ColumnId> =
                    [&value.bare[..], &value.fields, &value.reads].concat();
                let one_value = value.bodies.is_empty()
                    && columns.iter().all(|&c| facts.pins(c))
                    && !pg_sys::contain_volatile_functions(expr);
                // The order of values that are given is no order of rows.
                if one_value || self.is_listed(scope, expr) {
                    continue;
                }
                leading.read.reads.extend(columns);
                leading.read.bodies.extend(value.bodies);
                // `ORDER BY x IS NULL, key` is an order by the key for most rows.
                if passed_on || pg_sys::exprType(expr) != pg_sys::BOOLOID {
                    leading.decides = true;
                    break;
                }
            }
        }
        self.sublinks = resting;
        leading
    }
}

fn add(order: &mut Operand, more: Operand) {
    order.reads.extend(more.reads);
    order.bodies.extend(more.bodies);
}

/// Does what the aggregate makes depend on the order of its rows? Anyone's own aggregate may.
pub fn keeps_order(function: pg_sys::Oid) -> bool {
    // SAFETY: get_func_name takes any OID and returns NULL or a C string.
    unsafe {
        let name = pg_sys::get_func_name(function);
        function.to_u32() >= pg_sys::FirstNormalObjectId
            || (!name.is_null()
                && core::ffi::CStr::from_ptr(name)
                    .to_bytes()
                    .windows(3)
                    .any(|w| w == b"agg"))
    }
}
