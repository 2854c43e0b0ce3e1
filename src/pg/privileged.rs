//! Our own tables, read and written whatever the current user was granted.

use super::settings::OwnSettings;
use pgrx::pg_sys::{self, Oid};

/// The bootstrap superuser until dropped. SQL that runs meanwhile must name schemas and operators in full where the
/// search_path is the user's.
pub struct Privileged {
    user: Oid,
    context: i32,
    /// Before a commit and after a portal's last row there is no snapshot to run SQL with.
    snapshot: bool,
    _settings: OwnSettings,
}

impl Privileged {
    pub fn begin() -> Privileged {
        // SAFETY: in a transaction; popped in Drop, or by the abort.
        let snapshot = unsafe { !pg_sys::ActiveSnapshotSet() };
        let mut privileged = Privileged::with(OwnSettings::plain_plans());
        if snapshot {
            // SAFETY: as above.
            unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        }
        privileged.snapshot = snapshot;
        privileged
    }

    /// For DDL of our own, with a search_path in which nobody can have put anything. It takes its snapshots by itself.
    pub fn for_ddl() -> Privileged {
        Privileged::with(OwnSettings::pinned())
    }

    fn with(settings: OwnSettings) -> Privileged {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: reads and sets the backend's user; undone in Drop, and by an abort in any case.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(
                pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Privileged {
            user,
            context,
            snapshot: false,
            _settings: settings,
        }
    }
}

impl Drop for Privileged {
    fn drop(&mut self) {
        // SAFETY: what begin() found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
        if self.snapshot && !std::thread::panicking() {
            // SAFETY: pushed by begin().
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}
