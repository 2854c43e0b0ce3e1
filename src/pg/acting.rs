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

    /// Whom code runs as that a table's owner vouches for, restricted in the same way: the current user, as the table's checks
    /// would, and the owner where that is a superuser, who lends his rights to nobody. `None` where nobody can vouch for it:
    /// in a SECURITY DEFINER function or a cascade, what the code finds by names may be in the client's temporary schema,
    /// and would have the rights of whoever that is done for.
    pub fn vouched_for(owner: Oid) -> Option<ActingAs> {
        // SAFETY: these are set in a backend that runs statements; syscache look-ups.
        unsafe {
            let current = pg_sys::GetUserId();
            let lent = current != pg_sys::GetOuterUserId()
                && !pg_sys::superuser_arg(pg_sys::GetSessionUserId());
            let (mut temporary, mut toast) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::GetTempNamespaceState(&mut temporary, &mut toast);
            if lent && temporary != pg_sys::InvalidOid {
                return None;
            }
            Some(ActingAs::restricted(match pg_sys::superuser_arg(current) {
                true => owner,
                false => current,
            }))
        }
    }

    /// Whom an expression is read as for the client who calls a function of ours, all of which are SECURITY DEFINER.
    pub fn asking(owner: Oid) -> ActingAs {
        // SAFETY: set in a backend that runs statements; a syscache look-up.
        let (client, is_superuser) = unsafe {
            let client = pg_sys::GetOuterUserId();
            (client, pg_sys::superuser_arg(client))
        };
        ActingAs::restricted(if is_superuser { owner } else { client })
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
