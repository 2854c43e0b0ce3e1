//! Labels of enums in `expendable` expressions. They are written by their names, which their owner may exchange.

use super::uses::{any, holds, members, policies};
use crate::registry::{Policy, Registry};
use pgrx::pg_sys::{self, Node, NodeTag, Oid};
use std::rc::Rc;

/// The policies for which it makes a difference how a label of the enum is called: they name it, or they read labels as
/// text.
pub fn reading_label(
    registry: &Registry,
    enumeration: Oid,
    old: &str,
    new: &str,
) -> Vec<Rc<Policy>> {
    // SAFETY: the nodes are those of an analysed expression.
    let holds = |node: *mut Node| unsafe { holds(node, enumeration) };
    // SAFETY: as above.
    let reads = |node| unsafe { reads_text(node, enumeration) };
    let written = |label: &str| label.replace('\'', "''");
    policies(registry, |policy, tree| {
        let text = policy.expendable.as_deref().unwrap_or_default();
        let names = text.contains(&written(old)) || text.contains(&written(new));
        // What an array's text puts before these characters is not looked for.
        let escaped = [old, new].iter().any(|label| label.contains(['"', '\\']));
        any(tree, &reads) || ((names || escaped) && any(tree, &holds))
    })
}

/// Whether the node may read a value of the enum as text: a function or an output, not a comparison of two such values.
///
/// # Safety
/// As for `uses`.
unsafe fn reads_text(node: *mut Node, enumeration: Oid) -> bool {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        match (*node).type_ {
            NodeTag::T_CoerceViaIO => holds(
                (*(node as *mut pg_sys::CoerceViaIO)).arg.cast(),
                enumeration,
            ),
            NodeTag::T_FuncExpr => members((*(node as *mut pg_sys::FuncExpr)).args)
                .any(|argument| holds(argument, enumeration)),
            NodeTag::T_OpExpr => {
                let operator = node as *mut pg_sys::OpExpr;
                let count = members((*operator).args)
                    .filter(|argument| holds(*argument, enumeration))
                    .count();
                let own = (*operator).opno.to_u32() >= pg_sys::FirstNormalObjectId;
                count > 0 && (own || count < members((*operator).args).count())
            }
            _ => false,
        }
    }
}
