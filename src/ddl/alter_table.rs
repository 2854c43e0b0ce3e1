//! ALTER TABLE, command by command.

// PostgreSQL names its commands like this.
#![allow(non_upper_case_globals)]

use super::names::{is_own, resolve};
use super::scope::Scope;
use crate::judge::ddl::{Action, Kind};
use crate::model::Operation;
use crate::pg::{catalog, objects, raw};
use pgrx::pg_sys::{self, AlterTableType::*, Oid};

impl Scope {
    /// # Safety
    /// `statement` must be live.
    pub(super) unsafe fn alter_table(&mut self, statement: *mut pg_sys::AlterTableStmt) {
        // SAFETY: the caller vouches for the node; its commands are AlterTableCmd nodes.
        unsafe {
            let Some(named) = resolve((*statement).relation) else {
                return;
            };
            let inh = (*(*statement).relation).inh;
            let reached = self.reached(named);
            for n in 0..raw::list_length((*statement).cmds) {
                let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
                if is_own(named) && !tuning((*command).subtype) {
                    self.own_relation(named);
                    return;
                }
                for relid in &reached {
                    self.command(*relid, *relid != named, inh, command);
                }
                if matches!((*command).subtype, AT_DropColumn | AT_AlterColumnType)
                    && let Some(name) = catalog::owned((*command).name)
                    && objects::column(named, &name).is_some()
                {
                    // PostgreSQL itself refuses another type for an attribute that some column stores.
                    if (*command).subtype == AT_DropColumn {
                        self.drop_attribute(named);
                    }
                    self.field_named(named, &name);
                }
            }
        }
    }

    /// Guarded tables whose columns hold values of a row type that loses a part.
    pub(super) fn drop_attribute(&mut self, row: Oid) {
        for relid in self.holding(row) {
            let through = "dropping a part of its columns' type";
            self.part(relid, Kind::DropAttribute, through);
        }
    }

    /// `typed`: what is altered is the composite type that the table is of.
    ///
    /// # Safety
    /// `command` must be live.
    unsafe fn command(
        &mut self,
        relid: Oid,
        typed: bool,
        inh: bool,
        command: *mut pg_sys::AlterTableCmd,
    ) {
        // SAFETY: the caller vouches for the node; `def` is what parsenodes.h says for the subtype.
        unsafe {
            let name = catalog::owned((*command).name);
            if name
                .as_ref()
                .is_some_and(|name| is_missing((*command).subtype, relid, name))
            {
                return;
            }
            if (*command).subtype == AT_SetUnLogged {
                self.altered(relid, "SET UNLOGGED", Operation::Alter);
            }
            let plain = match (*command).subtype {
                AT_DropColumn if typed => Kind::DropAttribute,
                AT_AlterColumnType if typed => Kind::AlterAttributeType,
                AT_DropColumn => Kind::DropColumn,
                AT_AlterColumnType => Kind::AlterColumnType,
                AT_SetUnLogged => Kind::SetUnlogged,
                AT_ChangeOwner => Kind::ChangeOwner,
                AT_ReplicaIdentity => Kind::ReplicaIdentity,
                AT_EnableRule | AT_EnableAlwaysRule | AT_EnableReplicaRule | AT_DisableRule => {
                    Kind::SwitchRule
                }
                AT_DetachPartition | AT_DetachPartitionFinalize | AT_AttachPartition => {
                    let partition = (*command).def as *mut pg_sys::PartitionCmd;
                    let kind = match (*command).subtype {
                        AT_AttachPartition => Kind::AttachPartition,
                        AT_DetachPartition if (*partition).concurrent => {
                            Kind::DetachPartitionConcurrently
                        }
                        _ => Kind::DetachPartition,
                    };
                    return self.family(relid, resolve((*partition).name), kind);
                }
                AT_AddInherit => {
                    return self.family(relid, resolve((*command).def.cast()), Kind::Inherit);
                }
                AT_DropInherit => {
                    return self.family(relid, resolve((*command).def.cast()), Kind::NoInherit);
                }
                AT_DisableTrig => {
                    let name = name.unwrap_or_default();
                    return self.trigger(relid, inh, &name, Some(Kind::DisableTrigger));
                }
                AT_EnableTrig => {
                    return self.trigger(relid, inh, &name.unwrap_or_default(), None);
                }
                AT_EnableReplicaTrig => {
                    let name = name.unwrap_or_default();
                    // In every session but a replica's, one that fires stops firing.
                    let fires = self.registry.with_children(relid).into_iter().any(|relid| {
                        objects::trigger_named(relid, &name)
                            .is_some_and(|trigger| !matches!(trigger.enabled, 'D' | 'R'))
                    });
                    let kind = fires.then_some(Kind::DisableTrigger);
                    return self.trigger(relid, inh, &name, kind);
                }
                AT_DisableTrigAll | AT_DisableTrigUser | AT_EnableTrigAll | AT_EnableTrigUser => {
                    return self.all_triggers(relid, inh);
                }
                AT_DropConstraint => return self.drop_constraint(relid, (*command).name),
                AT_DropIdentity | AT_SetIdentity => {
                    return self.identity(relid, name.as_deref(), command);
                }
                _ => return,
            };
            if typed {
                let found = self.found.len();
                self.table(relid, inh, plain, name);
                if self.found.len() == found {
                    self.part(relid, plain, "a change of the type that it is of");
                }
                return;
            }
            self.table(relid, inh, plain, name);
        }
    }

