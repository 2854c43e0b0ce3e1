//! Numbers for expressions: what PostgreSQL calls equal has the same one.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use pgrx::pg_sys;

use super::node::{Node, tag, varno};
use super::walk::any_part;

/// A number that expressions alike have in common (equalfuncs.c), and few others.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn likeness(node: Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    // SAFETY: the caller vouches for the expression; its tag says which struct a part is.
    unsafe {
        any_part(node, |part| {
            (tag(part) as u32).hash(&mut hasher);
            match tag(part) {
                pg_sys::NodeTag::T_Var => {
                    let var = part.cast::<pg_sys::Var>();
                    (varno(var), (*var).varattno, (*var).varlevelsup).hash(&mut hasher);
                }
                pg_sys::NodeTag::T_Const => hash_value(part.cast(), &mut hasher),
                pg_sys::NodeTag::T_OpExpr => {
                    let op = part.cast::<pg_sys::OpExpr>();
                    (*op).opno.to_u32().hash(&mut hasher);
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = part.cast::<pg_sys::FuncExpr>();
                    (*call).funcid.to_u32().hash(&mut hasher);
                }
                pg_sys::NodeTag::T_BoolExpr => {
                    (*part.cast::<pg_sys::BoolExpr>()).boolop.hash(&mut hasher);
                }
                pg_sys::NodeTag::T_NullTest => {
                    let test = part.cast::<pg_sys::NullTest>();
                    (*test).nulltesttype.hash(&mut hasher);
                }
                pg_sys::NodeTag::T_Param => {
                    (*part.cast::<pg_sys::Param>()).paramid.hash(&mut hasher)
                }
                _ => {}
            }
            false
        });
    }
    hasher.finish()
}

unsafe fn hash_value(value: *mut pg_sys::Const, hasher: &mut DefaultHasher) {
    // SAFETY: the caller passes a Const, which says how its value is kept.
    unsafe {
        ((*value).consttype.to_u32(), (*value).constisnull).hash(hasher);
        if (*value).constisnull {
            return;
        }
        if (*value).constbyval {
            (*value).constvalue.value().hash(hasher);
        } else if (*value).constlen == -1 {
            let varlena = (*value).constvalue.cast_mut_ptr::<pg_sys::varlena>();
            let length = pgrx::varlena::varsize_any(varlena);
            core::slice::from_raw_parts(varlena.cast::<u8>(), length).hash(hasher);
        }
    }
}
