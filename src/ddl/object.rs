//! What an object is to the guard, by the OIDs that the object-access hook gives.

use super::Finding;
use super::names::{is_own, own_schema};
use super::scope::{EXTENSION, Scope};
use crate::guard_triggers;
use crate::judge::ddl::Kind;
use crate::model::Operation;
use crate::pg::{catalog, classes, objects};
use crate::record::uses;
use crate::registry::Registry;
use crate::running::underway;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// An object as PostgreSQL addresses it.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    pub class: Oid,
    pub oid: Oid,
    /// The column, 0 for the whole object.
    pub column: i32,
}

impl Address {
    pub fn relation(relid: Oid) -> Address {
        Address {
            class: pg_sys::RelationRelationId,
            oid: relid,
            column: 0,
        }
    }
}

/// What dropping the object takes away. `internal`: PostgreSQL drops it for itself (a rewrite, a swap).
pub fn dropped(registry: &Rc<Registry>, address: Address, internal: bool) -> Vec<Finding> {
    let mut scope = Scope::new(registry);
    let Address { class, oid, column } = address;
    let class_is = |id: Oid| class == id;
    if class_is(pg_sys::RelationRelationId) && column == 0 {
        // DROP IDENTITY drops the column's sequence as an internal action.
        scope.altered(oid, "DROP", Operation::Drop);
        if !internal {
            scope.drop_relation(oid);
        }
    } else if internal {
    } else if class_is(pg_sys::RelationRelationId) {
        // SAFETY: a syscache look-up; missing_ok.
        let name = unsafe { catalog::owned(pg_sys::get_attname(oid, column as i16, true)) };
        if is_own(oid) {
            scope.drop_relation(oid);
        }
        if let Some(name) = &name {
            scope.field(oid, column as i16, name);
        }
        scope.drop_column(oid, name);
        // An attribute of a type goes with its own type.
        scope.drop_attribute(oid);
    } else if class_is(pg_sys::TriggerRelationId) {
        scope.drop_trigger(oid);
    } else if class == objects::CONSTRAINT_RELATION {
        if let Some(index) = objects::constraint_index(oid) {
            scope.drop_index(index);
        }
    } else if class == objects::REWRITE_RELATION {
        if let Some(rule) = objects::rule(oid) {
            scope.table(rule.relid, false, Kind::DropRule, Some(rule.name));
        }
    } else if class_is(pg_sys::ProcedureRelationId) {
        scope.function(oid);
    } else if class_is(pg_sys::NamespaceRelationId) && oid == own_schema() {
        scope.guard("schema \"backstop\"".to_owned());
    } else if class_is(pg_sys::ExtensionRelationId) && oid == extension() {
        scope.guard(format!("extension \"{EXTENSION}\""));
    }
    if !internal {
        scope.used(address, true);
    }
    scope.found
}

/// What a change that has just been made did: only changes that no utility statement names (REASSIGN OWNED, ALTER
/// EXTENSION SET SCHEMA) need to be found here, the others have been judged and are judged alike again.
pub fn altered(registry: &Rc<Registry>, address: Address) -> Vec<Finding> {
    let mut scope = Scope::new(registry);
    let Address { class, oid, column } = address;
    if class == pg_sys::RelationRelationId && column == 0 {
        scope.moved(oid);
    } else if class == pg_sys::RelationRelationId {
        // Of each child, too, that a column is renamed in with its parent.
        let attnum = column as i16;
        if let Some(name) = objects::column_before(oid, attnum)
            && objects::column_after(oid, attnum).is_some_and(|after| after != name)
        {
            scope.field(oid, attnum, &name);
        }
    } else if class == pg_sys::TriggerRelationId {
        if let Some(trigger) = objects::trigger(oid)
            && guard_triggers::is_ours(&trigger.name)
            && trigger.enabled != 'A'
            && registry.table(trigger.relid).is_some()
        {
            scope.trigger(trigger.relid, false, &trigger.name, None);
        }
    } else if class == pg_sys::ProcedureRelationId {
        scope.function(oid);
    }
    if uses::concern(registry) {
        scope.made_or_changed(address);
    }
    scope.found
}

/// The relation that the object is, or is on.
pub fn relation_of(address: Address) -> Option<Oid> {
    if address.class == pg_sys::RelationRelationId {
        Some(address.oid)
    } else if address.class == pg_sys::TriggerRelationId {
        objects::trigger(address.oid).map(|trigger| trigger.relid)
    } else if address.class == objects::REWRITE_RELATION {
        objects::rule(address.oid).map(|rule| rule.relid)
    } else {
        None
    }
}

