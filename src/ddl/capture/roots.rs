//! What a DROP names, and the tables that go with it, which are looked at once more under their locks.

use super::closure::{self, Object};
use crate::ddl::names::{resolve_names, role_ids};
use crate::pg::{catalog, compat, raw};
use pgrx::pg_sys::{self, ObjectType::*, Oid};
use std::collections::HashSet;

/// What a statement drops, by whatever name it says so.
pub struct Roots {
    pub objects: Vec<Object>,
    /// It names them, and not the role that owns them.
    pub named: bool,
    /// What depends on them may go, too.
    pub cascade: bool,
}

impl Roots {
    /// Whether other tables, or other tables' columns, can go with them.
    pub fn take_others(&self) -> bool {
        let is_partitioned = |root: &Object| {
            let relation = root.class == pg_sys::RelationRelationId;
            // SAFETY: a syscache look-up.
            relation
                && unsafe { pg_sys::get_rel_relkind(root.oid) } as u8
                    == pg_sys::RELKIND_PARTITIONED_TABLE
        };
        self.cascade || self.objects.iter().any(is_partitioned)
    }
}

/// DROP TABLE, SCHEMA, EXTENSION, TYPE, ...: `None` where neither a row nor a column can go, and where PostgreSQL says that it
/// may not be.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn of_drop(statement: *mut pg_sys::DropStmt) -> Option<Roots> {
    // SAFETY: the caller vouches for the statement.
    unsafe {
        let kind = (*statement).removeType;
        let cascade = (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        let mut objects = Vec::new();
        for n in 0..raw::list_length((*statement).objects) {
            let object = raw::list_nth((*statement).objects, n) as *mut pg_sys::Node;
            match kind {
                OBJECT_TABLE | OBJECT_FOREIGN_TABLE | OBJECT_VIEW | OBJECT_MATVIEW
                | OBJECT_SEQUENCE | OBJECT_INDEX => {
                    if let Some(relid) = resolve_names(object.cast()) {
                        if !may_drop_relation(relid) {
                            // PostgreSQL refuses it, before it locks anything.
                            return None;
                        }
                        objects.push(Object::relation(relid));
                    }
                }
                // These go without a row or a column.
                OBJECT_TRIGGER | OBJECT_RULE | OBJECT_POLICY => return None,
                _ if cascade || kind == OBJECT_EXTENSION => match address(kind, object) {
                    Some(found) => objects.push(found),
                    None if (*statement).missing_ok => {}
                    None => return None,
                },
                _ => return None,
            }
        }
        Some(Roots {
            objects,
            named: true,
            // An extension takes its members.
            cascade: cascade || kind == OBJECT_EXTENSION,
        })
        .filter(|roots| !roots.objects.is_empty())
    }
}

/// DROP OWNED: `None` where PostgreSQL refuses it.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn of_drop_owned(statement: *mut pg_sys::DropOwnedStmt) -> Option<Roots> {
    // SAFETY: the caller vouches for the statement.
    unsafe {
        let roles = role_ids((*statement).roles);
        let may = |role: &Oid| {
            pg_sys::has_privs_of_role(pg_sys::GetUserId(), *role)
                // What initdb's own roles own cannot be dropped.
                && role.to_u32() >= pg_sys::FirstNormalObjectId
        };
        roles.iter().all(may).then(|| Roots {
            objects: closure::owned_by(roles),
            named: false,
            cascade: true,
        })
    }
}

/// The tables that go with what is dropped, or lose a column: locked as PostgreSQL does it, but before the last look at what
/// they are. What is waited for here may be a protect(), or a foreign key that makes a follower.
#[derive(Default)]
pub struct Locked(HashSet<Oid>);

impl Locked {
    /// Locks those of `gone` that are not locked yet, what the statement names first; false when there are none.
    pub fn add(&mut self, roots: &Roots, gone: &[Object]) -> bool {
        let fresh: HashSet<Oid> = gone
            .iter()
            .filter(|object| object.class == pg_sys::RelationRelationId)
            .map(|object| object.oid)
            .filter(|relid| !self.0.contains(relid) && has_rows(*relid))
            .collect();
        if fresh.is_empty() {
            return false;
        }
        let relations = roots
            .objects
            .iter()
            .filter(|root| roots.named && root.class == pg_sys::RelationRelationId);
        let named: Vec<Oid> = relations
            .map(|root| root.oid)
            .filter(|oid| fresh.contains(oid))
            .collect();
        let others = fresh.into_iter().filter(|relid| !named.contains(relid));
        let others = closure::parents_first(others.collect());
        for relid in named.iter().copied().chain(others) {
            // What a partition is taken from is locked with it, and queries lock that first.
            if let Some(parent) = catalog::partition_parent(relid) {
                self.lock(parent);
            }
            self.lock(relid);
        }
        true
    }

    fn lock(&mut self, relid: Oid) {
        if self.0.insert(relid) {
            // SAFETY: any OID can be locked.
            unsafe { pg_sys::LockRelationOid(relid, pg_sys::AccessExclusiveLock as i32) };
        }
    }
}

/// Whether it is a table of this session's or of everyone's, and none of PostgreSQL's own.
pub fn has_rows(relid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    let kind = unsafe { pg_sys::get_rel_relkind(relid) } as u8;
    let kinds = [
        pg_sys::RELKIND_RELATION,
        pg_sys::RELKIND_PARTITIONED_TABLE,
        pg_sys::RELKIND_FOREIGN_TABLE,
    ];
    relid.to_u32() >= pg_sys::FirstNormalObjectId
        && kinds.contains(&kind)
        && !catalog::is_others_temporary(relid)
}

/// Whether the user may drop the relation: its owner, its schema's owner, a superuser.
pub fn may_drop_relation(relid: Oid) -> bool {
    // SAFETY: syscache look-ups.
    unsafe {
        compat::owns(pg_sys::RelationRelationId, relid)
            || compat::owns(
                pg_sys::NamespaceRelationId,
                pg_sys::get_rel_namespace(relid),
            )
    }
}

/// The object that a DROP names, if it exists and is the user's to drop; PostgreSQL says so itself otherwise.
///
/// # Safety
/// `object` must be what DropStmt holds for `kind`.
unsafe fn address(kind: pg_sys::ObjectType::Type, object: *mut pg_sys::Node) -> Option<Object> {
    // SAFETY: as RemoveObjects() of commands/dropcmds.c asks, under the lock that it takes.
    unsafe {
        let mut relation = std::ptr::null_mut();
        let found = pg_sys::get_object_address(
            kind,
            object,
            &mut relation,
            pg_sys::AccessExclusiveLock as i32,
            true,
        );
        let aggregate = pg_sys::PROKIND_AGGREGATE as std::ffi::c_char;
        if found.objectId == pg_sys::InvalidOid
            || (kind == OBJECT_FUNCTION && pg_sys::get_func_prokind(found.objectId) == aggregate)
        {
            return None;
        }
        let schema = pg_sys::get_object_namespace(&found);
        let schemas =
            schema != pg_sys::InvalidOid && compat::owns(pg_sys::NamespaceRelationId, schema);
        if !schemas {
            pg_sys::check_object_ownership(pg_sys::GetUserId(), kind, found, object, relation);
        }
        if !relation.is_null() {
            pg_sys::relation_close(relation, pg_sys::NoLock as i32);
        }
        Some(Object {
            class: found.classId,
            oid: found.objectId,
            column: found.objectSubId,
        })
    }
}
