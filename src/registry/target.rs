//! A protected relation as the judge sees it: key columns by the attribute numbers of the relation a statement names.

use super::Registry;
use crate::model::{Column, FedColumn, ProtectedTarget};
use crate::pg::catalog::{self, OpenRelation};
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
        let key = columns
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
            primary_key: catalog::primary_key(relid),
            fed_columns,
        })
    }
}
