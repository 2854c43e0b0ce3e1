//! What is protected in this database, as one backend knows it.
//!
//! The registry is read once and kept until something it depends on changes: its own tables (a trigger sends their
//! relcache invalidation), a guarded table, or one of its children. Every hook asks `current()` first and leaves when
//! it answers `None`, so a database without protected tables pays one branch.

mod again;
mod facts;
mod invalidation;
mod load;
mod parents;
mod since;
mod target;
mod writing;

pub use writing::{Writing, is_writing};

pub use invalidation::{
    announce_change, committed, install, is_being_restored, loaded_by_hand, rolled_back,
};

use crate::judge::unguarded::RowTrigger;
use crate::model::ProtectedTarget;
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The weakest kind of approval a table accepts.
pub use crate::judge::approval::Kind as ApprovalKind;

/// One registration.
#[derive(Debug)]
pub struct Policy {
    pub relid: Oid,
    pub schema: String,
    pub table: String,
    /// `schema.table`, quoted where SQL needs it.
    pub qualified: String,
    pub key_columns: Vec<String>,
    pub max_rows: Option<i64>,
    pub expendable: Option<String>,
    /// `require => 'always'`.
    pub always: bool,
    pub approval: ApprovalKind,
}

/// A foreign key through which rows of `parent` take rows of a guarded table with them.
#[derive(Debug)]
pub struct CascadeEdge {
    /// The referenced table.
    pub parent: Oid,
    /// The parent's qualified name, for `cause`.
    pub parent_name: String,
    /// The referencing columns' names.
    pub columns: Vec<String>,
}

/// A protected table's column and the pipeline that feeds it.
#[derive(Debug, Clone)]
pub struct Fed {
    pub column: String,
    pub upstream: String,
}

/// A table whose destroyed rows are counted and captured: protected, one of its children, or a follower.
#[derive(Debug)]
pub struct Guarded {
    pub relid: Oid,
    /// The relation as the record names it: the partition root for a partition.
    pub recorded_relid: Oid,
    pub recorded_name: Rc<str>,
    pub row_trigger: RowTrigger,
    pub schema: String,
    pub table: String,
    /// Empty for a follower.
    pub policies: Vec<Rc<Policy>>,
    pub fed: Vec<Fed>,
    pub cascades: Vec<CascadeEdge>,
}

impl Guarded {
    pub fn is_protected(&self) -> bool {
        !self.policies.is_empty()
    }

    /// Whether everything that guards the other guards this table too, and the record names both alike.
    pub fn has_grounds_of(&self, other: &Guarded) -> bool {
        let policy = |wanted: &Rc<Policy>| self.policies.iter().any(|p| p.relid == wanted.relid);
        // A foreign key to a partitioned table is one to each of its partitions, too.
        let parents: HashSet<Oid> = self.cascades.iter().map(|edge| edge.parent).collect();
        let edge = |wanted: &CascadeEdge| parents.contains(&wanted.parent);
        self.recorded_relid == other.recorded_relid
            && other.policies.iter().all(policy)
            && other.cascades.iter().all(edge)
    }

    /// The weakest kind of approval that its policies accept.
    pub fn kind(&self) -> ApprovalKind {
        let kinds = self.policies.iter().map(|policy| policy.approval);
        kinds.max().unwrap_or(ApprovalKind::Session)
    }
}

pub use crate::judge::sequence::SequencePolicy;

/// By relation, and whether its children are addressed with it.
type Targets = HashMap<(Oid, bool), Option<Rc<ProtectedTarget>>>;

#[derive(Debug, Default)]
pub struct Registry {
    tables: HashMap<Oid, Rc<Guarded>>,
    sequences: HashMap<Oid, Rc<SequencePolicy>>,
    /// Inheritance and partitioning of the whole database, parent to children.
    children: HashMap<Oid, Vec<Oid>>,
    /// The same, child to parents.
    parents: HashMap<Oid, Vec<Oid>>,
    /// The guarded tables that follow a table, by that table.
    followers: HashMap<Oid, Vec<Oid>>,
    /// The generation in which a table was first seen to be protected, as long as it is.
    protected: HashMap<Oid, usize>,
    targets: RefCell<Targets>,
}

impl Registry {
    /// The guarded table `relid`.
    pub fn table(&self, relid: Oid) -> Option<&Rc<Guarded>> {
        self.tables.get(&relid)
    }

    /// Whether the record has, or may come to have, images of `relid`: it is guarded, or a partition of it is.
    pub fn records(&self, relid: Oid) -> bool {
        self.table(relid).is_some() || self.tables().any(|table| table.recorded_relid == relid)
    }

    /// Whether `relid` is protected by a registration of its own.
    pub fn registers(&self, relid: Oid) -> bool {
        self.own_policy(relid).is_some()
    }

