//! Conditions that hold for every row, however they are written: what is left of one when all that is known of its
//! columns has been put in their place is folded as the planner folds constants, once for every value that columns of a
//! small type can have.

use pgrx::{pg_guard, pg_sys};

use super::fold::own_parts_folded;
use super::node::{Node, folded, items, tag};
use super::pattern::matches_everything;
use super::plain::names_values;
use super::scope::{Gatherer, ScopeId};
use super::values;
use super::walk::{any_part, calls_foreign, is_larger};
use crate::pg::compat::mutate_expression;
use crate::pg::undone::undone;

/// More combinations of values than this are not gone through.
const MOST_COMBINATIONS: usize = 256;

/// A condition with more parts than this is not asked: planning has to stay quick.
const MOST_PARTS: usize = 2000;

struct Known {
    gatherer: *mut core::ffi::c_void,
    scope: ScopeId,
    /// The columns of small types.
    few: Vec<Node>,
    /// How many calls of functions that are not PostgreSQL's have been put out of reach.
    foreign: i32,
}

/// Columns with a value in their place.
struct Given<'a> {
    columns: &'a [Node],
    values: Vec<Node>,
}

impl Gatherer<'_> {
    /// Is the condition known to hold for every row?
    ///
    /// # Safety
    /// `node` is a valid boolean expression of that scope's query.
    pub unsafe fn always(&mut self, scope: ScopeId, node: Node) -> bool {
        // SAFETY: the caller vouches for the expression, which is copied before anything is put into it.
        unsafe {
            if !self.sublinks.is_empty()
                || self.pinned.contains(&scope)
                || names_values(node) && !self.names_what_is_checked(scope, node)
                || pg_sys::contain_volatile_functions(node)
            {
                return false;
            }
            if is_larger(node, MOST_PARTS) {
                return undone(|| self.denies_two_at_length(scope, node)).unwrap_or(false);
            }
            // A division by zero, say, for a value that is not there.
            undone(|| self.holds_always(scope, node)).unwrap_or(false)
        }
    }

    unsafe fn holds_always(&mut self, scope: ScopeId, node: Node) -> bool {
        // SAFETY: passed on from `always`.
        unsafe {
            let mut known = Known {
                gatherer: (self as *mut Self).cast(),
                scope,
                few: Vec::new(),
                foreign: 0,
            };
            let copy = pg_sys::copyObjectImpl(node.cast()).cast();
            let copy = own_parts_folded(copy);
            // As before folding, even of a column that may be null.
            if matches_everything(copy) {
                return true;
            }
            let simpler = simplified(copy, (&raw mut known).cast());
            if folded(simpler) == Some(Some(true))
                || self.checked(scope, simpler)
                || self.covered(scope, simpler)
            {
                return true;
            }
            if known.few.is_empty() {
                return false;
            }
            let choices: Option<Vec<_>> = known
                .few
                .iter()
                .map(|&column| {
                    let of = pg_sys::exprType(column);
                    let mut all = self.values_of(of)?;
                    if !self.never_null(scope, column) {
                        all.push(values::null(of));
                    }
                    Some(all)
                })
                .collect();
            choices.is_some_and(|c| {
                combinations(&c) <= MOST_COMBINATIONS && holds_for_all(simpler, &known.few, &c)
            })
        }
    }
}

impl Gatherer<'_> {
    /// Every value of that type, read once for the statement.
    fn values_of(&mut self, of: pg_sys::Oid) -> Option<Vec<Node>> {
        let known = self.values.entry(of.to_u32());
        known.or_insert_with(|| values::of_type(of)).clone()
    }
}

fn combinations(choices: &[Vec<Node>]) -> usize {
    let numbers = choices.iter().map(Vec::len);
    numbers.fold(1, usize::saturating_mul)
}

unsafe fn holds_for_all(condition: Node, columns: &[Node], choices: &[Vec<Node>]) -> bool {
    // SAFETY: the caller passes a valid expression, which stays as it is: mutators make copies.
    (0..combinations(choices)).all(|number| unsafe {
        let mut rest = number;
        let values = choices
            .iter()
            .map(|all| {
                let value = all[rest % all.len()];
                rest /= all.len();
                value
            })
            .collect();
        let mut given = Given { columns, values };
        let with_values = put(condition, (&raw mut given).cast());
        folded(with_values) == Some(Some(true))
    })
}

/// What its own columns do not decide: the results of subqueries and aggregates.
unsafe fn is_opaque(node: Node) -> bool {
    // SAFETY: the caller passes a valid node.
    unsafe {
        matches!(
            tag(node),
            pg_sys::NodeTag::T_SubLink
                | pg_sys::NodeTag::T_Aggref
                | pg_sys::NodeTag::T_WindowFunc
                | pg_sys::NodeTag::T_GroupingFunc
        )
    }
}

