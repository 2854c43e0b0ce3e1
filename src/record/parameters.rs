//! A root statement's bound parameters, as the record keeps them.

use super::portable::PortableOutput;
use super::text as json_text;
use pgrx::pg_sys;
use std::ffi::CStr;

/// `{"$1": ..., "$2": ...}`: every value as its type's text, NULL as null. `None` when nothing was bound.
///
/// # Safety
/// `params` must be NULL or the live parameters of a running statement.
pub unsafe fn json(params: pg_sys::ParamListInfo) -> Option<Vec<u8>> {
    // SAFETY: the caller vouches for the list; its flexible array has numParams members. A list with a fetch hook
    // belongs to PL/pgSQL, never to a root statement's client.
    unsafe {
        if params.is_null() || (*params).numParams == 0 || (*params).paramFetch.is_some() {
            return None;
        }
        let _portable = PortableOutput::begin();
        let mut out = vec![b'{'];
        for n in 0..(*params).numParams as usize {
            let param = &*(*params).params.as_ptr().add(n);
            if n > 0 {
                out.push(b',');
            }
            json_text::string(&mut out, format!("${}", n + 1).as_bytes());
            out.push(b':');
            if param.isnull || param.ptype == pg_sys::InvalidOid {
                out.extend_from_slice(b"null");
                continue;
            }
            let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
            pg_sys::getTypeOutputInfo(param.ptype, &mut function, &mut is_varlena);
            let text = pg_sys::OidOutputFunctionCall(function, param.value);
            match param.ptype {
                pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => {
                    out.extend_from_slice(CStr::from_ptr(text).to_bytes())
                }
                pg_sys::BOOLOID => {
                    out.extend_from_slice(if *text == b't' as std::ffi::c_char {
                        b"true"
                    } else {
                        b"false"
                    });
                }
                _ => json_text::string(&mut out, CStr::from_ptr(text).to_bytes()),
            }
        }
        out.push(b'}');
        Some(out)
    }
}
