//! Tables through their noted changes (`record::table_change`), from an image on.
//!
//! A table is told by its OID. Where that is not known, because a dump has brought the record, its name tells it: at any
//! moment a name means one table, so every name it had leads to the next one.

use super::column_history::Change;
use crate::pg::catalog;
use pgrx::pg_sys::{self, Oid};

/// A recorded table at a moment.
pub(super) struct Table {
    /// What it is called, or was last.
    pub name: String,
    /// Invalid where that is not known.
    pub relid: Oid,
    pub dropped: bool,
    /// The statements that dropped it.
    by: Vec<i64>,
}

impl Table {
    pub fn new(name: &str, relid: Oid) -> Table {
        Table {
            name: name.to_owned(),
            relid,
            dropped: false,
            by: Vec::new(),
        }
    }

    /// Goes on to the next of the record's changes; whether it is one of the table, or of its columns.
    pub fn follow(&mut self, change: &Change) -> bool {
        let returns = self.returns(change);
        if !returns && !self.is_of(change) {
            return false;
        }
        if is_known(change.relid) {
            self.relid = change.relid;
        }
        self.name.clone_from(&change.relation);
        if returns {
            self.dropped = false;
        } else if change.column.is_none() {
            match &change.new {
                Some(new) => self.name.clone_from(new),
                None => {
                    self.dropped = true;
                    self.by.extend(change.statement);
                }
            }
        }
        true
    }

    fn is_of(&self, change: &Change) -> bool {
        !self.dropped
            && match is_known(self.relid) && is_known(change.relid) {
                true => self.relid == change.relid,
                false => self.name == change.relation,
            }
    }

    /// Whether a restore has made the table again with this change.
    fn returns(&self, change: &Change) -> bool {
        let made = change.column.is_none() && change.new.as_ref() == Some(&change.relation);
        if !made || change.relation != self.name {
            return false;
        }
        match self.dropped {
            true => change.statement.is_some_and(|id| self.by.contains(&id)),
            // Nobody noted the drop.
            false => catalog::relation_name(self.relid).is_none(),
        }
    }

    /// The table, if it is there and it is certain that it is the one.
    pub fn today(&self) -> Option<Oid> {
        let relid = match is_known(self.relid) {
            true => Some(self.relid),
            false => catalog::named_relation(&self.name),
        };
        relid.filter(|relid| !self.dropped && catalog::relation_name(*relid).is_some())
    }
}

/// What a dump brought has no OID.
pub(super) fn is_known(relid: Oid) -> bool {
    relid != pg_sys::InvalidOid
}
