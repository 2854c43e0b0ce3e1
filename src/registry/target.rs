//! A protected relation as the judge sees it: key columns by the attribute numbers of the relation a statement names.

use super::{Policy, Registry};
use crate::model::{Column, FedColumn, ProtectedTarget};
use crate::pg::catalog::{self, ColumnFact, OpenRelation};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

impl Registry {
    /// What is protected about `relid`, addressed with its children (`inh`) or alone; `None` when nothing is.
    pub fn target(&self, relid: Oid, inh: bool) -> Option<Rc<ProtectedTarget>> {
        if let Some(known) = self.targets.borrow().get(&(relid, inh)) {
            return known.clone();
        }
        let found = self.find_target(relid, inh).map(Rc::new);
        self.targets
            .borrow_mut()
            .insert((relid, inh), found.clone());
        found
    }

    fn find_target(&self, relid: Oid, inh: bool) -> Option<ProtectedTarget> {
        let policies = self.policies(relid, inh);
        if policies.is_empty() {
            return None;
        }
        let (schema, table) = catalog::relation_name(relid)?;
        let columns = OpenRelation::open(relid, pg_sys::AccessShareLock)?.columns();
        // Children have their parent's columns by name, at attribute numbers of their own.
        let key: Vec<Column> = columns
            .iter()
            .filter(|column| {
                policies
                    .iter()
                    .any(|policy| policy.key_columns.contains(&column.name))
            })
            .map(|column| Column {
                attnum: column.attnum,
                name: column.name.clone(),
                not_null: column.not_null,
            })
            .collect();
        let mut fed_columns: Vec<FedColumn> = Vec::new();
        let reached = if inh {
            self.with_children(relid)
        } else {
            vec![relid]
        };
        for fed in reached
            .iter()
            .filter_map(|relid| self.tables.get(relid))
            .flat_map(|table| &table.fed)
        {
            if let Some(column) = columns.iter().find(|column| column.name == fed.column)
                && !fed_columns
                    .iter()
                    .any(|known| known.attnum == column.attnum)
            {
                fed_columns.push(FedColumn {
                    attnum: column.attnum,
                    name: column.name.clone(),
                    upstream: fed.upstream.clone(),
                });
            }
        }
        Some(ProtectedTarget {
            schema,
            table,
            key,
            naming: self.naming(relid, inh, &policies, &columns),
            primary_key: catalog::primary_key(relid),
            fed_columns,
        })
    }

    /// The sets of columns of `relid` that name a row of everything protected that a command on it reaches.
    fn naming(
        &self,
        relid: Oid,
        inh: bool,
        policies: &[Rc<Policy>],
        columns: &[ColumnFact],
    ) -> Vec<Vec<i16>> {
        let names = policies.iter().flat_map(|policy| &policy.key_columns);
        let protected = numbered(names, columns);
        let unique = self
            .shared_key(relid, inh)
            .and_then(|names| numbered(names.iter(), columns));
        [protected, unique].into_iter().flatten().collect()
    }

    /// The primary key that no two rows of a protected relation among the reached ones share: each has it, or one that
    /// is part of it. Partitions have the key of their partitioned table, children by plain inheritance only their own.
    fn shared_key(&self, relid: Oid, inh: bool) -> Option<Vec<String>> {
        let own = primary_key_names(relid);
        // SAFETY: a syscache look-up that takes any relation's OID.
        let kind = unsafe { pg_sys::get_rel_relkind(relid) } as u8;
        if !inh || (kind == pg_sys::RELKIND_PARTITIONED_TABLE && !own.is_empty()) {
            return Some(own);
        }
        let mut keys: Vec<Vec<String>> = Vec::new();
        for member in self.with_children(relid) {
            if !self.table(member).is_some_and(|table| table.is_protected()) {
                continue;
            }
            let key = primary_key_names(member);
            if key.is_empty() {
                return None;
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let holds =
            |whole: &Vec<String>, part: &Vec<String>| part.iter().all(|n| whole.contains(n));
        let widest = keys
            .iter()
            .find(|key| keys.iter().all(|part| holds(key, part)));
        widest.cloned()
    }
}

/// The numbers of the columns of these names; None when one is missing.
fn numbered<'a>(
    mut names: impl Iterator<Item = &'a String>,
    columns: &[ColumnFact],
) -> Option<Vec<i16>> {
    names.try_fold(Vec::new(), |mut numbers, name| {
        let column = columns.iter().find(|column| column.name == *name)?;
        numbers.push(column.attnum);
        Some(numbers)
    })
}

/// By name, because children have their parent's columns at attribute numbers of their own.
fn primary_key_names(relid: Oid) -> Vec<String> {
    let numbers = catalog::primary_key(relid).into_iter();
    // SAFETY: a syscache look-up that returns a palloc'd name or, missing_ok, NULL.
    let names =
        numbers.map(|attnum| unsafe { catalog::owned(pg_sys::get_attname(relid, attnum, true)) });
    names.flatten().collect()
}
