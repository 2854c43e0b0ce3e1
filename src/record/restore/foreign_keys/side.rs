//! One side of a foreign key, asked for itself.
//!
//! A query is planned over all that its tables have: predicates of indexes, expressions of statistics, checks. What they
//! call of constants is called then, so whoever plans a query over two owners' tables runs the code of one as the other.
//! PostgreSQL's own triggers ask one table at a time, as its owner; so do we.

use crate::pg::catalog;
use crate::pg::newest;
use crate::pg::privileged::Privileged;
use crate::record::restore::command;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// Tables of one owner that a query can name.
pub(super) struct Side {
    /// As in FROM.
    pub name: String,
    owner: Oid,
}

/// A table's members: (relation, owner, whether it has rows of its own).
fn members(relid: Oid) -> Vec<(Oid, Oid, bool)> {
    let _privileged = Privileged::for_ddl();
    // SAFETY: an oid argument.
    let relid = unsafe { DatumWithOid::new(relid, pg_sys::OIDOID) };
    newest::select(
        "SELECT oid, relowner, relkind <> 'p' FROM pg_catalog.pg_class
         WHERE oid = $1 OR oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1))",
        &[relid],
        |row| {
            let oid = |n| Ok::<_, pgrx::spi::Error>(row.get(n)?.unwrap_or(pg_sys::InvalidOid));
            Ok(Some((oid(1)?, oid(2)?, row.get(3)?.unwrap_or(true))))
        },
    )
}

/// The owners of a table and its partitions.
pub(in crate::record::restore) fn owners(relid: Oid) -> Vec<Oid> {
    let mut owners: Vec<Oid> = members(relid).iter().map(|(_, owner, _)| *owner).collect();
    owners.sort_unstable_by_key(|owner| owner.to_u32());
    owners.dedup();
    owners
}

impl Side {
    /// A table as a query names it; each partition for itself where they are not all of one owner.
    pub fn of(relid: Oid, name: &str) -> Vec<Side> {
        let members = members(relid);
        let owner = |(_, owner, _): &(Oid, Oid, bool)| *owner;
        match members.first().map(owner) {
            Some(first) if members.iter().all(|member| owner(member) == first) => vec![Side {
                name: name.to_owned(),
                owner: first,
            }],
            _ => members
                .into_iter()
                .filter(|(_, _, has_rows)| *has_rows)
                .map(|(relid, owner, _)| Side {
                    name: format!("ONLY {}", catalog::display_name(relid)),
                    owner,
                })
                .collect(),
        }
    }

    /// Asks it as its owner.
    pub fn ask<T>(&self, work: impl FnOnce() -> T) -> T {
        let table = self.name.trim_start_matches("ONLY ");
        match command::reading(table, self.owner, work) {
            Ok(answer) => answer,
            Err(failure) => pgrx::error!("{}", failure.message),
        }
    }
}
