//! What an `expendable` expression is built of: who changes that changes which rows count.

use super::read;
use crate::ddl::object::Address;
use crate::pg::catalog::OpenRelation;
use crate::pg::settings::OwnSettings;
use crate::pg::undone::undone;
use crate::pg::{objects, raw, types};
use crate::registry::{Policy, Registry};
use pgrx::pg_sys::{self, CoercionForm, Node, NodeTag, Oid};
use std::collections::HashMap;
use std::ffi::c_void;
use std::rc::Rc;

/// The policies whose expression calls the function, is told by the operator or the cast, or names the type or the
/// collation.
pub fn built_of(registry: &Registry, object: Address) -> Vec<Rc<Policy>> {
    // What initdb made is nobody's to change, short of a superuser who edits the catalogs.
    if object.oid.to_u32() < pg_sys::FirstNormalObjectId {
        return Vec::new();
    }
    // SAFETY: the nodes are those of an analysed expression.
    let uses = |node| unsafe { uses(node, object) };
    policies(registry, |_, tree| any(tree, &uses))
}

/// The policies whose expression calls a function of the same name and schema, or uses such an operator: by the types of
/// its arguments, what is looked up by name may become the new one.
pub fn overloaded_by(registry: &Registry, object: Address) -> Vec<Rc<Policy>> {
    let Some(made) = objects::named(object.class, object.oid) else {
        return Vec::new();
    };
    let called = |oid: Oid| objects::named(object.class, oid).is_some_and(|used| used == made);
    let function = object.class == pg_sys::ProcedureRelationId;
    // SAFETY: the nodes are those of an analysed expression.
    let uses = |node: *mut Node| unsafe {
        if function {
            calls(node, &called)
        } else {
            operators(node).into_iter().any(&called)
        }
    };
    policies(registry, |_, tree| any(tree, &uses))
}

/// The policies whose expression converts from one type to another as a new cast does: by its function from now on, where it
/// was done by their texts.
pub fn converting(registry: &Registry, new_cast: Oid) -> Vec<Rc<Policy>> {
    let Some(made) = objects::cast(new_cast) else {
        return Vec::new();
    };
    // SAFETY: the nodes are those of an analysed expression.
    let converts = |node| unsafe { cast(node) == Some(made) };
    policies(registry, |_, tree| any(tree, &converts))
}

/// Whether any policy has such an expression.
pub fn concern(registry: &Registry) -> bool {
    let mut policies = registry.tables().flat_map(|table| &table.policies);
    policies.any(|policy| policy.expendable.is_some())
}

/// The policies whose expression, as it is read now, is `wanted`. One that cannot be read is built of nothing any more.
pub(super) fn policies(
    registry: &Registry,
    wanted: impl Fn(&Policy, *mut Node) -> bool,
) -> Vec<Rc<Policy>> {
    let mut found: HashMap<Oid, Rc<Policy>> = HashMap::new();
    for policy in registry.tables().flat_map(|table| &table.policies) {
        // What is not built in is written with its schema, or done to a column of such a type: for other expressions no
        // table needs to be locked.
        let text = policy.expendable.as_deref().unwrap_or_default();
        let outside =
            text.contains('.') || (!text.is_empty() && types::has_own_types(policy.relid));
        if !outside || found.contains_key(&policy.relid) {
            continue;
        }
        if read_with(policy, |tree| wanted(policy, tree)) == Some(true) {
            found.insert(policy.relid, policy.clone());
        }
    }
    let mut found: Vec<Rc<Policy>> = found.into_values().collect();
    found.sort_by_key(|policy| policy.relid.to_u32());
    found
}

/// What `work` makes of the policy's expression; `None` where PostgreSQL cannot read that any more.
fn read_with<R>(policy: &Policy, work: impl Fn(*mut Node) -> R) -> Option<R> {
    let text = policy.expendable.as_ref()?;
    undone(|| {
        let _pinned = OwnSettings::pinned();
        let relation = OpenRelation::open(policy.relid, pg_sys::AccessShareLock)?;
        // SAFETY: the relation is open.
        Some(work(unsafe { read::analyse(text, relation.0) }))
    })
    .flatten()
}

/// Whether the policy's expression can still be read.
pub fn is_readable(policy: &Policy) -> bool {
    policy.expendable.is_none() || read_with(policy, |_| ()).is_some()
}

/// # Safety
/// `node` must be a node of an analysed expression.
unsafe fn uses(node: *mut Node, object: Address) -> bool {
    let Address { class, oid, .. } = object;
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        if class == pg_sys::ProcedureRelationId {
            calls(node, &|function| function == oid)
        } else if class == pg_sys::OperatorRelationId {
            operators(node).contains(&oid)
        } else if class == pg_sys::TypeRelationId {
            writes_type(node) && holds(node, oid)
        } else if class == pg_sys::CollationRelationId {
            is_value(node) && pg_sys::exprCollation(node) == oid
        } else {
            class == objects::CAST_RELATION
                && cast(node).is_some_and(|(source, target)| {
                    pg_sys::get_cast_oid(source, target, true) == oid
                })
        }
    }
}

