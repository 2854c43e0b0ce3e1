//! Reads the registry tables, the inheritance tree and the cascading foreign keys.

use super::parents::Parents;
use super::{CURRENT, CascadeEdge, Fed, Guarded, Policy, Registry, facts, invalidation};
use crate::judge::unguarded::RowTrigger;
use crate::pg::{catalog, settings::OwnSettings};
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

thread_local! {
    static LOADING: Cell<bool> = const { Cell::new(false) };
    static GENERATION: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn generation() -> usize {
    GENERATION.get()
}

/// Puts back the flag, the user, the snapshot and the settings, whether the load succeeded or raised.
struct Privileged {
    user: Oid,
    context: i32,
    _settings: OwnSettings,
}

impl Privileged {
    /// The registry must be readable whatever the current user was granted, and by the newest snapshot: an old one
    /// (REPEATABLE READ) could miss a registration whose triggers already fire.
    fn begin() -> Privileged {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: a transaction is in progress (checked by the caller); undone in Drop.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(
                pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
            pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        }
        LOADING.set(true);
        Privileged {
            user,
            context,
            _settings: OwnSettings::plain_plans(),
        }
    }
}

impl Drop for Privileged {
    fn drop(&mut self) {
        LOADING.set(false);
        // SAFETY: restores what begin() found; after an error the abort drops the snapshot stack itself.
        unsafe {
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
            if !std::thread::panicking() {
                pg_sys::PopActiveSnapshot();
            }
        }
    }
}

/// Reads everything again. `None` where nothing can be read now.
pub(super) fn refresh() -> Option<()> {
    // SAFETY: plain reads of backend state.
    let unreadable = unsafe {
        LOADING.get()
            || !pg_sys::IsTransactionState()
            || pg_sys::IsAbortedTransactionBlockState()
            || pg_sys::IsBinaryUpgrade
            // Nothing is destroyed in parallel mode, and a new snapshot cannot be taken there.
            || pg_sys::IsInParallelMode()
            || pg_sys::MyDatabaseId == pg_sys::InvalidOid
    };
    if unreadable {
        return None;
    }
    for _ in 0..3 {
        let seen = invalidation::changes();
        let (mut registry, watched) = read();
        let active = !registry.tables.is_empty() || !registry.sequences.is_empty();
        let first = registry.has_sequences() && CURRENT.with_borrow(|known| !known.has_sequences());
        if first {
            // Plans made until now call setval itself.
            // SAFETY: marks saved plans as invalid.
            unsafe { pg_sys::ResetPlanCache() };
        }
        let generation = GENERATION.get() + 1;
        CURRENT.with_borrow(|before| registry.date_protections(before, generation));
        CURRENT.set(Rc::new(registry));
        GENERATION.set(generation);
        invalidation::publish(seen, active, watched);
        if invalidation::ready() {
            break;
        }
    }
    Some(())
}

fn read() -> (Registry, HashSet<Oid>) {
    // SAFETY: catalog look-ups with static names; missing objects give InvalidOid.
    let registered = unsafe {
        if pg_sys::get_extension_oid(c"pg_backstop".as_ptr(), true) == pg_sys::InvalidOid {
            return Default::default();
        }
        let schema = pg_sys::get_namespace_oid(c"backstop".as_ptr(), true);
        [
            c"registered_table",
            c"registered_column",
            c"registered_sequence",
        ]
        .map(|name| pg_sys::get_relname_relid(name.as_ptr(), schema))
    };
    if registered.contains(&pg_sys::InvalidOid) {
        return Default::default();
    }
    let mut watched: HashSet<Oid> = registered.into_iter().collect();
    let _privileged = Privileged::begin();
    let [tables, columns, guarded_sequences] = registered;
    let policies = facts::policies(tables);
    let fed = facts::fed_columns(columns);
    let sequences = facts::sequences(guarded_sequences);
    let mut registry = Registry {
        sequences,
        ..Registry::default()
    };
    if policies.is_empty() && fed.is_empty() {
        return (registry, watched);
    }
    let inheritance = facts::inheritance();
    for (child, parent) in &inheritance {
        registry.children.entry(*parent).or_default().push(*child);
    }
    let parents = Parents::new(&inheritance);
    registry.tables = guarded(&registry, &parents, &policies, &fed);
    registry.followers = followers(&registry.tables);
    watched.extend(registry.tables.keys());
    for relid in registry.tables.keys() {
        watched.extend(parents.ancestors(*relid));
    }
    registry.parents = parents.0;
    (registry, watched)
}

fn guarded(
    registry: &Registry,
    parents: &Parents,
    policies: &[Rc<Policy>],
    fed: &HashMap<Oid, Vec<Fed>>,
) -> HashMap<Oid, Rc<Guarded>> {
    let mut members: HashMap<Oid, (Vec<Rc<Policy>>, Vec<Fed>)> = HashMap::new();
    for policy in policies {
        for relid in registry.with_children(policy.relid) {
            members.entry(relid).or_default().0.push(policy.clone());
        }
    }
    for (relid, columns) in fed {
        for relid in registry.with_children(*relid) {
            members
                .entry(relid)
                .or_default()
                .1
                .extend(columns.iter().cloned());
        }
    }
    let keys = facts::cascading_keys();
    let mut keys_to: HashMap<Oid, Vec<&facts::CascadingKey>> = HashMap::new();
    for key in &keys {
        keys_to.entry(key.parent).or_default().push(key);
    }
    let mut cascades: HashMap<Oid, Vec<CascadeEdge>> = HashMap::new();
    let mut queue: Vec<Oid> = members.keys().copied().collect();
    let mut reached: HashSet<Oid> = HashSet::new();
    while let Some(parent) = queue.pop() {
        if !reached.insert(parent) {
            continue;
        }
        for key in keys_to.get(&parent).into_iter().flatten() {
            for relid in registry.with_children(key.child) {
                cascades.entry(relid).or_default().push(edge(parents, key));
                members.entry(relid).or_default();
                queue.push(relid);
            }
        }
    }
    // Rows of tables that nothing protects take guarded rows with them too, and are the cause then.
    for key in keys.iter().filter(|key| !reached.contains(&key.parent)) {
        let guarded = registry.with_children(key.child).into_iter();
        for relid in guarded.filter(|relid| members.contains_key(relid)) {
            cascades.entry(relid).or_default().push(edge(parents, key));
        }
    }
    let triggers = facts::row_triggers();
    members
        .into_iter()
        .filter_map(|(relid, (policies, fed))| {
            let (schema, table) = catalog::relation_name(relid)?;
            let recorded_relid = parents.partition_root(relid);
            let guarded = Guarded {
                relid,
                recorded_relid,
                recorded_name: Rc::from(catalog::display_name(recorded_relid)),
                row_trigger: row_trigger(relid, &triggers),
                schema,
                table,
                policies,
                fed,
                cascades: cascades.remove(&relid).unwrap_or_default(),
            };
            Some((relid, Rc::new(guarded)))
        })
        .collect()
}

fn edge(parents: &Parents, key: &facts::CascadingKey) -> CascadeEdge {
    CascadeEdge {
        parent: key.parent,
        parent_name: catalog::display_name(parents.partition_root(key.parent)),
        columns: key.columns.clone(),
    }
}

/// The followers of each table, once each.
fn followers(tables: &HashMap<Oid, Rc<Guarded>>) -> HashMap<Oid, Vec<Oid>> {
    let mut followers: HashMap<Oid, Vec<Oid>> = HashMap::new();
    for table in tables.values() {
        let parents: HashSet<Oid> = table.cascades.iter().map(|edge| edge.parent).collect();
        for parent in parents {
            followers.entry(parent).or_default().push(table.relid);
        }
    }
    followers
}

fn row_trigger(relid: Oid, triggers: &HashMap<Oid, u8>) -> RowTrigger {
    // SAFETY: a syscache look-up.
    let kind = unsafe { pg_sys::get_rel_relkind(relid) } as u8;
    if kind == pg_sys::RELKIND_PARTITIONED_TABLE {
        return RowTrigger::NotNeeded;
    }
    let enabled = triggers.get(&relid);
    enabled.map_or(RowTrigger::Missing, |enabled| RowTrigger::Made(*enabled))
}
