//! Since when a table is protected, as this session has seen it.

use super::{Guarded, Registry};
use pgrx::pg_sys::Oid;
use std::rc::Rc;

impl Registry {
    /// The relation, if it has come to be protected after that generation.
    pub fn protected_after(&self, relid: Oid, generation: usize) -> Option<&Rc<Guarded>> {
        let since = self.protected.get(&relid)?;
        self.table(relid).filter(|_| *since > generation)
    }

    pub(super) fn date_protections(&mut self, before: &Registry, generation: usize) {
        let protected = self.tables.values().filter(|table| table.is_protected());
        let dated = protected.map(|table| {
            let since = before.protected.get(&table.relid);
            (table.relid, since.copied().unwrap_or(generation))
        });
        self.protected = dated.collect();
    }
}
