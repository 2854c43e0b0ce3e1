//! Whether ALTER COLUMN TYPE leaves what a restore reads from older images, which have the values' texts: then those go into the
//! column of the new type, and else they would be something else there.

use crate::pg::compat::string_value;
use crate::pg::{catalog, raw};
use pgrx::pg_sys::{self, NodeTag, Oid};

const INTEGERS: [Oid; 3] = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID];
const STRINGS: [Oid; 2] = [pg_sys::TEXTOID, pg_sys::VARCHAROID];
const JSON: [Oid; 2] = [pg_sys::JSONOID, pg_sys::JSONBOID];
/// What any number is read as.
const NUMBERS: [Oid; 3] = [pg_sys::NUMERICOID, pg_sys::FLOAT4OID, pg_sys::FLOAT8OID];

/// Whether values of the first type, cast to the second, are what the second type reads from the first one's text, whatever
/// the session has set. Casts of strings are that by definition; of what they may become, dates have settings.
pub fn is_read_alike(old: Oid, new: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let is_enum = |of: Oid| unsafe { pg_sys::type_is_enum(of) };
    let from = |types: &[Oid]| types.contains(&old);
    let to = |types: &[Oid]| types.contains(&new);
    let others = [pg_sys::BOOLOID, pg_sys::UUIDOID];
    old == new
        || from(&INTEGERS) && (to(&INTEGERS) || to(&NUMBERS) || to(&STRINGS))
        || old == pg_sys::NUMERICOID && (to(&NUMBERS) || to(&STRINGS))
        || from(&STRINGS)
            && (to(&STRINGS)
                || to(&INTEGERS)
                || to(&NUMBERS)
                || to(&JSON)
                || to(&others)
                || is_enum(new))
        || from(&JSON) && (to(&JSON) || to(&STRINGS))
        || (from(&others) || is_enum(old)) && to(&STRINGS)
        || old == pg_sys::DATEOID && new == pg_sys::TIMESTAMPOID
}

/// Whether the command leaves what is read from older images.
///
/// # Safety
/// `command` must be a live ALTER COLUMN TYPE of an existing column.
pub unsafe fn leaves(command: *mut pg_sys::AlterTableCmd, relid: Oid, column: i16) -> bool {
    // SAFETY: `def` is a ColumnDef. PostgreSQL raises for a type that there is not, as the statement would.
    unsafe {
        let definition = (*command).def as *mut pg_sys::ColumnDef;
        let using = (*definition).raw_default;
        let name = catalog::owned((*command).name);
        let new = type_of((*definition).typeName);
        is_cast(using, name.as_deref(), new)
            && is_read_alike(pg_sys::get_atttype(relid, column), new.0)
    }
}

/// # Safety
/// As for `leaves`.
unsafe fn type_of(name: *const pg_sys::TypeName) -> (Oid, i32) {
    let (mut of, mut of_mod) = (pg_sys::InvalidOid, -1);
    // SAFETY: the caller vouches for the node.
    unsafe { pg_sys::typenameTypeIdAndMod(std::ptr::null_mut(), name, &mut of, &mut of_mod) };
    (of, of_mod)
}

/// Whether a USING is not there, or is the column itself or its cast to the new type, as migration tools write it.
///
/// # Safety
/// `using` must be NULL or a live raw expression.
unsafe fn is_cast(using: *mut pg_sys::Node, column: Option<&str>, new: (Oid, i32)) -> bool {
    // SAFETY: node casts follow the tag; a column reference's fields are strings but for a last `*`.
    unsafe {
        if using.is_null() {
            return true;
        }
        match (*using).type_ {
            NodeTag::T_TypeCast => {
                let cast = using as *mut pg_sys::TypeCast;
                let inner = (*cast).arg;
                // One to a length of its own may cut what the column would hold.
                let (of, of_mod) = type_of((*cast).typeName);
                !inner.is_null()
                    && (*inner).type_ == NodeTag::T_ColumnRef
                    && is_cast(inner, column, new)
                    && of == new.0
                    && (of_mod < 0 || of_mod == new.1)
            }
            NodeTag::T_ColumnRef => {
                let fields = (*(using as *mut pg_sys::ColumnRef)).fields;
                let last = raw::list_nth(fields, raw::list_length(fields) - 1);
                let last = last as *mut pg_sys::Node;
                (*last).type_ != NodeTag::T_A_Star
                    && catalog::owned(string_value(last)).as_deref() == column
            }
            _ => false,
        }
    }
}
