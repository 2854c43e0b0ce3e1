//! Who runs a statement, and from where: what the record and requests say of it.

use super::datum;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::ffi::CStr;

thread_local! {
    static CLIENT_ADDRESS: RefCell<Option<Option<Box<[u8]>>>> = const { RefCell::new(None) };
}

/// Who runs the statement, and from where, as values in the current memory context.
pub struct Session {
    pub session_role: Datum,
    pub role: Datum,
    pub application_name: Datum,
    pub client_addr: Option<Datum>,
    pub pid: Datum,
}

pub fn session() -> Session {
    // SAFETY: reads of backend state; application_name is NULL or a C string.
    unsafe {
        let name = pg_sys::application_name;
        let name = if name.is_null() {
            c""
        } else {
            CStr::from_ptr(name)
        };
        Session {
            session_role: role_name(pg_sys::GetSessionUserId()),
            role: role_name(pg_sys::GetOuterUserId()),
            application_name: datum::text(name.to_bytes()),
            client_addr: client_address(),
            pid: Datum::from(pg_sys::MyProcPid),
        }
    }
}

pub(super) fn role_name(role: Oid) -> Datum {
    // SAFETY: noerr = true gives NULL for a role that was dropped meanwhile.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            datum::text(b"")
        } else {
            datum::text(CStr::from_ptr(name).to_bytes())
        }
    }
}

/// The client's address as an inet datum.
fn client_address() -> Option<Datum> {
    with_client_address(|bytes| bytes.map(|bytes| Datum::from(bytes.as_ptr())))
}

/// The bytes of that datum; none without an address.
pub fn client_address_bytes() -> Box<[u8]> {
    with_client_address(|bytes| bytes.map(Box::from).unwrap_or_default())
}

/// Looked up once per session.
fn with_client_address<R>(work: impl FnOnce(Option<&[u8]>) -> R) -> R {
    CLIENT_ADDRESS.with_borrow_mut(|known| {
        let bytes = known.get_or_insert_with(|| {
            // SAFETY: inet_client_addr reads MyProcPort and returns NULL for a Unix socket; the datum is a varlena.
            unsafe {
                if pg_sys::MyProcPort.is_null() {
                    return None;
                }
                let datum = pgrx::direct_function_call_as_datum(pg_sys::inet_client_addr, &[])?;
                let value = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
                let size = pgrx::varsize_any(value);
                Some(std::slice::from_raw_parts(value.cast::<u8>(), size).into())
            }
        });
        work(bytes.as_deref())
    })
}
