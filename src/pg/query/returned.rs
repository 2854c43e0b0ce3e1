//! RETURNING: a column that the statement has just written is what it wrote there.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, items, tag, varno};
use super::scope::{Gatherer, ScopeId};
use super::series::is_among;
use crate::judge::predicate::Operand;

impl Gatherer<'_> {
    /// What is known of an output of the query beyond the columns that it names, where those have just been written: it
    /// counts if a series was written there, and it is near to what was (`kin`). Numbers from a sequence the statement
    /// gives to the rows that it made, which nothing names yet.
    ///
    /// # Safety
    /// `output` is an expression of that scope's output list, and `value` its operand.
    pub unsafe fn with_written(
        &mut self,
        scope: ScopeId,
        output: Node,
        mut value: Operand,
    ) -> Operand {
        // SAFETY: passed on from the caller; a target list holds TargetEntry nodes.
        unsafe {
            for source in self.written(scope, output) {
                if tag(source) == pg_sys::NodeTag::T_FuncExpr
                    && is_among((*source.cast::<pg_sys::FuncExpr>()).funcid, &[c"nextval"])
                {
                    continue;
                }
                let written = self.operand(scope, source);
                let columns = [&written.bare[..], &written.fields, &written.reads].concat();
                value.series |= written.series || columns.iter().any(|&c| self.statement.counts(c));
                value.kin.extend(written.bare);
                value.kin.extend(written.kin);
            }
            value
        }
    }

    /// What the statement writes into the columns of its target that the output names.
    unsafe fn written(&self, scope: ScopeId, output: Node) -> Vec<Node> {
        let query = self.scopes[scope].query;
        // SAFETY: passed on from `with_written`.
        unsafe {
            let writes = [pg_sys::CmdType::CMD_INSERT, pg_sys::CmdType::CMD_UPDATE];
            if !writes.contains(&(*query).commandType) {
                return Vec::new();
            }
            let flags = pg_sys::PVC_RECURSE_PLACEHOLDERS as i32;
            let vars = items::<pg_sys::Var>(pg_sys::pull_var_clause(output, flags));
            vars.into_iter()
                .filter(|&v| varno(v) == (*query).resultRelation && !is_old(v))
                .filter_map(|v| {
                    let mut columns = items::<pg_sys::TargetEntry>((*query).targetList).into_iter();
                    columns.find(|&t| !(*t).resjunk && (*t).resno == (*v).varattno)
                })
                .map(|t| strip((*t).expr.cast()))
                .collect()
        }
    }
}

/// RETURNING old.column: what was there before.
#[cfg(feature = "pg18")]
unsafe fn is_old(var: *mut pg_sys::Var) -> bool {
    // SAFETY: the caller passes a valid Var.
    unsafe { (*var).varreturningtype == pg_sys::VarReturningType::VAR_RETURNING_OLD }
}

#[cfg(not(feature = "pg18"))]
unsafe fn is_old(_: *mut pg_sys::Var) -> bool {
    false
}
