//! What an expression comes to by what is known of its parts: that they are never null, that they are the same, between
//! which numbers they lie.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, btree_strategy, folds_to, is_own_equality, items, tag};
use super::scope::{Gatherer, ScopeId};

impl Gatherer<'_> {
    /// A simpler expression with the same value in every row; None where none is known.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query that calls no volatile functions.
    pub unsafe fn simpler(&mut self, scope: ScopeId, node: Node) -> Option<Node> {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_OpExpr => self.comparison_known(scope, node.cast()).map(truth),
                pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                    self.lists_itself(scope, node.cast()).then(|| truth(true))
                }
                pg_sys::NodeTag::T_NullTest => {
                    let test = node.cast::<pg_sys::NullTest>();
                    let null = (*test).nulltesttype == pg_sys::NullTestType::IS_NULL;
                    self.never_null(scope, (*test).arg.cast())
                        .then(|| truth(!null))
                }
                pg_sys::NodeTag::T_CoalesceExpr => {
                    let args = items::<pg_sys::Node>((*node.cast::<pg_sys::CoalesceExpr>()).args);
                    let first = *args.first()?;
                    (all_same(&args) || self.never_null(scope, first)).then_some(first)
                }
                pg_sys::NodeTag::T_MinMaxExpr => {
                    let args = items::<pg_sys::Node>((*node.cast::<pg_sys::MinMaxExpr>()).args);
                    all_same(&args).then(|| args[0])
                }
                pg_sys::NodeTag::T_NullIfExpr => {
                    let op = node.cast::<pg_sys::OpExpr>();
                    let args = items::<pg_sys::Node>((*op).args);
                    all_same(&args).then(|| {
                        let of = (*op).opresulttype;
                        pg_sys::makeNullConst(of, -1, (*op).opcollid).cast()
                    })
                }
                pg_sys::NodeTag::T_DistinctExpr => {
                    let op = node.cast::<pg_sys::OpExpr>();
                    all_same(&items((*op).args)).then(|| truth(false))
                }
                pg_sys::NodeTag::T_CaseExpr => {
                    let case = node.cast::<pg_sys::CaseExpr>();
                    let mut results: Vec<Node> = vec![(*case).defresult.cast()];
                    let whens = items::<pg_sys::CaseWhen>((*case).args);
                    results.extend(whens.iter().map(|&w| (*w).result.cast::<pg_sys::Node>()));
                    let any_null = results.iter().any(|r| r.is_null());
                    (!any_null && all_same(&results)).then(|| results[0])
                }
                _ => None,
            }
        }
    }

    /// `x = ANY (ARRAY[x, ...])`
    unsafe fn lists_itself(&mut self, scope: ScopeId, op: *mut pg_sys::ScalarArrayOpExpr) -> bool {
        // SAFETY: passed on from `simpler`; the tag says which struct the list is.
        unsafe {
            let [left, list] = items::<pg_sys::Node>((*op).args)[..] else {
                return false;
            };
            (*op).useOr
                && tag(list) == pg_sys::NodeTag::T_ArrayExpr
                && is_own_equality((*op).opno, pg_sys::exprType(left))
                && items((*list.cast::<pg_sys::ArrayExpr>()).elements)
                    .into_iter()
                    .any(|element| all_same(&[strip(left), strip(element)]))
                && self.never_null(scope, left)
        }
    }

    /// Whether a comparison holds, where that is the same for every row.
    unsafe fn comparison_known(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> Option<bool> {
        // SAFETY: passed on from `simpler`; an OpExpr's arguments are expressions.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return None;
            };
            let of = pg_sys::exprType(*left);
            let strategy = btree_strategy((*op).opno, [of, pg_sys::exprType(*right)]) as u32;
            if all_same(&[strip(*left), strip(*right)]) && self.never_null(scope, *left) {
                let negator = pg_sys::get_negator((*op).opno);
                return match strategy {
                    0 => (btree_strategy(negator, [of, of]) as u32
                        == pg_sys::BTEqualStrategyNumber)
                        .then_some(false),
                    pg_sys::BTLessStrategyNumber | pg_sys::BTGreaterStrategyNumber => Some(false),
                    _ => Some(true),
                };
            }
            let everything = match strategy {
                pg_sys::BTGreaterEqualStrategyNumber => is_empty(*right),
                0 => {
                    (*op).opno.to_u32() == pg_sys::OID_ARRAY_CONTAINS_OP && is_empty(*right)
                        || matches_everything(op.cast())
                }
                _ => false,
            };
            if everything && self.never_null(scope, *left) {
                return Some(true);
            }
            self.decided(scope, op)
        }
    }
}

