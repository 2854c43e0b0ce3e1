//! Our own tables, read and written whatever the current user was granted.

use pgrx::pg_sys::{self, Oid};

/// The bootstrap superuser until dropped. SQL that runs meanwhile must name schemas and operators in full: search_path
/// is the user's.
pub struct Privileged {
    user: Oid,
    context: i32,
}

impl Privileged {
    pub fn begin() -> Privileged {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: reads and sets the backend's user; undone in Drop, and by an abort in any case.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(
                pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Privileged { user, context }
    }
}

impl Drop for Privileged {
    fn drop(&mut self) {
        // SAFETY: what begin() found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}
