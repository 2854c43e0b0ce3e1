//! What is not written in an `expendable` expression, but in catalogs that it asks: what a text search configuration makes of a
//! text, and which role or schema has a name.

use super::functions::is_built_in;
use super::nodes::is_value;
use crate::pg::objects;
use crate::pg::query::walk::any_part;
use pgrx::pg_sys::{self, Node, NodeTag, Oid};

/// pg_ts_config.h, pg_ts_dict.h: their bindings are missing.
const TS_CONFIG_RELATION: Oid = Oid::from_u32(3602);
const TS_DICTIONARY_RELATION: Oid = Oid::from_u32(3600);

/// Whether a role or a schema is asked for, whose name another one may get by two renames.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn asks_for_a_name(node: *mut Node) -> bool {
    // SAFETY: the caller vouches for the node; a value has a type.
    unsafe {
        any_part(node, |part| {
            let named = [pg_sys::REGROLEOID, pg_sys::REGNAMESPACEOID];
            is_value(part) && named.contains(&pg_sys::exprType(part))
        })
    }
}

/// The first text search configuration or dictionary in an expression that is not PostgreSQL's own, or that the row tells:
/// what it does to a text is in catalogs and files that nothing holds still.
///
/// # Safety
/// `node` must be an analysed expression.
pub unsafe fn own_object(node: *mut Node) -> Option<String> {
    let found = std::cell::Cell::new(None);
    // SAFETY: the caller vouches for the node; a value has a type, and a constant of these types is an OID.
    unsafe {
        any_part(node, |part| {
            if !is_value(part) {
                return false;
            }
            let (class, what) = match pg_sys::exprType(part) {
                pg_sys::REGCONFIGOID => (TS_CONFIG_RELATION, "configuration"),
                pg_sys::REGDICTIONARYOID => (TS_DICTIONARY_RELATION, "dictionary"),
                _ => return false,
            };
            if (*part).type_ != NodeTag::T_Const {
                found.set(Some(format!("a text search {what} that the row names")));
                return true;
            }
            let value = &*(part as *mut pg_sys::Const);
            let oid = Oid::from_u32(value.constvalue.value() as u32);
            let own = !value.constisnull && !is_built_in(oid);
            if own {
                found.set(Some(objects::described(class, oid)));
            }
            own
        });
    }
    found.take()
}