fn truth(value: bool) -> Node {
    // SAFETY: makeBoolConst allocates.
    unsafe { pg_sys::makeBoolConst(value, false) }
}

unsafe fn all_same(nodes: &[Node]) -> bool {
    // SAFETY: the caller passes valid expressions.
    nodes
        .windows(2)
        .all(|pair| unsafe { pg_sys::equal(pair[0].cast(), pair[1].cast()) })
}

/// Is it the least value of its type, `''` or an empty array, which everything contains, too?
unsafe fn is_empty(node: Node) -> bool {
    // SAFETY: the tag says that it is a Const, and a varlena that is not null has a length.
    unsafe {
        let node = strip(node);
        if tag(node) != pg_sys::NodeTag::T_Const || (*node.cast::<pg_sys::Const>()).constisnull {
            return false;
        }
        let value = node.cast::<pg_sys::Const>();
        let base = pg_sys::getBaseType((*value).consttype);
        let pointer = (*value).constvalue.cast_mut_ptr::<pg_sys::varlena>();
        match base {
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::BYTEAOID => {
                pgrx::varlena::varsize_any_exhdr(pointer) == 0
            }
            _ if pg_sys::get_element_type(base) != pg_sys::InvalidOid => {
                (*pg_sys::pg_detoast_datum(pointer).cast::<pg_sys::ArrayType>()).ndim == 0
            }
            _ => false,
        }
    }
}

/// `x LIKE '%'`, `x ~ '.*'`: a pattern that finds something even in the empty string, and asks for no place to find it at.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn matches_everything(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; a text constant that is not null is a varlena.
    unsafe {
        if tag(node) != pg_sys::NodeTag::T_OpExpr {
            return false;
        }
        let op = node.cast::<pg_sys::OpExpr>();
        let operator = (*op).opno.to_u32();
        let like = [pg_sys::OID_TEXT_LIKE_OP, pg_sys::OID_TEXT_ICLIKE_OP].contains(&operator);
        let regex = [pg_sys::OID_TEXT_REGEXEQ_OP, pg_sys::OID_TEXT_ICREGEXEQ_OP];
        let args = items::<pg_sys::Node>((*op).args);
        let (true, [_, pattern]) = (like || regex.contains(&operator), args.as_slice()) else {
            return false;
        };
        if tag(*pattern) != pg_sys::NodeTag::T_Const
            || (*pattern.cast::<pg_sys::Const>()).constisnull
        {
            return false;
        }
        let datum = (*pattern.cast::<pg_sys::Const>()).constvalue;
        let text = pg_sys::text_to_cstring(datum.cast_mut_ptr());
        let bytes = core::ffi::CStr::from_ptr(text).to_bytes();
        if like {
            return !bytes.is_empty() && bytes.iter().all(|&b| b == b'%');
        }
        // Anchors, escapes and lookahead tell places apart; a leading `*` changes how the rest is read.
        let placed = bytes.iter().any(|b| b"^$\\".contains(b));
        let looks = bytes.windows(2).any(|w| w == b"(?") || bytes.starts_with(b"***");
        !placed && !looks && finds_in_nothing(op, *pattern)
    }
}

unsafe fn finds_in_nothing(op: *mut pg_sys::OpExpr, pattern: Node) -> bool {
    // SAFETY: the new expression has the operator of the one that the caller passes, and two texts as it has.
    unsafe {
        let empty = pg_sys::cstring_to_text(c"".as_ptr());
        let collation = (*op).inputcollid;
        let nothing = pg_sys::makeConst(
            pg_sys::TEXTOID,
            -1,
            collation,
            -1,
            pg_sys::Datum::from(empty),
            false,
            false,
        );
        let found = pg_sys::make_opclause(
            (*op).opno,
            pg_sys::BOOLOID,
            false,
            nothing.cast(),
            pattern.cast(),
            pg_sys::InvalidOid,
            collation,
        );
        folds_to(found.cast()) == Some(Some(true))
    }
}