/// `simplified`, for PostgreSQL to call. Rust calls that one: a guard that nobody but Rust is outside of raises an error past
/// whoever would catch it.
#[pg_guard]
unsafe extern "C-unwind" fn simplified_part(node: Node, context: *mut core::ffi::c_void) -> Node {
    // SAFETY: passed on from `simplified`.
    unsafe { simplified(node, context) }
}

unsafe fn simplified(node: Node, context: *mut core::ffi::c_void) -> Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: `always` passes its own Known, whose gatherer it has lent, and a copy; mutators pass valid nodes.
    unsafe {
        if is_opaque(node) {
            return node;
        }
        let known = &mut *context.cast::<Known>();
        if tag(node) == pg_sys::NodeTag::T_Var {
            let small = values::is_small(pg_sys::exprType(node));
            let new = |few: &[Node]| !few.iter().any(|&f| pg_sys::equal(f.cast(), node.cast()));
            if small && new(&known.few) {
                known.few.push(node);
            }
            return node;
        }
        // Its inner expression is evaluated with the array, and so has to be whole.
        if tag(node) == pg_sys::NodeTag::T_ArrayCoerceExpr
            && any_part(node, |part| calls_foreign(part))
        {
            return known.out_of_reach(node);
        }
        let node = mutate_expression(node, simplified_part, context);
        let known = &mut *context.cast::<Known>();
        let gatherer = &mut *known.gatherer.cast::<Gatherer<'_>>();
        match gatherer.simpler(known.scope, node) {
            Some(simpler) => simpler,
            None if calls_foreign(node) => known.out_of_reach(node),
            None => node,
        }
    }
}

impl Known {
    /// Something unknown of the expression's type. Functions that are not PostgreSQL's are not called with values that no
    /// row may have: who knows what they do.
    unsafe fn out_of_reach(&mut self, node: Node) -> Node {
        self.foreign += 1;
        // SAFETY: the node is PostgreSQL's to allocate; the caller passes a valid expression.
        unsafe {
            let param: *mut pg_sys::Param = pg_sys::palloc0(size_of::<pg_sys::Param>()).cast();
            (*param).xpr.type_ = pg_sys::NodeTag::T_Param;
            (*param).paramkind = pg_sys::ParamKind::PARAM_EXEC;
            (*param).paramid = -self.foreign;
            (*param).paramtype = pg_sys::exprType(node);
            (*param).paramtypmod = pg_sys::exprTypmod(node);
            (*param).paramcollid = pg_sys::exprCollation(node);
            (*param).location = -1;
            param.cast()
        }
    }
}

/// `put`, for PostgreSQL to call.
#[pg_guard]
unsafe extern "C-unwind" fn put_part(node: Node, context: *mut core::ffi::c_void) -> Node {
    // SAFETY: passed on from `put`.
    unsafe { put(node, context) }
}

unsafe fn put(node: Node, context: *mut core::ffi::c_void) -> Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: `holds_for_all` passes its own Given; mutators pass valid nodes.
    unsafe {
        if is_opaque(node) {
            return node;
        }
        let given = &*context.cast::<Given<'_>>();
        if tag(node) == pg_sys::NodeTag::T_Var {
            let mut columns = given.columns.iter();
            let at = columns.position(|&c| pg_sys::equal(c.cast(), node.cast()));
            return at.map_or(node, |at| given.values[at]);
        }
        let node = mutate_expression(node, put_part, context);
        match reads_labels(node) {
            true => {
                let of = pg_sys::exprType(node);
                let collation = pg_sys::exprCollation(node);
                let typmod = pg_sys::exprTypmod(node);
                pg_sys::evaluate_expr(node.cast(), of, typmod, collation).cast()
            }
            false => node,
        }
    }
}

/// What an enum is called is stable only because it can be renamed, so that folding leaves it alone.
unsafe fn reads_labels(node: Node) -> bool {
    // SAFETY: the caller passes a valid node; its tag says which struct it is.
    unsafe {
        let constant = |n: Node| tag(n) == pg_sys::NodeTag::T_Const;
        match tag(node) {
            pg_sys::NodeTag::T_CoerceViaIO => {
                let arg: Node = (*node.cast::<pg_sys::CoerceViaIO>()).arg.cast();
                constant(arg)
                    && pg_sys::get_typtype(pg_sys::exprType(arg)) as u8 == pg_sys::TYPTYPE_ENUM
            }
            pg_sys::NodeTag::T_FuncExpr => {
                let function = node.cast::<pg_sys::FuncExpr>();
                [
                    pg_sys::F_ENUM_RANGE_ANYENUM,
                    pg_sys::F_ENUM_RANGE_ANYENUM_ANYENUM,
                    pg_sys::F_ENUM_FIRST,
                    pg_sys::F_ENUM_LAST,
                ]
                .contains(&(*function).funcid.to_u32())
                    && items((*function).args).into_iter().all(constant)
            }
            _ => false,
        }
    }
}
