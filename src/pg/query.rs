use crate::model::{ProtectedTarget, Violation};
use pgrx::pg_sys;
use std::rc::Rc;
pub trait Protection {
    fn target(&self, relid: pg_sys::Oid, inh: bool) -> Option<Rc<ProtectedTarget>>;
}
pub unsafe fn judge_query(_q: *mut pg_sys::Query, _p: &dyn Protection) -> Vec<Violation> {
    Vec::new()
}
pub unsafe fn judge_cursor_query(_q: *mut pg_sys::Query, _p: &dyn Protection) -> Vec<Violation> {
    Vec::new()
}
