//! What an UPDATE assigns, and what an upsert infers by.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use crate::judge::statement::Assignment;
use crate::model::ProtectedTarget;
use crate::pg::catalog::OpenRelation;
use crate::pg::folding;

/// The columns of ON CONFLICT's arbiter: those inferred by, or those of the named constraint's index.
///
/// # Safety
/// `conflict` is a valid ON CONFLICT clause of a statement that runs.
pub unsafe fn arbiter(conflict: *mut pg_sys::OnConflictExpr) -> Vec<i16> {
    // SAFETY: inference elements hold expressions over the target (its only relation); an index's relcache entry is
    // closed again, with the lock on the target kept by the statement itself.
    unsafe {
        let mut columns = Vec::new();
        for element in items::<pg_sys::InferenceElem>((*conflict).arbiterElems) {
            vars((*element).expr, &mut columns);
        }
        if (*conflict).constraint != pg_sys::InvalidOid {
            let index = pg_sys::get_constraint_index((*conflict).constraint);
            if index != pg_sys::InvalidOid {
                let relation = pg_sys::index_open(index, pg_sys::AccessShareLock as i32);
                let form = (*relation).rd_index;
                let keys = (*form).indkey.values.as_slice((*form).indnkeyatts as usize);
                columns.extend(keys.iter().filter(|&&a| a != 0));
                let expressions = pg_sys::RelationGetIndexExpressions(relation).cast();
                pg_sys::index_close(relation, pg_sys::AccessShareLock as i32);
                vars(expressions, &mut columns);
            }
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

unsafe fn vars(node: Node, found: &mut Vec<i16>) {
    // SAFETY: the caller passes NULL or a valid expression; PVC flags let everything but plain Vars pass.
    unsafe {
        for var in items::<pg_sys::Var>(pg_sys::pull_var_clause(
            node,
            pg_sys::PVC_RECURSE_PLACEHOLDERS as i32,
        )) {
            found.push((*var).varattno);
        }
    }
}

/// What an UPDATE's target list assigns to the target.
///
/// # Safety
/// `list` is a valid target list for that relation, which the statement has locked.
pub unsafe fn assignments(
    target: &ProtectedTarget,
    relid: pg_sys::Oid,
    list: *mut pg_sys::List,
) -> Vec<Assignment> {
    // Of other columns nobody asks whether they are cleared.
    let fed = |attno: i16| target.fed_columns.iter().any(|f| f.attnum == attno);
    // SAFETY: a target list holds TargetEntry nodes; the target is locked by the statement.
    unsafe {
        let entries = items::<pg_sys::TargetEntry>(list)
            .into_iter()
            .filter(|&t| !(*t).resjunk);
        entries
            .map(|entry| Assignment {
                attno: (*entry).resno,
                clears: fed((*entry).resno) && clears(relid, (*entry).resno, (*entry).expr.cast()),
            })
            .collect()
    }
}

/// Does the assignment leave NULL, the column's constant default, or an empty value?
unsafe fn clears(relid: pg_sys::Oid, attno: i16, expr: Node) -> bool {
    // SAFETY: folding works on a copy; the relation is locked by the statement.
    unsafe {
        if tag(expr) == pg_sys::NodeTag::T_SetToDefault {
            return true;
        }
        let Some(value) = folding::constant(expr) else {
            return false;
        };
        if (*value).constisnull || is_empty(value) {
            return true;
        }
        let Some(relation) = OpenRelation::open(relid, pg_sys::NoLock) else {
            return false;
        };
        let default = pg_sys::build_column_default(relation.0, attno.into());
        drop(relation);
        !default.is_null()
            && folding::constant(default)
                .is_some_and(|default| pg_sys::equal(default.cast(), value.cast()))
    }
}

/// `''`, an empty array, an empty JSON object or array.
unsafe fn is_empty(value: *mut pg_sys::Const) -> bool {
    // SAFETY: the datum is of the constant's type, whose output function makes a C string of it.
    unsafe {
        let base = pg_sys::getBaseType((*value).consttype);
        let array = pg_sys::get_element_type(base) != pg_sys::InvalidOid;
        let json = [pg_sys::JSONOID, pg_sys::JSONBOID].contains(&base);
        let mut output = pg_sys::InvalidOid;
        let mut varlena = false;
        pg_sys::getTypeOutputInfo(base, &mut output, &mut varlena);
        let printed = pg_sys::OidOutputFunctionCall(output, (*value).constvalue);
        let printed = core::ffi::CStr::from_ptr(printed).to_bytes().trim_ascii();
        match printed {
            b"" => true,
            b"{}" => array || json,
            b"[]" => json,
            b"\\x" => base == pg_sys::BYTEAOID,
            _ => false,
        }
    }
}
