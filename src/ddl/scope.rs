//! Collects findings: every question a reader of statements or objects asks about a relation.

use super::names::is_own;
use super::{Finding, Table};
use crate::guard_triggers;
use crate::judge::ddl::{Action, Kind};
use crate::pg::{catalog, classes, types};
use crate::record::{append_only, uses};
use crate::registry::{Policy, Registry};
use crate::running::underway;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

pub const EXTENSION: &str = "pg_backstop";

/// Where findings gather while a statement or an object is looked at.
pub struct Scope {
    pub registry: Rc<Registry>,
    pub found: Vec<Finding>,
    /// What is found of sequences now will be found again when their turn comes.
    pub ahead: bool,
}

impl Scope {
    pub fn new(registry: &Rc<Registry>) -> Scope {
        Scope {
            registry: registry.clone(),
            found: Vec::new(),
            ahead: false,
        }
    }

    /// `kind` happens to `relid` (and with `inh` to the children it goes down to), if that is protected.
    pub fn table(&mut self, relid: Oid, inh: bool, kind: Kind, object: Option<String>) {
        let inh = inh && kind.reaches_children();
        self.action(relid, inh, Action::new(kind, object));
    }

    /// `relid` (and with `inh` its children) would be truncated. pg_restore --jobs truncates every table before it fills
    /// it, when the registry may be there already: a table that is empty and has not got its triggers yet.
    pub fn truncate_table(&mut self, relid: Oid, inh: bool) {
        // Another table is not even opened: who may not truncate it does not wait for it either.
        if self.registry.policies(relid, inh).is_empty() {
            return;
        }
        let children = self.registry.with_children(relid);
        let alone = !inh || children.iter().all(|child| *child == relid);
        if !alone || guard_triggers::guards_truncate(relid) || classes::has_pages(relid) {
            self.table(relid, inh, Kind::Truncate, None);
        }
    }

    /// As `through`, of a part of the values that a table's columns hold: what a follower loses with it could not be given
    /// back either.
    pub fn part(&mut self, relid: Oid, kind: Kind, through: &'static str) {
        let found = self.found.len();
        self.through(relid, kind, through);
        if self.found.len() > found || underway::takes_table(relid) {
            return;
        }
        if let Some(table) = Table::registered(&self.registry, relid, true, None).filter(|_| {
            self.registry
                .table(relid)
                .is_some_and(|t| !t.cascades.is_empty())
        }) {
            let action = Action {
                through: Some(through),
                ..Action::new(Kind::DropFollowersAttribute, None)
            };
            self.found.push(Finding::Table { table, action });
        }
    }

    /// As `table`, reached by a command that doesn't name the table.
    pub fn through(&mut self, relid: Oid, kind: Kind, through: &'static str) {
        let action = Action {
            through: Some(through),
            ..Action::new(kind, None)
        };
        self.action(relid, true, action);
    }

    pub(super) fn action(&mut self, relid: Oid, inh: bool, action: Action) {
        // What sits on a table that vanishes goes with it, and is captured with it.
        if underway::takes_table(relid) {
            return;
        }
        if let Some(table) = Table::protected(&self.registry, relid, inh) {
            self.found.push(Finding::Table { table, action });
        }
    }

    /// A column of `relid` is renamed.
    pub fn rename_column(&mut self, relid: Oid, inh: bool, column: &str, name: &str) {
        if !self.registered_column(relid, inh, column) {
            return self.table(relid, inh, Kind::RenameColumn, Some(column.to_owned()));
        }
        let action = Action::new(Kind::RenameRegisteredColumn, Some(column.to_owned()));
        // Columns may be fed by an upstream without the table being protected.
        let table = Table::registered(&self.registry, relid, inh, Some((column, name)));
        if let Some(table) = table.filter(|_| !underway::takes_table(relid)) {
            self.found.push(Finding::Table { table, action });
        }
    }

    /// Whether a registration depends on the column's name.
    fn registered_column(&self, relid: Oid, inh: bool, column: &str) -> bool {
        let policies = self.registry.policies(relid, inh);
        let named = policies.iter().any(|policy| {
            policy.key_columns.iter().any(|key| key == column) || uses::names_column(policy, column)
        });
        named
            || self
                .registry
                .with_children(relid)
                .iter()
                .filter_map(|relid| self.registry.table(*relid))
                .any(|table| table.fed.iter().any(|fed| fed.column == column))
    }

