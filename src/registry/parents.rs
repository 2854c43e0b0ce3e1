//! The inheritance and partitioning of a database, from below.

use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;

/// Child to parents.
pub(super) struct Parents(pub HashMap<Oid, Vec<Oid>>);

impl Parents {
    pub fn new(inheritance: &[(Oid, Oid)]) -> Parents {
        let mut map: HashMap<Oid, Vec<Oid>> = HashMap::new();
        for (child, parent) in inheritance {
            map.entry(*child).or_default().push(*parent);
        }
        Parents(map)
    }

    pub fn ancestors(&self, relid: Oid) -> Vec<Oid> {
        let mut found = Vec::new();
        let mut queue = vec![relid];
        while let Some(next) = queue.pop() {
            for parent in self.0.get(&next).into_iter().flatten() {
                if !found.contains(parent) {
                    found.push(*parent);
                    queue.push(*parent);
                }
            }
        }
        found
    }

    /// The topmost partitioned table `relid` is a partition of, or itself.
    pub fn partition_root(&self, relid: Oid) -> Oid {
        let mut root = relid;
        // SAFETY: a syscache look-up; a relation that is gone is no partition.
        while unsafe { pg_sys::get_rel_relispartition(root) } {
            match self.0.get(&root).and_then(|parents| parents.first()) {
                Some(parent) => root = *parent,
                None => break,
            }
        }
        root
    }
}
