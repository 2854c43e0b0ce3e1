//! What has a name that something else gets for the time of a restore goes aside.

use super::present::pairs;
use super::renamed::Names;
use super::step::Step;
use crate::pg::catalog;
use crate::report::Outcome;
use pgrx::pg_sys::Oid;

impl Names {
    /// Children's own columns that have names which columns of `relid` get go aside.
    pub(super) fn children_aside(
        &mut self,
        identity: &Step,
        relid: Oid,
        renamed: &[(String, String)],
    ) -> Outcome<()> {
        if renamed.is_empty() {
            return Ok(());
        }
        let mut all = names_in_tree(relid);
        let own = pairs(&format!(
            "{} SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname::text FROM tree
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = tree.relid JOIN pg_catalog.pg_class AS c ON c.oid = tree.relid
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE tree.relid <> {} AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0",
            tree(relid),
            relid.to_u32()
        ));
        for (table, name) in own {
            if !renamed.iter().any(|(then, _)| *then == name) {
                continue;
            }
            let aside = free_name(0, |name| all.iter().any(|used| used == name));
            let (from, to) = (catalog::quoted(&name), catalog::quoted(&aside));
            self.run(
                identity,
                format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"),
                format!("ALTER TABLE {table} RENAME COLUMN {to} TO {from}"),
            )?;
            all.push(aside);
        }
        Ok(())
    }
}

/// The first name for what is put aside that nothing has; `from`: a number.
pub(super) fn free_name(from: usize, used: impl Fn(&str) -> bool) -> String {
    let mut names = (from..).map(|n| format!("backstop_aside_{n}"));
    names.find(|name| !used(name)).unwrap_or_default()
}

/// The names of a table's columns.
pub(super) fn names_in(relid: Oid) -> Vec<String> {
    let sql = "SELECT attname::text, '' FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid";
    let found = pairs(&format!("{sql} = {}", relid.to_u32())).into_iter();
    found.map(|(name, _)| name).collect()
}

/// The names of all columns of a table and of those that inherit them.
pub(super) fn names_in_tree(relid: Oid) -> Vec<String> {
    let sql = format!(
        "{} SELECT a.attname::text, '' FROM pg_catalog.pg_attribute AS a JOIN tree ON a.attrelid = tree.relid",
        tree(relid)
    );
    let found = pairs(&sql).into_iter();
    found.map(|(name, _)| name).collect()
}

/// A table and those that inherit it, as WITH.
fn tree(relid: Oid) -> String {
    format!(
        "WITH RECURSIVE tree(relid) AS (SELECT {}::pg_catalog.oid UNION
             SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.relid)",
        relid.to_u32()
    )
}
