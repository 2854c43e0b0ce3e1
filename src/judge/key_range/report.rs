//! Which readings of a key are reported, and which narrow what is pinned around them.

use super::{Context, KeyReading, Walk, Why};
use crate::judge::predicate::{ColumnId, ExprId, InstanceId, Operand, Reading};
use crate::judge::statement::InstanceKind;

impl Walk<'_> {
    /// `reads` are computed with; `named` are used as they are, but may themselves be computed outputs.
    pub fn reads(
        &mut self,
        reads: &[ColumnId],
        named: &[ColumnId],
        why: Reading,
        expr: Option<ExprId>,
        context: &Context,
    ) {
        let mut columns = self.statement.computed_from(&[reads, named].concat());
        columns.extend(reads);
        for column in columns {
            self.range(column, Why::Read(why), expr, context);
        }
    }

    pub fn range(&mut self, column: ColumnId, why: Why, expr: Option<ExprId>, context: &Context) {
        for key in self.classes.keys(column).to_vec() {
            self.report(key, column, why, expr, context);
        }
    }

    pub fn report(
        &mut self,
        key: ColumnId,
        via: ColumnId,
        why: Why,
        expr: Option<ExprId>,
        context: &Context,
    ) {
        let harmless = match &context.barrier {
            // Somebody else's row: only what is pinned out there counts, and then everything in here only narrows.
            Some((_, outer)) if self.outside(key, context) => {
                outer.pins_row_of(self.statement, key)
            }
            _ if self.statement.is_key(via) => context.facts.pins_row_of(self.statement, via),
            _ => {
                let instance = |c: ColumnId| self.statement.columns[c].instance;
                (context.facts.pins(via) || instance(via) == instance(key))
                    && context.facts.pins_row_of(self.statement, key)
            }
        };
        if harmless || self.is_own_reference(key, via) {
            return;
        }
        // An alias is judged by any key it stands for; report the key it is itself, if it is one.
        let key = if self.statement.is_key(via) { via } else { key };
        let reading = KeyReading {
            key,
            why,
            expr,
            conjunction: context.conjunction,
        };
        if !self.found.contains(&reading) {
            self.found.push(reading);
        }
    }

    /// Is `via` a column of the target's own, which merely refers to another table's key? What is said of it is said of the
    /// target's rows, whoever they refer to; the other table's, and what they lead to, are chosen by nothing else.
    fn is_own_reference(&self, key: ColumnId, via: ColumnId) -> bool {
        let statement = self.statement;
        let of = |column: ColumnId| statement.columns[column].instance;
        let relid = |instance: InstanceId| statement.instances[instance].relid;
        let is_target = |instance: InstanceId| {
            let mut targets = statement.targets.iter();
            targets.any(|target| relid(target.instance) == relid(instance))
        };
        let reached = statement.columns[via].generated_from.contains(&key);
        self.own == Some(of(via)) && !statement.is_key(via) && !reached && !is_target(of(key))
    }

    pub fn outside(&self, column: ColumnId, context: &Context) -> bool {
        let depth = self.statement.instances[self.statement.columns[column].instance].depth;
        context
            .barrier
            .as_ref()
            .is_some_and(|(barrier, _)| depth < *barrier)
    }

    pub fn is_column_key(&self, column: ColumnId) -> bool {
        self.statement.columns[column].attno != 0 && self.statement.is_key(column)
    }

    /// Nothing but columns of stored rows, or what is computed from such: an equality of those is a join, not a list of
    /// values.
    pub fn stored(&self, operand: &Operand) -> bool {
        let mut columns = operand.bare.iter().chain(&operand.reads).peekable();
        columns.peek().is_some()
            && !operand.fixed
            && !operand.series
            && operand.bodies.is_empty()
            && columns.all(|&c| self.stored_column(c))
    }

    pub fn stored_column(&self, column: ColumnId) -> bool {
        self.statement.origins(column).iter().all(|&o| {
            self.statement.instances[self.statement.columns[o].instance].kind
                == InstanceKind::Relation
        })
    }
}
