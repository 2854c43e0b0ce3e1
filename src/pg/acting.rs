//! Who the backend acts as.

use crate::pg::raw;
use pgrx::pg_sys::{self, Oid};

/// The user that code runs as until the value is dropped. After an error the (sub)transaction's abort goes back too.
pub struct ActingAs {
    user: Oid,
    context: i32,
}

impl ActingAs {
    /// The owner of a relation, restricted to what maintenance commands let owners' functions do: what its expressions,
    /// constraints and types call must not run with more rights than the one who wrote them has.
    ///
    /// # Safety
    /// `relation` must be open.
    pub unsafe fn owner_of(relation: pg_sys::Relation) -> ActingAs {
        // SAFETY: an open relation has its pg_class row in memory.
        let owner = unsafe { (*(*relation).rd_rel).relowner };
        ActingAs::restricted(owner)
    }

    /// Any user, restricted in the same way.
    pub fn restricted(user: Oid) -> ActingAs {
        ActingAs::begin(user, pg_sys::SECURITY_RESTRICTED_OPERATION)
    }

    /// Whom code runs as that a table's owner vouches for, restricted in the same way: the client, and the owner where the client is
    /// a superuser. Nobody gets more rights than the client has, because what the code finds by names may be in the client's
    /// temporary schema, and nobody lends a superuser's. Inside a SECURITY DEFINER function or a cascade it is the client, too.
    pub fn vouched_for(owner: Oid) -> ActingAs {
        // SAFETY: both are set in a backend that runs statements; a syscache look-up.
        let user = unsafe {
            match pg_sys::superuser_arg(pg_sys::GetSessionUserId()) {
                true => owner,
                false => pg_sys::GetOuterUserId(),
            }
        };
        ActingAs::restricted(user)
    }

    /// The owner of a table that is only asked for rows, all of them: as PostgreSQL's own queries for foreign keys, under no
    /// row-level security.
    pub fn reading(owner: Oid) -> ActingAs {
        let flags = pg_sys::SECURITY_RESTRICTED_OPERATION | pg_sys::SECURITY_NOFORCE_RLS;
        ActingAs::begin(owner, flags)
    }

    fn begin(user: Oid, flags: u32) -> ActingAs {
        let (mut before, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: in a transaction; both only read and set variables.
        unsafe {
            raw::GetUserIdAndSecContext(&mut before, &mut context);
            raw::SetUserIdAndSecContext(user, context | flags as i32);
        }
        ActingAs {
            user: before,
            context,
        }
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // SAFETY: goes back to what begin() found.
        unsafe { raw::SetUserIdAndSecContext(self.user, self.context) };
    }
}
