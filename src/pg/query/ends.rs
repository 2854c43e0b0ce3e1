//! The least and the greatest values of types: no stored value lies beyond them.

use core::ffi::CStr;

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, tag};

/// Is it the least value of its type? An empty array is, and every array contains it.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn is_least(node: Node) -> bool {
    // SAFETY: passed on from the caller; a varlena that is not null has a length.
    unsafe {
        let Some((base, value)) = constant(node) else {
            return false;
        };
        let pointer = value.cast_mut_ptr::<pg_sys::varlena>();
        match base {
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::BYTEAOID => {
                pgrx::varlena::varsize_any_exhdr(pointer) == 0
            }
            _ if is_citext(base) => pgrx::varlena::varsize_any_exhdr(pointer) == 0,
            _ if pg_sys::get_element_type(base) != pg_sys::InvalidOid => {
                (*pg_sys::pg_detoast_datum(pointer).cast::<pg_sys::ArrayType>()).ndim == 0
            }
            _ => ends(base).is_some_and(|(least, _)| printed(base, value) == least),
        }
    }
}

/// Is it the greatest value of its type?
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn is_greatest(node: Node) -> bool {
    // SAFETY: passed on from the caller.
    unsafe {
        constant(node).is_some_and(|(base, value)| {
            ends(base).is_some_and(|(_, greatest)| printed(base, value) == greatest)
        })
    }
}

/// Is it the type of the module citext, which compares as text does in lower case?
fn is_citext(oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups of a type that exists.
    unsafe {
        oid.to_u32() >= pg_sys::FirstNormalObjectId && {
            let module = pg_sys::getExtensionOfObject(pg_sys::TypeRelationId, oid);
            module != pg_sys::InvalidOid
                && module == pg_sys::get_extension_oid(c"citext".as_ptr(), true)
        }
    }
}

/// As they are printed, whatever the session's settings.
fn ends(base: pg_sys::Oid) -> Option<(&'static CStr, &'static CStr)> {
    Some(match base {
        pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID | pg_sys::INTERVALOID => {
            (c"-infinity", c"infinity")
        }
        pg_sys::TIMEOID => (c"00:00:00", c"24:00:00"),
        // NaN comes after infinity.
        pg_sys::FLOAT4OID | pg_sys::FLOAT8OID | pg_sys::NUMERICOID => (c"-Infinity", c"NaN"),
        pg_sys::TIDOID => (c"(0,0)", c"(4294967295,65535)"),
        pg_sys::UUIDOID => (
            c"00000000-0000-0000-0000-000000000000",
            c"ffffffff-ffff-ffff-ffff-ffffffffffff",
        ),
        _ => return None,
    })
}

/// The base type and the value of a constant that is not null.
unsafe fn constant(node: Node) -> Option<(pg_sys::Oid, pg_sys::Datum)> {
    // SAFETY: the caller passes a valid expression; the tag says that it is a Const.
    unsafe {
        let node = strip(node);
        if tag(node) != pg_sys::NodeTag::T_Const || (*node.cast::<pg_sys::Const>()).constisnull {
            return None;
        }
        let value = node.cast::<pg_sys::Const>();
        Some((pg_sys::getBaseType((*value).consttype), (*value).constvalue))
    }
}

unsafe fn printed(base: pg_sys::Oid, value: pg_sys::Datum) -> &'static CStr {
    // SAFETY: the caller passes a value of that type, which its output function prints into memory of the statement's.
    unsafe {
        let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo(base, &mut output, &mut varlena);
        CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value))
    }
}
