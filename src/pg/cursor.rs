//! Which cursor a statement runs WHERE CURRENT OF.

use crate::pg::raw;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// The cursor's name; `None` when the statement has no such condition.
///
/// # Safety
/// `planned` and `params` must be a running statement's.
pub unsafe fn current_of(
    planned: *mut pg_sys::PlannedStmt,
    params: pg_sys::ParamListInfo,
) -> Option<CString> {
    // SAFETY: the caller vouches for both.
    unsafe {
        // A data-modifying CTE is a plan of its own.
        let subplans = (*planned).subplans;
        let expression = in_plan((*planned).planTree).or_else(|| {
            (0..raw::list_length(subplans)).find_map(|n| in_plan(raw::list_nth(subplans, n).cast()))
        })?;
        if !(*expression).cursor_name.is_null() {
            return Some(CStr::from_ptr((*expression).cursor_name).to_owned());
        }
        in_params(params, (*expression).cursor_param)
    }
}

/// CURRENT OF is planned as a TID scan, below the ModifyTable and, for children, below an Append.
///
/// # Safety
/// `plan` must be NULL or live.
unsafe fn in_plan(plan: *mut pg_sys::Plan) -> Option<*mut pg_sys::CurrentOfExpr> {
    let mut open = vec![plan];
    while let Some(plan) = open.pop() {
        if plan.is_null() {
            continue;
        }
        // SAFETY: node casts follow the node's tag.
        unsafe {
            let list = match (*plan).type_ {
                pg_sys::NodeTag::T_TidScan => {
                    let quals = (*(plan as *mut pg_sys::TidScan)).tidquals;
                    let mut quals = (0..raw::list_length(quals))
                        .map(|n| raw::list_nth(quals, n) as *mut pg_sys::Node);
                    match quals.find(|&q| (*q).type_ == pg_sys::NodeTag::T_CurrentOfExpr) {
                        Some(found) => return Some(found.cast()),
                        None => continue,
                    }
                }
                pg_sys::NodeTag::T_Append => (*(plan as *mut pg_sys::Append)).appendplans,
                pg_sys::NodeTag::T_CustomScan => (*(plan as *mut pg_sys::CustomScan)).custom_plans,
                _ => std::ptr::null_mut(),
            };
            open.push((*plan).lefttree);
            let places = (0..raw::list_length(list)).rev();
            open.extend(places.map(|n| raw::list_nth(list, n).cast()));
        }
    }
    None
}

/// A cursor named by a refcursor parameter, as PL/pgSQL does it.
///
/// # Safety
/// `params` must be NULL or live.
unsafe fn in_params(params: pg_sys::ParamListInfo, number: i32) -> Option<CString> {
    // SAFETY: fetched the way fetch_cursor_param_value() of execCurrent.c does.
    unsafe {
        if params.is_null() || number < 1 || number > (*params).numParams {
            return None;
        }
        let mut workspace = pg_sys::ParamExternData::default();
        let param = match (*params).paramFetch {
            Some(fetch) => fetch(params, number, false, &mut workspace),
            None => (*params).params.as_mut_ptr().add(number as usize - 1),
        };
        if (*param).isnull || (*param).ptype != pg_sys::REFCURSOROID {
            return None;
        }
        let name: *mut pg_sys::varlena = (*param).value.cast_mut_ptr();
        CString::new(pgrx::varlena_to_byte_slice(name)).ok()
    }
}