    /// The table's own registration.
    pub fn own_policy(&self, relid: Oid) -> Option<&Policy> {
        let policies = self.table(relid)?.policies.iter();
        policies
            .map(Rc::as_ref)
            .find(|policy| policy.relid == relid)
    }

    pub fn tables(&self) -> impl Iterator<Item = &Rc<Guarded>> {
        self.tables.values()
    }

    pub fn sequence(&self, relid: Oid) -> Option<&Rc<SequencePolicy>> {
        self.sequences.get(&relid)
    }

    /// The registered sequences.
    pub fn sequences(&self) -> impl Iterator<Item = Oid> {
        self.sequences.keys().copied()
    }

    pub fn has_sequences(&self) -> bool {
        !self.sequences.is_empty()
    }

    pub fn sequence_count(&self) -> usize {
        self.sequences.len()
    }

    /// `relid` and everything that inherits from it or is its partition.
    pub fn with_children(&self, relid: Oid) -> Vec<Oid> {
        let mut all = vec![relid];
        let mut known = HashSet::from([relid]);
        let mut next = 0;
        while next < all.len() {
            for child in self.children.get(&all[next]).into_iter().flatten() {
                if known.insert(*child) {
                    all.push(*child);
                }
            }
            next += 1;
        }
        all
    }

    /// What `relid` inherits from or is a partition of.
    pub fn parents(&self, relid: Oid) -> &[Oid] {
        self.parents.get(&relid).map_or(&[], Vec::as_slice)
    }

    /// Everything that `relid` inherits from or is a partition of, directly or not.
    pub fn ancestors(&self, relid: Oid) -> Vec<Oid> {
        let mut all = self.parents(relid).to_vec();
        let mut next = 0;
        while next < all.len() {
            for parent in self.parents(all[next]) {
                if !all.contains(parent) {
                    all.push(*parent);
                }
            }
            next += 1;
        }
        all
    }

    /// What is guarded on account of `relid`: itself, its children, and what follows any of them.
    pub fn dependents(&self, relid: Oid) -> HashSet<Oid> {
        let mut queue = self.with_children(relid);
        let mut found: HashSet<Oid> = queue.iter().copied().collect();
        while let Some(parent) = queue.pop() {
            for follower in self.followers.get(&parent).into_iter().flatten() {
                if found.insert(*follower) {
                    queue.push(*follower);
                }
            }
        }
        found
    }

    /// Every relation that inherits or is a partition.
    pub fn children(&self) -> impl Iterator<Item = Oid> {
        self.parents.keys().copied()
    }

    /// How many generations are above `relid`.
    pub fn depth(&self, relid: Oid) -> usize {
        let (mut generation, mut depth) = (vec![relid], 0);
        loop {
            let above = generation.iter().flat_map(|relid| self.parents(*relid));
            let mut above: Vec<Oid> = above.copied().collect();
            above.sort_unstable_by_key(|relid| relid.to_u32());
            above.dedup();
            if above.is_empty() {
                return depth;
            }
            (generation, depth) = (above, depth + 1);
        }
    }

    /// The policies that a command on `relid` meets: its own and its ancestors', and its children's when the command
    /// reaches them (`inh`).
    pub fn policies(&self, relid: Oid, inh: bool) -> Vec<Rc<Policy>> {
        let reached = if inh {
            self.with_children(relid)
        } else {
            vec![relid]
        };
        let mut found: Vec<Rc<Policy>> = Vec::new();
        for policy in reached
            .iter()
            .filter_map(|relid| self.tables.get(relid))
            .flat_map(|table| &table.policies)
        {
            if !found.iter().any(|known| known.relid == policy.relid) {
                found.push(policy.clone());
            }
        }
        found
    }
}

thread_local! {
    static CURRENT: RefCell<Rc<Registry>> = RefCell::new(Rc::default());
}

/// The registry, read anew when something changed; `None` when nothing is protected in this database, when the mode is
/// `off`, or where catalogs cannot be read (no transaction, an aborted one, a binary upgrade).
pub fn current() -> Option<Rc<Registry>> {
    if crate::gucs::mode() == crate::gucs::Mode::Off {
        None
    } else {
        current_even_if_off()
    }
}

/// As `current`, whatever the mode: for registering.
pub fn current_even_if_off() -> Option<Rc<Registry>> {
    if !invalidation::ready() {
        load::refresh()?;
    }
    if invalidation::is_empty() {
        None
    } else {
        Some(CURRENT.with_borrow(Rc::clone))
    }
}

/// Whether the registry is what it was in that generation, and no change of it is known.
pub fn is_still(generation: usize) -> bool {
    invalidation::ready() && load::generation() == generation
}

/// Changes whenever the registry was read anew: what was derived from an earlier one must be derived again.
pub fn generation() -> usize {
    load::generation()
}