/// # Safety
/// As for `uses`.
unsafe fn calls(node: *mut Node, is_wanted: &dyn Fn(Oid) -> bool) -> bool {
    let mut wanted = is_wanted;
    // SAFETY: the caller vouches for the node; `wanted` outlives the call.
    unsafe { pg_sys::check_functions_in_node(node, Some(check), (&raw mut wanted).cast()) }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(function: Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is what `calls` passes.
    unsafe { (*(context as *mut &dyn Fn(Oid) -> bool))(function) }
}

/// # Safety
/// As for `uses`.
unsafe fn operators(node: *mut Node) -> Vec<Oid> {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        match (*node).type_ {
            NodeTag::T_OpExpr | NodeTag::T_DistinctExpr | NodeTag::T_NullIfExpr => {
                vec![(*(node as *mut pg_sys::OpExpr)).opno]
            }
            NodeTag::T_ScalarArrayOpExpr => vec![(*(node as *mut pg_sys::ScalarArrayOpExpr)).opno],
            NodeTag::T_RowCompareExpr => {
                crate::pg::catalog::oid_list((*(node as *mut pg_sys::RowCompareExpr)).opnos)
            }
            _ => Vec::new(),
        }
    }
}

/// From which type to which, where the node converts a value.
///
/// # Safety
/// As for `uses`.
unsafe fn cast(node: *mut Node) -> Option<(Oid, Oid)> {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        let source = match (*node).type_ {
            NodeTag::T_FuncExpr => {
                let call = node as *mut pg_sys::FuncExpr;
                let converts = matches!(
                    (*call).funcformat,
                    CoercionForm::COERCE_EXPLICIT_CAST | CoercionForm::COERCE_IMPLICIT_CAST
                );
                if !converts {
                    return None;
                }
                raw::list_nth((*call).args, 0) as *mut Node
            }
            NodeTag::T_RelabelType => (*(node as *mut pg_sys::RelabelType)).arg.cast(),
            NodeTag::T_CoerceViaIO => (*(node as *mut pg_sys::CoerceViaIO)).arg.cast(),
            _ => return None,
        };
        Some((pg_sys::exprType(source), pg_sys::exprType(node)))
    }
}

/// Whether the node is written with its type's name.
///
/// # Safety
/// As for `uses`.
unsafe fn writes_type(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    unsafe {
        matches!(
            (*node).type_,
            NodeTag::T_Const
                | NodeTag::T_ArrayCoerceExpr
                | NodeTag::T_CoerceToDomain
                | NodeTag::T_ConvertRowtypeExpr
                | NodeTag::T_RowExpr
                | NodeTag::T_ArrayExpr
        ) || cast(node).is_some()
    }
}

/// Whether exprType() and exprCollation() know the node: lists and parts of CASE are walked, too.
///
/// # Safety
/// As for `uses`.
unsafe fn is_value(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node.
    let tag = unsafe { (*node).type_ };
    !matches!(
        tag,
        NodeTag::T_List | NodeTag::T_OidList | NodeTag::T_IntList | NodeTag::T_CaseWhen
    )
}

/// Whether the node's value holds values of the type.
///
/// # Safety
/// As for `uses`.
pub(super) unsafe fn holds(node: *mut Node, type_oid: Oid) -> bool {
    // SAFETY: the caller vouches for the node, which has a type.
    unsafe { is_value(node) && types::holds(pg_sys::exprType(node), &[type_oid]) }
}

/// # Safety
/// `list` must be NIL or a live List of nodes.
pub(super) unsafe fn members(list: *mut pg_sys::List) -> impl Iterator<Item = *mut Node> {
    // SAFETY: the caller vouches for the list.
    unsafe { (0..raw::list_length(list)).map(move |n| raw::list_nth(list, n) as *mut Node) }
}

/// Whether any node of the expression is `wanted`.
pub(super) fn any(tree: *mut Node, wanted: &dyn Fn(*mut Node) -> bool) -> bool {
    let mut wanted = wanted;
    // SAFETY: `read_with` passes an analysed expression; `wanted` outlives the walk.
    unsafe { walk(tree, (&raw mut wanted).cast()) }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut Node, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL's walkers pass NULL or live nodes; the context is what `any` passes.
    unsafe {
        !node.is_null()
            && ((*(context as *mut &dyn Fn(*mut Node) -> bool))(node)
                || pg_sys::expression_tree_walker(node, Some(walk), context))
    }
}
