//! Labels of enums in `expendable` expressions. They are written by their names, which their owner may exchange.

use super::nodes::{any, holds, members};
use super::uses::{Search, policies};
use crate::pg::encoding;
use crate::pg::query::elements::elements;
use crate::registry::{Policy, Registry};
use pgrx::pg_sys::{self, Datum, Node, NodeTag, Oid};
use std::rc::Rc;

/// The policies for which it makes a difference how a label of the enum is called: they name it, or they read labels as
/// text or from text.
pub fn reading_label(
    registry: &Registry,
    enumeration: Oid,
    old: &str,
    new: &str,
) -> Vec<Rc<Policy>> {
    let written = |text: &str, label: &str| text.contains(&label.replace('\'', "''"));
    let named = |text: &str| written(text, old) || written(text, new);
    let label = label(enumeration, old);
    // What an array's text puts before these characters is not looked for.
    let escaped = [old, new].iter().any(|label| label.contains(['"', '\\']));
    let search = Search {
        all: true,
        text: &named,
    };
    policies(registry, search, |policy, tree| {
        let text = policy.expendable.as_deref().unwrap_or_default();
        let inside = escaped || named(text);
        // SAFETY: the nodes are those of an analysed expression.
        any(tree, &|node| unsafe {
            reads_text(node, enumeration) || is_label(node, enumeration, label, inside)
        })
    })
}

/// The OID of an enum's label.
fn label(enumeration: Oid, name: &str) -> Option<Oid> {
    let name = encoding::c_string(name);
    // SAFETY: a syscache look-up by type and C string; the row begins with its OID and is read before it is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ENUMTYPOIDNAME as i32;
        let key = Datum::from(name.as_ptr());
        let tuple = pg_sys::SearchSysCache2(cache, Datum::from(enumeration), key);
        if tuple.is_null() {
            return None;
        }
        let oid = (*(pg_sys::GETSTRUCT(tuple) as *const pg_sys::FormData_pg_enum)).oid;
        pg_sys::ReleaseSysCache(tuple);
        Some(oid)
    }
}

/// Whether the node is a constant that is the label, or an array of it. `inside`: what to say of other constants that hold
/// values of the enum, which are not taken apart.
///
/// # Safety
/// As for `nodes::uses`.
unsafe fn is_label(node: *mut Node, enumeration: Oid, label: Option<Oid>, inside: bool) -> bool {
    // SAFETY: the caller vouches for the node; casts follow its tag, and a constant of an enum is its label's OID.
    unsafe {
        if (*node).type_ != NodeTag::T_Const || (*(node as *mut pg_sys::Const)).constisnull {
            return false;
        }
        let constant = &*(node as *mut pg_sys::Const);
        let base = pg_sys::getBaseType(constant.consttype);
        if base == enumeration {
            return label == Some(Oid::from_u32(constant.constvalue.value() as u32));
        }
        if pg_sys::get_element_type(base) == enumeration {
            let is = |node: *mut Node| is_label(node, enumeration, label, inside);
            return elements(node).is_none_or(|elements| elements.into_iter().any(is));
        }
        inside && holds(node, enumeration)
    }
}

/// Whether the node may read a value of the enum as text, or make one of a text: a function, an output or an input, not a
/// comparison of two such values.
///
/// # Safety
/// As for `nodes::uses`.
unsafe fn reads_text(node: *mut Node, enumeration: Oid) -> bool {
    // SAFETY: the caller vouches for the node; casts follow its tag.
    unsafe {
        match (*node).type_ {
            NodeTag::T_CoerceViaIO => {
                let text = (*(node as *mut pg_sys::CoerceViaIO)).arg.cast();
                holds(text, enumeration) || holds(node, enumeration)
            }
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