/// The relation of a trigger or a rule that is about to be dropped: PostgreSQL locks it when that has been judged
/// (RemoveTriggerById() of commands/trigger.c, RemoveRewriteRuleById() of rewrite/rewriteRemove.c).
pub fn lock_taken_later(address: Address) -> Option<Oid> {
    let relation = address.class == pg_sys::RelationRelationId;
    relation_of(address).filter(|_| !relation)
}

/// What TRUNCATE of a relation destroys; cascades and partitions come one by one.
pub fn truncated(registry: &Rc<Registry>, relid: Oid, restart: bool) -> Vec<Finding> {
    let mut scope = Scope::new(registry);
    scope.own_rows(relid);
    if restart {
        scope.restart_identity(relid);
    }
    scope.truncate_table(relid, false);
    scope.found
}

/// The extension's OID in this database.
pub fn extension() -> Oid {
    // SAFETY: a catalog look-up; missing_ok.
    unsafe { pg_sys::get_extension_oid(c"pg_backstop".as_ptr(), true) }
}

impl Scope {
    /// A column that goes with its type, its collation, or what it is generated by. One of a typed table cannot come back: the
    /// type that the table is of has lost it, too.
    fn drop_column(&mut self, relid: Oid, name: Option<String>) {
        let is_typed = classes::before(relid).is_some_and(|row| row.of_type != pg_sys::InvalidOid);
        if is_typed && !underway::takes_table(relid) {
            let through = "dropping a part of the type that it is of";
            self.part(relid, Kind::DropAttribute, through);
        } else {
            self.table(relid, true, Kind::DropColumn, name);
        }
    }

    /// A whole relation: a protected table, a table's key index, or one of the guard's own.
    fn drop_relation(&mut self, relid: Oid) {
        if is_own(relid) {
            self.own_relation(relid);
        } else {
            self.table(relid, false, Kind::DropTable, None);
            self.drop_index(relid);
        }
    }

    /// An index, if it holds a protected table's key.
    pub(super) fn drop_index(&mut self, relid: Oid) {
        let Some(index) = objects::index(relid) else {
            return;
        };
        let Some(target) = self.registry.target(index.table, false) else {
            return;
        };
        let over_key = index
            .attnums
            .iter()
            .all(|attnum| target.key.iter().any(|key| key.attnum == *attnum));
        if index.primary || (index.unique && over_key) {
            let name = catalog::relation_name(relid).map(|(_, name)| name);
            self.table(index.table, false, Kind::DropKey, name);
        }
    }

    /// A trigger. The guard's own on a follower go with their table, or with what `function` refuses.
    fn drop_trigger(&mut self, oid: Oid) {
        let Some(trigger) = objects::trigger(oid).filter(|trigger| !trigger.internal) else {
            return;
        };
        if is_own(trigger.relid) {
            self.guard_on(format!("trigger \"{}\"", trigger.name), trigger.relid);
        } else if !self.registry.policies(trigger.relid, false).is_empty() {
            let kind = Some(Kind::DropTrigger);
            self.trigger(trigger.relid, false, &trigger.name, kind);
        }
    }

    /// A function, if it is one of the guard's.
    pub(super) fn function(&mut self, oid: Oid) {
        // SAFETY: syscache look-ups; the name is a palloc'd copy.
        unsafe {
            let schema = pg_sys::get_func_namespace(oid);
            if schema != pg_sys::InvalidOid && schema == own_schema() {
                let name = catalog::owned(pg_sys::get_func_name(oid)).unwrap_or_default();
                self.guard(format!("function \"backstop.{name}\""));
            }
        }
    }

    /// A relation got another name, schema or owner.
    fn moved(&mut self, relid: Oid) {
        let own = is_own(relid);
        if !own && self.registry.policies(relid, false).is_empty() {
            return;
        }
        let (Some(before), Some(after)) = (classes::before(relid), classes::after(relid)) else {
            return;
        };
        let kind = if before.owner != after.owner {
            Kind::ChangeOwner
        } else if before.schema != after.schema {
            Kind::SetSchema
        } else if before.name != after.name {
            Kind::RenameTable
        } else {
            return;
        };
        if own {
            self.own_relation(relid);
        } else {
            self.table(relid, false, kind, None);
        }
    }
}
