//! What a subquery, a set operation, a function or VALUES gives out, column by column.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use super::operand::merged;
use super::scope::{Gatherer, ScopeId};
use super::set_operation::arms;
use super::sources::Source;
use crate::judge::predicate::Operand;

impl Gatherer<'_> {
    /// How many columns the query gives out.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn width(&self, scope: ScopeId) -> i16 {
        // SAFETY: passed on from the caller.
        unsafe { outputs(self.scopes[scope].query).len() as i16 }
    }

    /// The query's output column of that number.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn output(&mut self, scope: ScopeId, number: i16) -> Operand {
        if self.overflow {
            return Operand::default();
        }
        let query = self.scopes[scope].query;
        // SAFETY: a Query's output lists hold TargetEntry nodes, its set operations SetOperationStmt and RangeTblRef.
        unsafe {
            if !(*query).setOperations.is_null() {
                return self.arm_output(scope, (*query).setOperations, number);
            }
            match outputs(query).into_iter().find(|&t| (*t).resno == number) {
                Some(entry) => {
                    let resting = std::mem::take(&mut self.sublinks);
                    let expr: Node = (*entry).expr.cast();
                    let value = self.operand(scope, expr);
                    let value = self.with_written(scope, expr, value);
                    self.sublinks = resting;
                    value
                }
                None => Operand::default(),
            }
        }
    }

    /// The same of one arm of its set operations.
    ///
    /// # Safety
    /// `node` is that query's set operation or an arm of it.
    pub unsafe fn arm_output(&mut self, scope: ScopeId, node: Node, number: i16) -> Operand {
        // SAFETY: as in `output`.
        unsafe {
            let arms = arms(node).into_iter().filter(|arm| !arm.excepted);
            let (mut outputs, mut counts) = (Vec::new(), false);
            for arm in arms {
                let value = self.one_arm_output(scope, arm.rtindex, number);
                counts |= arm.right && !value.reads.is_empty();
                outputs.push(value);
            }
            let mut value = merged(outputs);
            value.series |= counts && self.scopes[scope].recursive;
            value
        }
    }

    /// The same of a query that it combines.
    ///
    /// # Safety
    /// `rtindex` names such a query.
    pub unsafe fn one_arm_output(&mut self, scope: ScopeId, rtindex: i32, number: i16) -> Operand {
        // SAFETY: passed on from the caller.
        unsafe {
            match self.source(scope, rtindex) {
                Source::Query(inner, _) => self.output(inner, number),
                _ => Operand::default(),
            }
        }
    }

    /// A column of a function, VALUES or other computed range-table entry.
    ///
    /// # Safety
    /// The scope's query is valid and has such an entry.
    pub unsafe fn entry_column(&mut self, scope: ScopeId, rtindex: i32, attno: i16) -> Operand {
        // SAFETY: the kind says which fields of the entry are set (parsenodes.h).
        unsafe {
            let rte = self.rte(scope, rtindex);
            let resting = std::mem::take(&mut self.sublinks);
            let mut parts = Vec::new();
            match (*rte).rtekind {
                pg_sys::RTEKind::RTE_FUNCTION => {
                    let functions = items::<pg_sys::RangeTblFunction>((*rte).functions);
                    let columns: i32 = functions.iter().map(|&f| (*f).funccolcount).sum();
                    if (*rte).funcordinality && (attno == 0 || i32::from(attno) > columns) {
                        parts.push(Operand {
                            series: true,
                            ..Operand::default()
                        });
                    }
                    let mut first = 0;
                    for function in functions {
                        let own = i32::from(attno) > first
                            && i32::from(attno) <= first + (*function).funccolcount;
                        if own || attno == 0 {
                            parts.push(self.operand(scope, (*function).funcexpr));
                        }
                        first += (*function).funccolcount;
                    }
                }
                pg_sys::RTEKind::RTE_VALUES => {
                    for row in items::<pg_sys::List>((*rte).values_lists) {
                        let cells = items::<pg_sys::Node>(row);
                        let range = if attno > 0 {
                            attno as usize - 1..attno as usize
                        } else {
                            0..cells.len()
                        };
                        for &cell in cells.get(range).unwrap_or_default() {
                            // Most cells are constants; a long list of them is quickly passed over.
                            if tag(cell) != pg_sys::NodeTag::T_Const {
                                parts.push(self.operand(scope, cell));
                            }
                        }
                    }
                }
                pg_sys::RTEKind::RTE_TABLEFUNC => {
                    let mut made = self.computed(scope, (*rte).tablefunc.cast());
                    made.series |= is_ordinality((*rte).tablefunc, attno);
                    parts.push(made);
                }
                _ => {}
            }
            self.sublinks = resting;
            merged(parts)
        }
    }
}

/// The output list: a SELECT's target list, what a data-modifying CTE returns.
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn outputs(query: *mut pg_sys::Query) -> Vec<*mut pg_sys::TargetEntry> {
    // SAFETY: passed on from the caller.
    unsafe {
        let list = match (*query).commandType {
            pg_sys::CmdType::CMD_SELECT => (*query).targetList,
            _ => (*query).returningList,
        };
        items::<pg_sys::TargetEntry>(list)
            .into_iter()
            .filter(|&t| !(*t).resjunk)
            .collect()
    }
}

/// Is it the column of an XMLTABLE or JSON_TABLE that numbers the rows?
unsafe fn is_ordinality(table: *mut pg_sys::TableFunc, attno: i16) -> bool {
    // SAFETY: the caller passes a valid TableFunc; JSON_TABLE's value expressions, one a column, are NULL for these.
    unsafe {
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        if (*table).functype == pg_sys::TableFuncType::TFT_JSON_TABLE {
            let values = items::<pg_sys::Node>((*table).colvalexprs);
            return attno > 0 && values.get(attno as usize - 1).is_some_and(|v| v.is_null());
        }
        attno > 0 && i32::from(attno) - 1 == (*table).ordinalitycol
    }
}
