//! Vars followed down to the columns they are the value of.

use pgrx::pg_sys;

use super::generated::generated_from;
use super::node::{Node, items, varno};
use super::scope::{Gatherer, ScopeId};
use super::sources::Source;
use crate::judge::predicate::{ColumnId, InstanceId, Operand};
use crate::judge::statement::{ColumnFacts, Instance, InstanceKind};

impl Gatherer<'_> {
    /// What a Var is the value of.
    ///
    /// # Safety
    /// `var` is a valid Var of an expression of that scope's query.
    pub unsafe fn var(&mut self, scope: ScopeId, var: *mut pg_sys::Var) -> Operand {
        // SAFETY: the caller vouches for the Var; join and grouping entries hold one expression per column.
        unsafe {
            let home = self.up(scope, (*var).varlevelsup);
            let (number, attno) = (varno(var), (*var).varattno);
            match self.source(home, number) {
                // Which table a row is in says nothing about which row it is.
                Source::Columns(_) if i32::from(attno) == pg_sys::TableOidAttributeNumber => {
                    Operand::default()
                }
                Source::Columns(instance) => {
                    let column = self.statement.column(instance, attno);
                    if self.resolved.insert((instance, attno), column).is_none() {
                        self.describe(home, number, column);
                    }
                    bare(column)
                }
                Source::Alias => {
                    let rte = self.rte(home, number);
                    let names = alias_expressions(rte);
                    if attno <= 0 {
                        return self.computed_all(home, &names);
                    }
                    match names.get(attno as usize - 1) {
                        Some(&expr) if !expr.is_null() => self.operand(home, expr),
                        _ => Operand::default(),
                    }
                }
                Source::Query(inner, instance) => bare(self.output_column(inner, instance, attno)),
                Source::Recursive(outer, instance) => {
                    bare(self.recursive_column(outer, instance, attno))
                }
            }
        }
    }

    unsafe fn computed_all(&mut self, scope: ScopeId, exprs: &[Node]) -> Operand {
        let mut all = Operand::default();
        for &expr in exprs.iter().filter(|e| !e.is_null()) {
            // SAFETY: passed on from the caller.
            let one = unsafe { self.operand(scope, expr) };
            all.reads.extend([one.bare, one.fields, one.reads].concat());
            all.series |= one.series;
        }
        all
    }

    /// What a function, VALUES or other computed entry's column is made of.
    unsafe fn describe(&mut self, scope: ScopeId, rtindex: i32, column: ColumnId) {
        let ColumnFacts {
            instance, attno, ..
        } = self.statement.columns[column];
        let Instance {
            kind,
            relid,
            ref target,
            ..
        } = self.statement.instances[instance];
        if kind == InstanceKind::Relation {
            if target.is_some() && attno > 0 {
                let made_of = generated_from(relid.into(), attno);
                let made_of = made_of.into_iter();
                let made_of = made_of
                    .map(|a| self.statement.column(instance, a))
                    .collect();
                self.statement.columns[column].generated_from = made_of;
            }
            return;
        }
        // SAFETY: passed on from the caller; the parts are expressions of that scope's query.
        unsafe {
            let made = self.entry_column(scope, rtindex, attno);
            let facts = &mut self.statement.columns[column];
            facts.sources = made.bare;
            facts.reads = [made.fields, made.reads].concat();
            facts.kin = made.kin;
            facts.series = made.series;
            self.pending.extend(made.bodies);
        }
    }

    /// A subquery's output as a column: the stored column itself when it is passed on unchanged.
    unsafe fn output_column(
        &mut self,
        inner: ScopeId,
        instance: InstanceId,
        attno: i16,
    ) -> ColumnId {
        if let Some(&known) = self.resolved.get(&(instance, attno)) {
            return known;
        }
        // SAFETY: passed on from the caller.
        let made = unsafe {
            if attno > 0 {
                self.output(inner, attno)
            } else {
                let mut all = Operand::default();
                for number in 1..=self.width(inner) {
                    let one = self.output(inner, number);
                    all.reads.extend([one.bare, one.fields, one.reads].concat());
                    all.series |= one.series;
                }
                all
            }
        };
        self.pending.extend(&made.bodies);
        let column = match made.bare.as_slice() {
            [only]
                if made.reads.is_empty()
                    && made.fields.is_empty()
                    && made.kin.is_empty()
                    && !made.series =>
            {
                *only
            }
            _ => {
                let column = self.statement.column(instance, attno);
                let facts = &mut self.statement.columns[column];
                facts.sources = made.bare;
                facts.reads = [made.fields, made.reads].concat();
                facts.kin = made.kin;
                facts.series = made.series;
                column
            }
        };
        self.resolved.insert((instance, attno), column);
        column
    }

    /// A recursive CTE's own column inside its recursive term: what the first term gives it, and a series when the
    /// recursive term computes it.
    unsafe fn recursive_column(
        &mut self,
        outer: ScopeId,
        instance: InstanceId,
        attno: i16,
    ) -> ColumnId {
        if let Some(&known) = self.resolved.get(&(instance, attno)) {
            return known;
        }
        let column = self.statement.column(instance, attno);
        self.resolved.insert((instance, attno), column);
        // SAFETY: passed on from the caller.
        let made = unsafe { self.output(outer, attno) };
        let facts = &mut self.statement.columns[column];
        facts.sources = made.bare.into_iter().filter(|&c| c != column).collect();
        facts.reads = made.reads.into_iter().filter(|&c| c != column).collect();
        facts.series = made.series;
        column
    }
}

fn bare(column: ColumnId) -> Operand {
    Operand {
        bare: vec![column],
        ..Operand::default()
    }
}

/// The expressions behind a join's or grouping step's columns.
///
/// # Safety
/// `rte` is a valid entry of one of these two kinds.
pub unsafe fn alias_expressions(rte: *mut pg_sys::RangeTblEntry) -> Vec<Node> {
    // SAFETY: the caller passes a valid entry of one of these two kinds.
    unsafe {
        #[cfg(feature = "pg18")]
        if (*rte).rtekind == pg_sys::RTEKind::RTE_GROUP {
            return items((*rte).groupexprs);
        }
        items((*rte).joinaliasvars)
    }
}
