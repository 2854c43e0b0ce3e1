//! What an UPDATE assigns, and what an upsert infers by.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use crate::judge::statement::Assignment;

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
                vars(
                    pg_sys::RelationGetIndexExpressions(relation).cast(),
                    &mut columns,
                );
                pg_sys::index_close(relation, pg_sys::AccessShareLock as i32);
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

/// What an UPDATE's target list assigns.
///
/// # Safety
/// `list` is a valid target list for that relation, which the statement has locked.
pub unsafe fn assignments(relid: pg_sys::Oid, list: *mut pg_sys::List) -> Vec<Assignment> {
    // SAFETY: a target list holds TargetEntry nodes; the target is locked by the statement.
    unsafe {
        let entries = items::<pg_sys::TargetEntry>(list)
            .into_iter()
            .filter(|&t| !(*t).resjunk);
        entries
            .map(|entry| Assignment {
                attno: (*entry).resno,
                clears: clears(relid, (*entry).resno, (*entry).expr.cast()),
            })
            .collect()
    }
}

/// Does the assignment leave NULL, the column's constant default, or an empty value?
unsafe fn clears(relid: pg_sys::Oid, attno: i16, expr: Node) -> bool {
    // SAFETY: folding works on a copy; the relation is locked by the statement and its entry closed again.
    unsafe {
        if tag(expr) == pg_sys::NodeTag::T_SetToDefault {
            return true;
        }
        let Some(value) = folded(expr) else {
            return false;
        };
        if (*value).constisnull || is_empty(value) {
            return true;
        }
        let relation = pg_sys::RelationIdGetRelation(relid);
        if relation.is_null() {
            return false;
        }
        let default = pg_sys::build_column_default(relation, attno.into());
        pg_sys::RelationClose(relation);
        if default.is_null() {
            return false;
        }
        folded(default).is_some_and(|default| pg_sys::equal(default.cast(), value.cast()))
    }
}

unsafe fn folded(expr: Node) -> Option<*mut pg_sys::Const> {
    // SAFETY: passed on from the caller; without a root the folding reads only the expression and the catalogs.
    unsafe {
        // Only what could be a constant at all is worth a copy.
        if pg_sys::contain_vars_of_level(expr, 0) || pg_sys::contain_volatile_functions(expr) {
            return None;
        }
        let copy = pg_sys::copyObjectImpl(expr.cast()).cast();
        let mut value = pg_sys::eval_const_expressions(core::ptr::null_mut(), copy);
        while tag(value) == pg_sys::NodeTag::T_CoerceToDomain {
            value = (*value.cast::<pg_sys::CoerceToDomain>()).arg.cast();
        }
        (tag(value) == pg_sys::NodeTag::T_Const).then(|| value.cast())
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
