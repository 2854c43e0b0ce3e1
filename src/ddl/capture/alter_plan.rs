//! What the commands of an ALTER TABLE do to columns and partitions.

// PostgreSQL names its commands like this.
#![allow(non_upper_case_globals)]

use super::as_written;
use super::closure::{self, Object};
use crate::ddl::names::resolve;
use crate::judge::ddl::Kind;
use crate::pg::{catalog, classes, raw};
use pgrx::pg_sys::{self, AlterTableType::*, Oid};

/// What the commands of one statement do to columns.
#[derive(Default)]
pub(super) struct Plan {
    /// The named table's own columns.
    pub dropped: Vec<i16>,
    pub retyped: Vec<i16>,
    /// Those of them whose values stay as they are.
    pub same: Vec<i16>,
    /// Retyped columns, in children too, and whether older images are read as their values are then.
    pub as_written: Vec<(Object, bool)>,
    /// Every column that is dropped or retyped, in children too.
    pub reached: Vec<Object>,
    /// Those of them that are dropped.
    pub gone: Vec<Object>,
    pub detached: Vec<Oid>,
}

/// What the statement's commands do, as the catalogs have it now.
///
/// # Safety
/// `statement` must be live.
pub(super) unsafe fn plan_of(statement: *mut pg_sys::AlterTableStmt, relid: Oid) -> Plan {
    let mut plan = Plan::default();
    // SAFETY: the caller vouches for the node; `def` is what parsenodes.h says for the subtype.
    unsafe {
        let inh = (*(*statement).relation).inh;
        // No approval covers what happens to the parts of a composite type: the rules have refused it.
        if classes::before(relid).is_some_and(|row| row.kind == 'c') {
            return plan;
        }
        for n in 0..raw::list_length((*statement).cmds) {
            let command = raw::list_nth((*statement).cmds, n) as *mut pg_sys::AlterTableCmd;
            let name = catalog::owned((*command).name);
            let kind = match (*command).subtype {
                AT_DropColumn => Kind::DropColumn,
                AT_AlterColumnType => Kind::AlterColumnType,
                AT_DetachPartition | AT_DetachPartitionFinalize => {
                    let partition = (*command).def as *mut pg_sys::PartitionCmd;
                    plan.detached.extend(resolve((*partition).name));
                    continue;
                }
                _ => continue,
            };
            let all = kind == Kind::AlterColumnType;
            let found = closure::columns(relid, &name.unwrap_or_default(), inh || all, all);
            let own = found.iter().filter(|column| column.oid == relid);
            let own: Vec<i16> = own.map(|column| column.column as i16).collect();
            if all {
                let same = own
                    .iter()
                    .filter(|column| keeps_values(command, relid, **column));
                plan.same.extend(same);
                let as_written = found.first().is_some_and(|column| {
                    as_written::leaves(command, column.oid, column.column as i16)
                });
                let columns = found.iter().map(|column| (*column, as_written));
                plan.as_written.extend(columns);
            }
            let list = if all {
                &mut plan.retyped
            } else {
                &mut plan.dropped
            };
            list.extend(own);
            if !all {
                plan.gone.extend(&found);
            }
            plan.reached.extend(found);
        }
    }
    plan
}

/// Whether ALTER COLUMN TYPE leaves every value as the record writes it: one integer type becomes another, or a string one
/// without a length.
///
/// # Safety
/// `command` must be live and of that subtype; the column must exist.
unsafe fn keeps_values(command: *mut pg_sys::AlterTableCmd, relid: Oid, column: i16) -> bool {
    const INTEGERS: [Oid; 3] = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID];
    const STRINGS: [Oid; 2] = [pg_sys::TEXTOID, pg_sys::VARCHAROID];
    // SAFETY: `def` is a ColumnDef. PostgreSQL raises for a type that there is not, as the statement would.
    unsafe {
        let definition = (*command).def as *mut pg_sys::ColumnDef;
        if !(*definition).raw_default.is_null() {
            return false;
        }
        let (mut new, mut new_mod) = (pg_sys::InvalidOid, -1);
        let (mut old, mut old_mod, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::typenameTypeIdAndMod(
            std::ptr::null_mut(),
            (*definition).typeName,
            &mut new,
            &mut new_mod,
        );
        pg_sys::get_atttypetypmodcoll(relid, column, &mut old, &mut old_mod, &mut collation);
        INTEGERS.contains(&old) && INTEGERS.contains(&new)
            || STRINGS.contains(&old) && STRINGS.contains(&new) && new_mod < 0
    }
}
