//! Conditions that hold for every row, however they are written.

use pgrx::pg_sys;

use super::columns::alias_expressions;
use super::lossless::strip;
use super::node::{Node, items, tag, varno};
use super::output::outputs;
use super::scope::{Gatherer, ScopeId, Source};

/// More arms than this are not compared with each other for `x OR NOT x`.
const MOST_ARMS: usize = 12;

impl Gatherer<'_> {
    /// Is it a stored column that is NOT NULL, where no outer join makes it so? The whole row is never null either.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query.
    pub unsafe fn never_null(&mut self, scope: ScopeId, node: Node) -> bool {
        // SAFETY: passed on from the caller: an expression of that scope's query.
        unsafe {
            let node = strip(node);
            if tag(node) != pg_sys::NodeTag::T_Var {
                return false;
            }
            let var = node.cast::<pg_sys::Var>();
            let home = self.up(scope, (*var).varlevelsup);
            if self.is_nullable(home, varno(var)) {
                return false;
            }
            let rte = self.rte(home, varno(var));
            match self.source(home, varno(var)) {
                Source::Columns(_) if (*rte).rtekind == pg_sys::RTEKind::RTE_RELATION => {
                    (*var).varattno <= 0 || is_not_null((*rte).relid, (*var).varattno)
                }
                Source::Query(inner, _) => {
                    let query = self.scopes[inner].query;
                    let plain = (*query).setOperations.is_null() && (*query).groupingSets.is_null();
                    let output = outputs(query)
                        .into_iter()
                        .find(|&t| (*t).resno == (*var).varattno);
                    plain && output.is_some_and(|t| self.never_null(inner, (*t).expr.cast()))
                }
                Source::Alias if (*var).varattno > 0 => {
                    let names = alias_expressions(rte);
                    names
                        .get((*var).varattno as usize - 1)
                        .is_some_and(|&n| !n.is_null() && self.never_null(home, n))
                }
                _ => false,
            }
        }
    }
}

fn is_not_null(relid: pg_sys::Oid, attno: i16) -> bool {
    // SAFETY: ATTNUM takes a relation's OID and an attribute number; the tuple is released after its one use.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ATTNUM as i32;
        let tuple = pg_sys::SearchSysCache2(cache, relid.into(), pg_sys::Datum::from(attno));
        if tuple.is_null() {
            return false;
        }
        let not_null =
            (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>()).attnotnull;
        pg_sys::ReleaseSysCache(tuple);
        not_null
    }
}

/// `column operator ...`: folding constants can't decide it, so don't try.
///
/// # Safety
/// The expressions are valid and not yet planned.
pub unsafe fn reads_plain_column(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression.
    unsafe {
        tag(node) == pg_sys::NodeTag::T_Var
            || (tag(node) == pg_sys::NodeTag::T_OpExpr
                && items::<pg_sys::Node>((*node.cast::<pg_sys::OpExpr>()).args)
                    .iter()
                    .any(|&a| tag(strip(a)) == pg_sys::NodeTag::T_Var))
    }
}

/// `x LIKE '%'`.
///
/// # Safety
/// The expressions are valid and not yet planned.
pub unsafe fn matches_everything(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; a text constant that is not null is a varlena.
    unsafe {
        if tag(node) != pg_sys::NodeTag::T_OpExpr {
            return false;
        }
        let op = node.cast::<pg_sys::OpExpr>();
        let args = items::<pg_sys::Node>((*op).args);
        let like =
            [pg_sys::OID_TEXT_LIKE_OP, pg_sys::OID_TEXT_ICLIKE_OP].contains(&(*op).opno.to_u32());
        let [_, right] = args.as_slice() else {
            return false;
        };
        if !like || tag(*right) != pg_sys::NodeTag::T_Const {
            return false;
        }
        let pattern = right.cast::<pg_sys::Const>();
        if (*pattern).constisnull {
            return false;
        }
        let text = pg_sys::text_to_cstring((*pattern).constvalue.cast_mut_ptr());
        let bytes = core::ffi::CStr::from_ptr(text).to_bytes();
        !bytes.is_empty() && bytes.iter().all(|&b| b == b'%')
    }
}

/// Is one arm the negation of another (`x IS NULL OR x IS NOT NULL`)?
///
/// # Safety
/// The expressions are valid and not yet planned.
pub unsafe fn complementary(arms: &[Node]) -> bool {
    if arms.len() > MOST_ARMS {
        return false;
    }
    // SAFETY: the arms are boolean expressions; negate_clause works on copies (prepqual.c).
    unsafe {
        arms.iter().enumerate().any(|(i, &arm)| {
            let negation = pg_sys::negate_clause(pg_sys::copyObjectImpl(arm.cast()).cast());
            arms.iter()
                .enumerate()
                .any(|(j, &other)| i != j && pg_sys::equal(negation.cast(), other.cast()))
        })
    }
}
