//! The commands that register what is registered as it is: they make what of it is missing.

use super::{Policy, Registry};
use crate::judge::ddl::Registration;
use crate::judge::spelling::literal;
use crate::pg::catalog;
use pgrx::pg_sys::{self, Oid};
use std::collections::HashSet;
use std::rc::Rc;

impl Registry {
    /// The command that registers again what a table is guarded on account of: itself, what it inherits from, or what it
    /// follows. Empty when nothing guards it.
    pub fn registered_again(&self, relid: Oid) -> String {
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut queue = vec![self.trigger_source(relid)];
        while let Some(relid) = queue.pop() {
            let Some(table) = self.table(relid).filter(|_| seen.insert(relid)) else {
                continue;
            };
            if let Some(policy) = table.policies.first() {
                return protect(policy, &texts(&policy.key_columns));
            }
            if !table.fed.is_empty() {
                return self.protect_columns(relid, None);
            }
            queue.extend(table.cascades.iter().map(|edge| edge.parent));
        }
        String::new()
    }

    /// The commands that end what protects a table (with `inh`, and its children), and that make it again, where a column
    /// has been given another name (`renamed`: the old one and the new) with that.
    pub fn registration(
        &self,
        relid: Oid,
        inh: bool,
        renamed: Option<(&str, &str)>,
    ) -> Registration {
        let mut policies = self.policies(relid, inh);
        let mut child = policies.first().map(|policy| policy.table.clone());
        child = child.filter(|_| self.policies(relid, false).is_empty());
        if policies.is_empty() {
            let (end, again) = self.fed_alone(relid, inh, renamed);
            if !end.is_empty() {
                return Registration {
                    end,
                    again,
                    child: None,
                };
            }
            policies = self.followed(relid);
        }
        let end = policies
            .iter()
            .map(|policy| format!("SELECT backstop.unprotect({})", literal(&policy.qualified)));
        let again = policies.iter().flat_map(|policy| {
            // The columns of a table are given up with it.
            let columns = self.protect_columns(policy.relid, renamed);
            let key = policy.key_columns.iter();
            let key: Vec<&str> = key.map(|column| now(column, renamed)).collect();
            [protect(policy, &key), columns]
        });
        let again: Vec<String> = again.filter(|command| !command.is_empty()).collect();
        Registration {
            end: end.collect::<Vec<_>>().join("; "),
            again: again.join(" ").trim_end_matches(';').to_owned(),
            child,
        }
    }

    /// The policies of the protected tables that a table follows.
    fn followed(&self, relid: Oid) -> Vec<Rc<Policy>> {
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut queue = vec![relid];
        let mut found: Vec<Rc<Policy>> = Vec::new();
        while let Some(relid) = queue.pop() {
            let Some(table) = self.table(relid).filter(|_| seen.insert(relid)) else {
                continue;
            };
            for policy in &table.policies {
                if !found.iter().any(|known| known.relid == policy.relid) {
                    found.push(policy.clone());
                }
            }
            queue.extend(table.cascades.iter().map(|edge| edge.parent));
        }
        found.sort_by_key(|policy| policy.relid.to_u32());
        found
    }

    /// The commands of a table whose columns are fed by upstreams, and that is not protected.
    fn fed_alone(&self, relid: Oid, inh: bool, renamed: Option<(&str, &str)>) -> (String, String) {
        let reached = match inh {
            true => self.with_children(relid),
            false => vec![relid],
        };
        let mut tops: Vec<Oid> = reached
            .iter()
            .filter_map(|relid| self.top(*relid))
            .collect();
        tops.sort_unstable_by_key(|relid| relid.to_u32());
        tops.dedup();
        let end = tops.iter().map(|top| {
            let columns = self.table(*top).into_iter().flat_map(|table| &table.fed);
            let columns: Vec<String> = columns.map(|fed| literal(&fed.column)).collect();
            format!(
                "SELECT backstop.unprotect_columns({}, ARRAY[{}])",
                literal(&catalog::display_name(*top)),
                columns.join(", ")
            )
        });
        let again = tops.iter().map(|top| self.protect_columns(*top, renamed));
        (
            end.collect::<Vec<_>>().join("; "),
            again
                .collect::<Vec<_>>()
                .join(" ")
                .trim_end_matches(';')
                .to_owned(),
        )
    }

    /// The command that registers a table as it is, but for these columns that are left out of its key; None where that
    /// leaves none.
    pub fn registered_without(&self, relid: Oid, columns: &[String]) -> Option<String> {
        let policies = self.policies(relid, false);
        let mut all = policies.iter().map(|policy| {
            let mut key = policy.key_columns.clone();
            key.retain(|column| !columns.contains(column));
            (policy, key)
        });
        let (policy, key) = all.find(|(policy, key)| key.len() < policy.key_columns.len())?;
        (!key.is_empty()).then(|| protect(policy, &texts(&key)))
    }

    /// The table whose row trigger `relid` has: registering a partition by itself makes none where its parent's is missing.
    fn trigger_source(&self, relid: Oid) -> Oid {
        let mut source = relid;
        // SAFETY: a syscache look-up; a relation that is gone is no partition.
        while unsafe { pg_sys::get_rel_relispartition(source) } {
            let parents = self.parents(source).iter();
            match parents
                .copied()
                .find(|parent| self.table(*parent).is_some())
            {
                Some(parent) => source = parent,
                None => break,
            }
        }
        source
    }

    /// Columns are their children's too: the topmost table that has them is the one that was registered. `None` where none
    /// are.
    fn top(&self, relid: Oid) -> Option<Oid> {
        let fed = |relid: &Oid| {
            self.table(*relid)
                .is_some_and(|table| !table.fed.is_empty())
        };
        let above = self.ancestors(relid).into_iter().filter(fed);
        above
            .min_by_key(|relid| self.depth(*relid))
            .or(Some(relid).filter(fed))
    }

    fn protect_columns(&self, relid: Oid, renamed: Option<(&str, &str)>) -> String {
        let Some(top) = self.top(relid) else {
            return String::new();
        };
        let columns = self.table(top).into_iter().flat_map(|table| &table.fed);
        let commands: Vec<String> = columns
            .map(|fed| {
                format!(
                    "SELECT backstop.protect_columns({}, ARRAY[{}], {});",
                    literal(&catalog::display_name(top)),
                    literal(now(&fed.column, renamed)),
                    literal(&fed.upstream)
                )
            })
            .collect();
        commands.join(" ")
    }
}

/// The name a column has when the command is to be run.
fn now<'a>(column: &'a str, renamed: Option<(&str, &'a str)>) -> &'a str {
    renamed.map_or(
        column,
        |(old, new)| if column == old { new } else { column },
    )
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn protect(policy: &Policy, key: &[&str]) -> String {
    let keys: Vec<String> = key.iter().map(|key| literal(key)).collect();
    let mut command = format!(
        "SELECT backstop.protect({}, key_columns => ARRAY[{}]",
        literal(&policy.qualified),
        keys.join(", ")
    );
    if let Some(max_rows) = policy.max_rows {
        command += &format!(", max_rows => {max_rows}");
    }
    if let Some(expendable) = &policy.expendable {
        command += &format!(", expendable => {}", literal(expendable));
    }
    if policy.always {
        command += ", require => 'always'";
    }
    command += &format!(", approval => '{}');", policy.approval.name());
    command
}
