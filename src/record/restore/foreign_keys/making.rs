//! Foreign keys that are made again.
//!
//! PostgreSQL checks a new key by one query over both tables, which runs one owner's code as the other (see `side`). So the
//! key is made as one that is not validated, which reads nothing, and checked here. A partitioned table takes over the keys
//! that its partitions have.

use super::outgoing::check_all;
use super::side::owners;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::privileged::Privileged;
use crate::pg::values::RowText;
use crate::pg::{encoding, newest, raw};
use crate::record::restore::command::{Failure, execute};
use crate::record::restore::keys::{ITSELF, keys};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// Makes a key by its command, `ALTER TABLE object ADD CONSTRAINT name FOREIGN KEY ...`.
pub fn make(sql: &str, object: &str, name: &str) -> Result<(), Failure> {
    let start = format!(
        "ALTER TABLE {object} ADD CONSTRAINT {} ",
        catalog::quoted(name)
    );
    let Some(key) = sql.strip_prefix(&start) else {
        return execute(sql, Some(object));
    };
    // Nothing is checked.
    if [" NOT VALID", " NOT ENFORCED"]
        .iter()
        .any(|words| key.ends_with(words))
    {
        return execute(sql, None);
    }
    let Some(relid) = catalog::named_relation(object) else {
        return Err(Failure {
            message: format!("relation \"{object}\" does not exist"),
            detail: None,
            missing: true,
        });
    };
    add(relid, name, key)
}

/// Gives a table that is about to become a partition the keys that it would get then, where PostgreSQL's check of them would
/// read another owner's table.
pub fn make_before_attaching(parent: &str, partition: &str) -> Result<(), Failure> {
    let (Some(parent), Some(partition)) = (
        catalog::named_relation(parent),
        catalog::named_relation(partition),
    ) else {
        return Ok(());
    };
    let (ours, theirs) = (owners(parent), owners(partition));
    for (referenced, name, key) in lacking(parent, partition) {
        let of_all = owners(referenced);
        if of_all.iter().chain(&theirs).any(|owner| ours != [*owner]) {
            add(partition, &name, &key)?;
        }
    }
    Ok(())
}

/// What a partition lacks of the keys of the table it is for: what it references, its name and its definition.
fn lacking(parent: Oid, partition: Oid) -> Vec<(Oid, String, String)> {
    let _privileged = Privileged::for_ddl();
    let arguments = [oid(parent), oid(partition)];
    newest::select(
        "SELECT k.confrelid, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint AS k
         WHERE k.conrelid = $1 AND k.contype = 'f' AND k.convalidated AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_constraint AS p WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)
             AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_constraint AS p
                 WHERE p.conrelid = $2 AND p.contype = 'f' AND p.convalidated AND p.conparentid = 0
                     AND pg_catalog.pg_get_constraintdef(p.oid) = pg_catalog.pg_get_constraintdef(k.oid))
         ORDER BY k.conname",
        &arguments,
        |row| {
            let text = |n| row.text(n).map(Option::unwrap_or_default);
            Ok(row.get(1)?.zip(Some((text(2)?, text(3)?))))
        },
    )
    .into_iter()
    .map(|(referenced, (name, key))| (referenced, name, key))
    .collect()
}

/// Adds a key to a table and, before that, to its partitions.
fn add(relid: Oid, name: &str, key: &str) -> Result<(), Failure> {
    for (member, has_rows) in deepest_first(relid) {
        let table = catalog::display_name(member);
        let known = own_keys(member);
        let named = match member != relid && has_constraint(member, name) {
            // PostgreSQL chooses another one, too.
            true => String::new(),
            false => format!("CONSTRAINT {} ", catalog::quoted(name)),
        };
        let sql = format!("ALTER TABLE {table} ADD {named}{key}");
        if !has_rows {
            execute(&sql, None)?;
            continue;
        }
        execute(&format!("{sql} NOT VALID"), None)?;
        for made in own_keys(member)
            .into_iter()
            .filter(|made| !known.contains(made))
        {
            validate(member, made)?;
        }
    }
    Ok(())
}

/// Checks all rows of a table, and says in the catalog that they are.
fn validate(relid: Oid, made: Oid) -> Result<(), Failure> {
    let Some(relation) = OpenRelation::open(relid, pg_sys::AccessShareLock) else {
        return Ok(());
    };
    for key in keys(ITSELF, made) {
        check_all(&key, &relation).map_err(|report| Failure {
            message: format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                catalog::display_name(relid),
                key.name
            ),
            detail: report.detail.clone(),
            missing: false,
        })?;
    }
    drop(relation);
    // Copies of it stand for the partitions of what it references.
    execute(
        &format!(
            "WITH RECURSIVE k AS (
                 SELECT oid FROM pg_catalog.pg_constraint WHERE oid = {made} UNION ALL
                 SELECT c.oid FROM pg_catalog.pg_constraint AS c JOIN k ON c.conparentid = k.oid)
             UPDATE pg_catalog.pg_constraint SET convalidated = true WHERE oid IN (SELECT oid FROM k)",
            made = made.to_u32()
        ),
        None,
    )
}

/// A table's members, and whether they have rows of their own.
fn deepest_first(relid: Oid) -> Vec<(Oid, bool)> {
    let _privileged = Privileged::for_ddl();
    newest::select(
        "SELECT c.oid, c.relkind <> 'p' FROM pg_catalog.pg_class AS c
         LEFT JOIN pg_catalog.pg_partition_tree($1) AS t ON t.relid = c.oid
         WHERE c.oid = $1 OR t.relid IS NOT NULL ORDER BY t.level DESC, c.oid",
        &[oid(relid)],
        |row| Ok(row.get(1)?.zip(row.get(2)?)),
    )
}

/// A table's foreign keys, without the copies for partitions of what they reference.
fn own_keys(relid: Oid) -> Vec<Oid> {
    let _privileged = Privileged::for_ddl();
    newest::select(
        "SELECT k.oid FROM pg_catalog.pg_constraint AS k
         WHERE k.conrelid = $1 AND k.contype = 'f' AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_constraint AS p WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)",
        &[oid(relid)],
        |row| row.get(1),
    )
}

fn has_constraint(relid: Oid, name: &str) -> bool {
    let name = encoding::c_string(name);
    // SAFETY: a catalog look-up, InvalidOid for what is missing.
    unsafe { raw::get_relation_constraint_oid(relid, name.as_ptr(), true) != pg_sys::InvalidOid }
}

fn oid(relid: Oid) -> DatumWithOid<'static> {
    // SAFETY: an oid argument.
    unsafe { DatumWithOid::new(relid, pg_sys::OIDOID) }
}