    /// A table and a would-be or former parent or child of it.
    fn family(&mut self, relid: Oid, other: Option<Oid>, kind: Kind) {
        let before = self.found.len();
        self.table(relid, false, kind, None);
        if let Some(other) = other
            && self.found.len() == before
        {
            self.action(other, true, Action::new(kind, None));
        }
    }

    /// # Safety
    /// `name` must be NULL or a C string.
    unsafe fn drop_constraint(&mut self, relid: Oid, name: *const std::ffi::c_char) {
        if name.is_null() || self.registry.policies(relid, true).is_empty() {
            return;
        }
        // SAFETY: missing_ok.
        let constraint = unsafe {
            pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::get_relation_constraint_oid(relid, name, true)
            })
        };
        if let Some(index) = objects::constraint_index(constraint) {
            self.drop_index(index);
        }
    }

    /// ALTER COLUMN ... SET and DROP IDENTITY, whose sequence PostgreSQL alters in a command of its own.
    ///
    /// # Safety
    /// `command` must be live.
    unsafe fn identity(
        &mut self,
        relid: Oid,
        column: Option<&str>,
        command: *mut pg_sys::AlterTableCmd,
    ) {
        for sequence in self.owned_sequences(relid, column) {
            // SAFETY: SET's definition is a List of DefElem.
            unsafe {
                if (*command).subtype == AT_SetIdentity {
                    self.sequence_options(sequence, (*command).def.cast());
                } else {
                    self.altered(sequence, "DROP", Operation::Drop);
                }
            }
        }
    }
}

/// Whether a command names what its table has not got: PostgreSQL itself says what is to be said of that.
fn is_missing(subtype: pg_sys::AlterTableType::Type, relid: Oid, name: &str) -> bool {
    match subtype {
        AT_DropColumn | AT_AlterColumnType => objects::column(relid, name).is_none(),
        AT_EnableRule | AT_EnableAlwaysRule | AT_EnableReplicaRule | AT_DisableRule => {
            !objects::has_rule(relid, name)
        }
        // Children have it from the table or not at all, as far as this command goes.
        AT_DisableTrig => objects::trigger_named(relid, name).is_none(),
        _ => false,
    }
}

/// What an administrator may do to the record's own tables: where and how they are stored, not what they hold.
fn tuning(subtype: pg_sys::AlterTableType::Type) -> bool {
    matches!(
        subtype,
        AT_SetRelOptions
            | AT_ResetRelOptions
            | AT_ReplaceRelOptions
            | AT_SetTableSpace
            | AT_SetStatistics
            | AT_SetStorage
            | AT_SetCompression
            | AT_ClusterOn
            | AT_DropCluster
    )
}
