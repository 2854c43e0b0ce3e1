//! What the entries of a range table stand for.

use pgrx::pg_sys;

use super::node::{Node, items, nth_rte, tag};
use super::scope::{Gatherer, ScopeId};
use super::target::reaches_children;
use crate::judge::predicate::InstanceId;
use crate::judge::statement::InstanceKind;

/// What a range-table entry stands for.
#[derive(Clone, Copy)]
pub enum Source {
    /// An instance whose columns are its own.
    Columns(InstanceId),
    /// A subquery or CTE.
    Query(ScopeId, InstanceId),
    /// A recursive CTE's reference to itself.
    Recursive(ScopeId, InstanceId),
    /// A join's or (PostgreSQL 18) grouping step's names for others' columns.
    Alias,
}

impl Gatherer<'_> {
    /// The range-table entry of that number.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn rte(&self, scope: ScopeId, rtindex: i32) -> *mut pg_sys::RangeTblEntry {
        // SAFETY: a rewritten Query's range table holds RangeTblEntry nodes, and its Vars number within it.
        unsafe { nth_rte((*self.scopes[scope].query).rtable, rtindex) }
    }

    /// What that range-table entry stands for, entered on first use.
    ///
    /// # Safety
    /// The scope's query is valid and has such an entry.
    pub unsafe fn source(&mut self, scope: ScopeId, rtindex: i32) -> Source {
        if let Some(&known) = self.scopes[scope].sources.get(&rtindex) {
            return known;
        }
        // SAFETY: the kind says which fields of the entry are set (parsenodes.h); all of them outlive the gatherer.
        unsafe {
            let rte = self.rte(scope, rtindex);
            let source = match (*rte).rtekind {
                pg_sys::RTEKind::RTE_RELATION => {
                    let reaches = reaches_children(self.scopes[scope].query, rtindex, rte);
                    let target = self.target((*rte).relid, reaches);
                    let instance =
                        self.instance(scope, InstanceKind::Relation, (*rte).relid.to_u32());
                    self.statement.instances[instance].target = target;
                    Source::Columns(instance)
                }
                pg_sys::RTEKind::RTE_NAMEDTUPLESTORE => {
                    Source::Columns(self.instance(scope, InstanceKind::Relation, 0))
                }
                pg_sys::RTEKind::RTE_SUBQUERY => {
                    let instance = self.instance(scope, InstanceKind::Computed, 0);
                    let (depth, body) = (self.scopes[scope].depth + 1, self.scopes[scope].body);
                    let inner = self.open((*rte).subquery, Some(scope), depth, Some(body));
                    self.remember(scope, rtindex, Source::Query(inner, instance));
                    self.read_body(inner, false);
                    Source::Query(inner, instance)
                }
                pg_sys::RTEKind::RTE_CTE => self.cte(scope, rtindex, rte),
                pg_sys::RTEKind::RTE_JOIN => Source::Alias,
                #[cfg(feature = "pg18")]
                pg_sys::RTEKind::RTE_GROUP => Source::Alias,
                _ => Source::Columns(self.instance(scope, InstanceKind::Computed, 0)),
            };
            self.remember(scope, rtindex, source);
            source
        }
    }

    fn remember(&mut self, scope: ScopeId, rtindex: i32, source: Source) {
        self.scopes[scope].sources.insert(rtindex, source);
    }

    unsafe fn cte(
        &mut self,
        scope: ScopeId,
        rtindex: i32,
        rte: *mut pg_sys::RangeTblEntry,
    ) -> Source {
        let instance = self.instance(scope, InstanceKind::Computed, 0);
        // SAFETY: a CTE entry names a CTE of the query that ctelevelsup leads to (parse_relation.c).
        unsafe {
            let home = self.up(scope, (*rte).ctelevelsup);
            let name = core::ffi::CStr::from_ptr((*rte).ctename);
            let ctes = items::<pg_sys::CommonTableExpr>((*self.scopes[home].query).cteList);
            let Some(cte) = ctes
                .into_iter()
                .find(|&c| core::ffi::CStr::from_ptr((*c).ctename) == name)
            else {
                return Source::Columns(instance);
            };
            let query: *mut pg_sys::Query = (*cte).ctequery.cast();
            if (*rte).self_reference {
                let mut at = Some(scope);
                while let Some(s) = at {
                    if self.scopes[s].query == query {
                        return Source::Recursive(s, instance);
                    }
                    at = self.scopes[s].parent;
                }
                return Source::Columns(instance);
            }
            let (depth, body) = (self.scopes[scope].depth + 1, self.scopes[scope].body);
            let inner = self.open(query, Some(home), depth, Some(body));
            self.scopes[inner].recursive = (*cte).cterecursive;
            self.remember(scope, rtindex, Source::Query(inner, instance));
            self.read_body(inner, false);
            Source::Query(inner, instance)
        }
    }
}

/// The range-table numbers that a join tree names.
///
/// # Safety
/// `node` is a valid join tree, or NULL.
pub unsafe fn joined(node: Node) -> Vec<i32> {
    // SAFETY: passed on from the caller.
    let members = unsafe { join_members(node) };
    members.into_iter().map(|(rtindex, _)| rtindex).collect()
}

/// Those on the nullable side of an outer join.
///
/// # Safety
/// As for `joined`.
pub unsafe fn nullable_members(node: Node) -> Vec<i32> {
    // SAFETY: passed on from the caller.
    let members = unsafe { join_members(node) };
    let nullable = members.into_iter().filter(|(_, nullable)| *nullable);
    nullable.map(|(rtindex, _)| rtindex).collect()
}

unsafe fn join_members(node: Node) -> Vec<(i32, bool)> {
    let (mut found, mut open) = (Vec::new(), vec![(node, false)]);
    while let Some((node, nullable)) = open.pop() {
        if node.is_null() {
            continue;
        }
        // SAFETY: a join tree is made of FromExpr, JoinExpr and RangeTblRef nodes (primnodes.h).
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_FromExpr => {
                    let list = items((*node.cast::<pg_sys::FromExpr>()).fromlist);
                    open.extend(list.into_iter().rev().map(|item| (item, nullable)));
                }
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    let (left, right) = nulls((*join).jointype);
                    open.push(((*join).rarg, nullable || right));
                    open.push(((*join).larg, nullable || left));
                }
                pg_sys::NodeTag::T_RangeTblRef => {
                    found.push(((*node.cast::<pg_sys::RangeTblRef>()).rtindex, nullable));
                }
                _ => {}
            }
        }
    }
    found
}

/// Which sides of a join it may null out.
pub fn nulls(join: pg_sys::JoinType::Type) -> (bool, bool) {
    match join {
        pg_sys::JoinType::JOIN_LEFT => (false, true),
        pg_sys::JoinType::JOIN_RIGHT => (true, false),
        pg_sys::JoinType::JOIN_FULL => (true, true),
        _ => (false, false),
    }
}
