//! What a utility statement names.

use super::Finding;
use super::names::{is_own, resolve, role_ids};
use super::object::Address;
use super::own_trigger;
use super::scope::{EXTENSION, Scope};
use super::typed;
use crate::judge::ddl::Kind;
use crate::pg::{catalog, classes, compat, objects, raw};
use crate::record::{labels, uses};
use crate::registry::Registry;
use pgrx::pg_sys::{self, NodeTag, ObjectType::*, Oid};
use std::rc::Rc;

/// What the statement would do to what is guarded, as far as the statement tells.
///
/// # Safety
/// `statement` must be a live utility statement.
pub unsafe fn findings(statement: *mut pg_sys::Node, registry: &Rc<Registry>) -> Vec<Finding> {
    let mut scope = Scope::new(registry);
    // ALTER SEQUENCE is met here alone; the sequences of everything else are met by the object-access hook or, for an
    // identity column, by an ALTER SEQUENCE that PostgreSQL makes of it.
    // SAFETY: node casts follow the node's tag.
    unsafe {
        scope.ahead = (*statement).type_ != NodeTag::T_AlterSeqStmt;
        match (*statement).type_ {
            NodeTag::T_AlterTableStmt => scope.alter_table(statement.cast()),
            NodeTag::T_AlterSeqStmt => scope.alter_sequence(statement.cast()),
            NodeTag::T_RenameStmt => scope.rename(statement.cast()),
            NodeTag::T_DropStmt => scope.drop_objects(statement.cast()),
            NodeTag::T_TruncateStmt => scope.truncate(statement.cast()),
            NodeTag::T_AlterObjectSchemaStmt => {
                let statement = statement as *mut pg_sys::AlterObjectSchemaStmt;
                if let Some(relid) = resolve((*statement).relation) {
                    scope.own_or_table(relid, Kind::SetSchema, None);
                    scope.used(Address::relation(relid), false);
                }
            }
            NodeTag::T_RuleStmt => {
                let statement = statement as *mut pg_sys::RuleStmt;
                if let Some(relid) = resolve((*statement).relation) {
                    let name = catalog::owned((*statement).rulename);
                    scope.own_or_table(relid, Kind::CreateRule, name);
                }
            }
            NodeTag::T_CreateTrigStmt => {
                let statement = statement as *mut pg_sys::CreateTrigStmt;
                if let Some(relid) = resolve((*statement).relation) {
                    scope.own(relid);
                    let name = catalog::owned((*statement).trigname).unwrap_or_default();
                    if !own_trigger::made_as_ours(statement) {
                        scope.trigger(relid, true, &name, None);
                    }
                }
            }
            NodeTag::T_AlterObjectDependsStmt => {
                // The trigger would go with the extension.
                let statement = statement as *mut pg_sys::AlterObjectDependsStmt;
                if (*statement).objectType == OBJECT_TRIGGER
                    && let Some(relid) = resolve((*statement).relation)
                {
                    let names = (*statement).object as *mut pg_sys::List;
                    let last = raw::list_nth(names, raw::list_length(names) - 1);
                    let name = catalog::owned(compat::string_value(last.cast()));
                    scope.trigger(relid, true, &name.unwrap_or_default(), None);
                }
            }
            NodeTag::T_ViewStmt => {
                // CREATE OR REPLACE of one of ours.
                if let Some(relid) = resolve((*(statement as *mut pg_sys::ViewStmt)).view) {
                    scope.own(relid);
                }
            }
            NodeTag::T_IndexStmt => {
                // The record is written without an executor: its tables can have plain indexes only.
                if let Some(relid) = resolve((*(statement as *mut pg_sys::IndexStmt)).relation) {
                    scope.own(relid);
                }
            }
            NodeTag::T_AlterEnumStmt => scope.rename_label(statement.cast()),
            NodeTag::T_ReassignOwnedStmt => {
                let roles = role_ids((*(statement as *mut pg_sys::ReassignOwnedStmt)).roles);
                scope.each_protected(Kind::ChangeOwner, "REASSIGN OWNED", owned_by(&roles));
            }
            NodeTag::T_DropOwnedStmt => {
                let roles = role_ids((*(statement as *mut pg_sys::DropOwnedStmt)).roles);
                scope.each_protected(Kind::DropTable, "DROP OWNED", owned_by(&roles));
                if (*(statement as *mut pg_sys::DropOwnedStmt)).behavior
                    == pg_sys::DropBehavior::DROP_CASCADE
                {
                    scope.each_typed("DROP OWNED", |of_type| {
                        typed::owner(of_type).is_some_and(|owner| roles.contains(&owner))
                    });
                }
            }
            NodeTag::T_AlterExtensionContentsStmt => {
                let statement = statement as *mut pg_sys::AlterExtensionContentsStmt;
                if catalog::owned((*statement).extname).is_some_and(|name| name == EXTENSION) {
                    scope.guard(format!("extension \"{EXTENSION}\""));
                }
            }
            _ => {}
        }
    }
    scope.found
}

