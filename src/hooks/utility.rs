use crate::model::Violation;
use crate::registry::Registry;
use std::rc::Rc;
pub unsafe fn check(_s: *mut pgrx::pg_sys::Node, _r: &Rc<Registry>) -> Vec<Violation> {
    Vec::new()
}