    /// Something that the expressions of these policies use is changed: what happens to it.
    pub fn expendable(&mut self, policies: Vec<Rc<Policy>>, what: String) {
        for policy in policies {
            let action = Action::new(Kind::ChangeExpendable, Some(what.clone()));
            self.action(policy.relid, false, action);
        }
    }

    /// A trigger of `relid` is disabled, dropped or changed by name.
    pub fn trigger(&mut self, relid: Oid, inh: bool, name: &str, kind: Option<Kind>) {
        if guard_triggers::is_ours(name) && self.registry.table(relid).is_some() {
            self.guard_on(format!("trigger \"{name}\""), relid);
        } else if let Some(kind) = kind {
            self.table(relid, inh, kind, Some(name.to_owned()));
        }
    }

    /// All triggers of `relid` are switched: the guard's with them.
    pub fn all_triggers(&mut self, relid: Oid, inh: bool) {
        if Table::protected(&self.registry, relid, inh).is_some() {
            self.table(relid, inh, Kind::SwitchAllTriggers, None);
        } else if self.registry.table(relid).is_some() {
            self.guard_on("the triggers of pg_backstop".to_owned(), relid);
        }
    }

    /// A part of the guard would be changed.
    pub fn guard(&mut self, what: String) {
        self.found.push(Finding::Guard { what, table: None });
    }

    /// A relation of the guard's own would be changed.
    pub(super) fn own(&mut self, relid: Oid) {
        if is_own(relid) {
            self.own_relation(relid);
        }
    }

    /// As `own`, of one that is known to be.
    pub(super) fn own_relation(&mut self, relid: Oid) {
        self.found.push(Finding::Guard {
            what: format!("relation \"{}\"", catalog::display_name(relid)),
            table: catalog::relation_name(relid),
        });
    }

    /// What is in a relation of the guard's own would be removed.
    pub(super) fn own_rows(&mut self, relid: Oid) {
        match append_only::violation(relid) {
            Some(violation) => self.found.push(Finding::OwnRows(violation)),
            None => self.own(relid),
        }
    }

    /// A part of the guard that sits on a table.
    pub fn guard_on(&mut self, what: String, relid: Oid) {
        if underway::takes_table(relid) {
            return;
        }
        self.found.push(Finding::Guard {
            what,
            table: catalog::relation_name(relid),
        });
    }

    /// Every protected table for which `reached` is true.
    pub fn each_protected(
        &mut self,
        kind: Kind,
        through: &'static str,
        reached: impl Fn(Oid) -> bool,
    ) {
        let mut relids: Vec<Oid> = self
            .registry
            .tables()
            .filter(|table| table.is_protected())
            .map(|table| table.relid)
            .filter(|relid| reached(*relid))
            .collect();
        relids.sort_by_key(|relid| relid.to_u32());
        for relid in relids {
            self.through(relid, kind, through);
        }
    }

    /// The guarded tables that store rows of `relid`, a composite type or another table, inside a column's values.
    pub fn holding(&self, relid: Oid) -> Vec<Oid> {
        // SAFETY: a syscache look-up.
        let row_type = unsafe { pg_sys::get_rel_type_id(relid) };
        if row_type == pg_sys::InvalidOid {
            return Vec::new();
        }
        let mut holding: Vec<Oid> = self
            .registry
            .tables()
            .map(|table| table.relid)
            .filter(|relid| types::columns_hold(*relid, &[row_type]))
            .collect();
        holding.sort_by_key(|relid| relid.to_u32());
        holding
    }

    /// The relations a command on `relid` reaches: a composite type's typed tables, else `relid` itself.
    pub fn reached(&self, relid: Oid) -> Vec<Oid> {
        let composite = classes::before(relid).is_some_and(|row| row.kind == 'c');
        if !composite {
            return vec![relid];
        }
        // SAFETY: a syscache look-up.
        let row_type = unsafe { pg_sys::get_rel_type_id(relid) };
        let mut typed: Vec<Oid> = self
            .registry
            .tables()
            .map(|table| table.relid)
            .filter(|relid| classes::before(*relid).is_some_and(|row| row.of_type == row_type))
            .collect();
        typed.sort_by_key(|relid| relid.to_u32());
        typed
    }
}