impl Scope {
    pub(super) fn own_or_table(&mut self, relid: Oid, kind: Kind, object: Option<String>) {
        self.own(relid);
        self.table(relid, true, kind, object);
    }

    /// # Safety
    /// `statement` must be live.
    unsafe fn rename(&mut self, statement: *mut pg_sys::RenameStmt) {
        // SAFETY: the caller vouches for the node; which fields are set follows from renameType.
        unsafe {
            let relid = resolve((*statement).relation);
            let subname = catalog::owned((*statement).subname).unwrap_or_default();
            let newname = catalog::owned((*statement).newname).unwrap_or_default();
            match ((*statement).renameType, relid) {
                (OBJECT_SCHEMA, _) => {
                    self.schema(&subname, Kind::RenameSchema, "ALTER SCHEMA RENAME");
                    for name in [&subname, &newname] {
                        let policies = uses::naming_schema(&self.registry, name);
                        self.expendable(policies, format!("new name of schema \"{subname}\""));
                    }
                }
                (_, Some(relid)) if is_own(relid) => self.own(relid),
                (OBJECT_COLUMN | OBJECT_ATTRIBUTE, Some(relid)) => {
                    for relid in self.reached(relid) {
                        // PostgreSQL itself says what is to be said of one that is not there.
                        if objects::column(relid, &subname).is_none() {
                            continue;
                        }
                        let inh = (*(*statement).relation).inh;
                        self.rename_column(relid, inh, &subname, &newname);
                    }
                    self.field_named(relid, &subname);
                }
                (OBJECT_TRIGGER, Some(relid)) => self.trigger(relid, true, &subname, None),
                (
                    OBJECT_TABLE | OBJECT_FOREIGN_TABLE | OBJECT_INDEX | OBJECT_VIEW
                    | OBJECT_MATVIEW | OBJECT_SEQUENCE,
                    Some(relid),
                ) => {
                    self.table(relid, false, Kind::RenameTable, None);
                    self.used(Address::relation(relid), false);
                }
                _ => {}
            }
        }
    }

    /// As `field`, of the column or attribute of that name.
    pub(super) fn field_named(&mut self, relid: Oid, name: &str) {
        if uses::concern(&self.registry)
            && let Some(attnum) = objects::column(relid, name)
        {
            self.field(relid, attnum, name);
        }
    }

    /// ALTER TYPE ... RENAME VALUE of an enum.
    ///
    /// # Safety
    /// `statement` must be live.
    unsafe fn rename_label(&mut self, statement: *mut pg_sys::AlterEnumStmt) {
        // SAFETY: the caller vouches for the node; both labels are set when one is renamed; missing_ok.
        unsafe {
            let (Some(old), Some(new)) = (
                catalog::owned((*statement).oldVal),
                catalog::owned((*statement).newVal),
            ) else {
                return;
            };
            let name = pg_sys::makeTypeNameFromNameList((*statement).typeName);
            let oid = pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true);
            let policies = labels::reading_label(&self.registry, oid, &old, &new);
            let of = objects::described(pg_sys::TypeRelationId, oid);
            self.expendable(policies, format!("new name of label \"{old}\" of {of}"));
        }
    }

    /// Protected tables in a schema, or the guard's own schema.
    pub(super) fn schema(&mut self, name: &str, kind: Kind, through: &'static str) {
        if name == "backstop" {
            self.guard("schema \"backstop\"".to_owned());
            return;
        }
        self.each_protected(kind, through, |relid| {
            catalog::relation_name(relid).is_some_and(|(schema, _)| schema == name)
        });
    }

    /// # Safety
    /// `statement` must be live.
    unsafe fn truncate(&mut self, statement: *mut pg_sys::TruncateStmt) {
        // SAFETY: the caller vouches for the node; its relations are RangeVars.
        unsafe {
            for n in 0..raw::list_length((*statement).relations) {
                let relation = raw::list_nth((*statement).relations, n) as *mut pg_sys::RangeVar;
                let Some(relid) = resolve(relation) else {
                    continue;
                };
                self.own_rows(relid);
                self.truncate_table(relid, (*relation).inh);
                if (*statement).restart_seqs {
                    self.restart_identity(relid);
                }
            }
        }
    }
}

fn owned_by(roles: &[Oid]) -> impl Fn(Oid) -> bool + '_ {
    move |relid| classes::before(relid).is_some_and(|row| roles.contains(&row.owner))
}
