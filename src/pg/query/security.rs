//! `securityQuals`: what row-level-security policies add is nobody's condition; what a security-barrier view says of
//! its own rows is the statement's.

use pgrx::pg_sys;

use super::node::{Node, items};
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::Predicate;

impl Gatherer<'_> {
    /// The conditions of the security-barrier views that the statement reached that entry through.
    ///
    /// # Safety
    /// The scope's query is valid and has such an entry.
    pub unsafe fn barrier_conditions(&mut self, scope: ScopeId, rtindex: i32) -> Vec<Predicate> {
        // SAFETY: securityQuals is a list of boolean expressions of that query (parsenodes.h).
        unsafe {
            let rte = self.rte(scope, rtindex);
            let conditions = items::<pg_sys::Node>((*rte).securityQuals);
            if conditions.is_empty() {
                return Vec::new();
            }
            // The rewriter puts the policies' conditions in front of the views' (fireRIRrules), after it has resolved
            // the views: so it is enough to know how many they are, and no comparison has to see through the subqueries
            // that it has expanded inside them.
            let policies = policy_conditions(self.scopes[scope].query, rte, rtindex);
            let own: Vec<Node> = conditions.into_iter().skip(policies).collect();
            own.into_iter().map(|c| self.predicate(scope, c)).collect()
        }
    }
}

/// How many conditions row-level security adds to that entry for the role that the statement runs as.
unsafe fn policy_conditions(
    query: *mut pg_sys::Query,
    rte: *mut pg_sys::RangeTblEntry,
    rtindex: i32,
) -> usize {
    let kinds = [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE];
    // SAFETY: it only reads the query and the entry, whose relation the rewriter has locked, and gives out new lists;
    // the rewriter asks the same for the same kinds of relation.
    unsafe {
        if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION
            || !kinds.contains(&((*rte).relkind as u8))
        {
            return 0;
        }
        let (mut conditions, mut checks) = (core::ptr::null_mut(), core::ptr::null_mut());
        let (mut secured, mut subqueries) = (false, false);
        pg_sys::get_row_security_policies(
            query,
            rte,
            rtindex,
            &raw mut conditions,
            &raw mut checks,
            &raw mut secured,
            &raw mut subqueries,
        );
        items::<pg_sys::Node>(conditions).len()
    }
}
