//! Rows named by their whole key: whether such a condition holds for every row as well is not asked, for a table of one
//! row is changed like any other.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, is_own_equality, items, tag, varno};
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::{Operand, Predicate};

impl Gatherer<'_> {
    /// Does the condition name each of its rows by given values of a whole key?
    pub fn names_rows(&self, condition: &Predicate) -> bool {
        match condition {
            Predicate::Equal { .. } => self.covers_key(std::slice::from_ref(condition)),
            Predicate::And(parts) => self.covers_key(parts),
            Predicate::Or(arms) => !arms.is_empty() && arms.iter().all(|a| self.names_rows(a)),
            _ => false,
        }
    }

    fn covers_key(&self, parts: &[Predicate]) -> bool {
        let given = parts.iter().filter_map(|part| {
            let Predicate::Equal { left, right, .. } = part else {
                return None;
            };
            let column = |side: &Operand, other: &Operand| match side.bare[..] {
                [column] if other.is_given() => Some(&self.statement.columns[column]),
                _ => None,
            };
            column(left, right).or_else(|| column(right, left))
        });
        let given: Vec<_> = given
            .map(|column| (column.instance, column.attno))
            .collect();
        given.iter().any(|&(instance, _)| {
            let Some(target) = &self.statement.instances[instance].target else {
                return false;
            };
            let mut keys = target.naming.iter().filter(|key| !key.is_empty());
            keys.any(|key| key.iter().all(|&attno| given.contains(&(instance, attno))))
        })
    }

    /// Do some of these conditions, all of which have to hold, name one row of the only table of the query? Nothing needs
    /// to be known of the others then.
    ///
    /// # Safety
    /// `parts` are valid boolean expressions of that scope's query.
    pub unsafe fn name_one_row(&mut self, scope: ScopeId, parts: &[Node]) -> bool {
        // SAFETY: the caller vouches for the expressions; a range table has entries.
        unsafe {
            let query = self.scopes[scope].query;
            let [rte] = items::<pg_sys::RangeTblEntry>((*query).rtable)[..] else {
                return false;
            };
            if parts.len() < 2 || (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION {
                return false;
            }
            let given: Vec<i16> = parts.iter().filter_map(|&p| given_column(p)).collect();
            if given.is_empty() {
                return false;
            }
            self.target((*rte).relid, (*rte).inh).is_some_and(|target| {
                let mut keys = target.naming.iter().filter(|key| !key.is_empty());
                keys.any(|key| key.iter().all(|attno| given.contains(attno)))
            })
        }
    }
}

/// The column of the query's first table in `column = value`.
unsafe fn given_column(node: Node) -> Option<i16> {
    // SAFETY: the caller passes a valid expression; the tag says which struct it is.
    unsafe {
        if tag(node) != pg_sys::NodeTag::T_OpExpr {
            return None;
        }
        let op = node.cast::<pg_sys::OpExpr>();
        let [left, right] = items::<pg_sys::Node>((*op).args)[..] else {
            return None;
        };
        let given = match tag(strip(right)) {
            pg_sys::NodeTag::T_Const => true,
            pg_sys::NodeTag::T_Param => {
                (*strip(right).cast::<pg_sys::Param>()).paramkind == pg_sys::ParamKind::PARAM_EXTERN
            }
            _ => false,
        };
        let column = left.cast::<pg_sys::Var>();
        let own = given
            && tag(left) == pg_sys::NodeTag::T_Var
            && (*column).varlevelsup == 0
            && varno(column) == 1
            && is_own_equality((*op).opno, (*column).vartype)
            && (*op).inputcollid == (*column).varcollid;
        own.then_some((*column).varattno)
    }
}
