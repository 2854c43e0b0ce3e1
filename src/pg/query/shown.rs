//! What a refusal shows: names, and expressions deparsed as SQL.

use crate::pg::encoding;
use pgrx::pg_sys;

use super::node::{Node, items};
use super::scope::{Gatherer, ScopeId};
use crate::judge::predicate::{ExprId, InstanceId};
use crate::judge::wording::Texts;
use crate::pg::catalog;
use crate::pg::undone::undone;

/// Longer expressions are cut.
const MOST_CHARACTERS: usize = 300;

impl Texts for Gatherer<'_> {
    fn expression(&self, expr: ExprId) -> Option<String> {
        let (scope, node) = self.exprs[expr];
        // Deparsing half-planned trees is not what ruleutils promises: a failure there must not hide the refusal.
        // SAFETY: the gatherer's scopes and expressions are valid while it lives, which its maker vouches for.
        let text = undone(|| unsafe { self.deparse(scope, node) })?;
        match text.char_indices().nth(MOST_CHARACTERS) {
            Some((cut, _)) => Some(format!("{}...", &text[..cut])),
            None => Some(text),
        }
    }

    fn column(&self, instance: InstanceId, attno: i16) -> String {
        attribute_name(self.statement.instances[instance].relid, attno)
            .unwrap_or_else(|| "?".to_owned())
    }

    fn attribute(&self, instance: InstanceId) -> Option<String> {
        let facts = &self.statement.instances[instance];
        let is_key = |attno: i16| {
            facts
                .target
                .as_ref()
                .is_some_and(|t| t.key.iter().any(|k| k.attnum == attno))
        };
        let mut names = (1..=64)
            .filter(|&a| !is_key(a))
            .filter_map(|a| attribute_name(facts.relid, a).map(|name| (a, name)));
        // The example compares with a string.
        let first = names.next()?;
        let text = |(attno, _): &(i16, String)| is_text(facts.relid, *attno);
        match text(&first) {
            true => Some(first.1),
            false => Some(names.find(text).unwrap_or(first).1),
        }
    }

    fn quoted(&self, name: &str) -> String {
        catalog::quoted(name)
    }

    fn without_partition_key(&self, instance: InstanceId, column: &str) -> Option<String> {
        let relid = pg_sys::Oid::from(self.statement.instances[instance].relid);
        // SAFETY: pg_partition_root takes any relation's OID, and gives NULL (an error to this way of calling it) only
        // for those that are neither partitioned nor a partition, which are sorted out before.
        unsafe {
            let partitioned =
                pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
            if !partitioned && !pg_sys::get_rel_relispartition(relid) {
                return None;
            }
            let function = pg_sys::Oid::from(pg_sys::F_PG_PARTITION_ROOT);
            let root = pg_sys::OidFunctionCall1Coll(function, pg_sys::InvalidOid, relid.into());
            let root = pg_sys::Oid::from(root.value() as u32);
            let columns = encoding::decoded(core::ffi::CStr::from_ptr(
                pg_sys::pg_get_partkeydef_columns(root, false),
            ));
            let columns: Vec<String> = columns
                .split(", ")
                .map(|c| c.trim_matches('"').to_owned())
                .collect();
            let partitions = columns.iter().any(|c| c == column);
            partitions.then(|| self.registered_without(relid, &columns))?
        }
    }
}

fn attribute_name(relid: u32, attno: i16) -> Option<String> {
    // SAFETY: with missing_ok the lookup returns NULL for what is not there (or was dropped).
    unsafe {
        let name = pg_sys::get_attname(pg_sys::Oid::from(relid), attno, true);
        (!name.is_null()).then(|| encoding::decoded(core::ffi::CStr::from_ptr(name)))
    }
}

fn is_text(relid: u32, attno: i16) -> bool {
    // SAFETY: syscache look-ups; the type of what is not there is none, which has no category.
    unsafe {
        let of_type = pg_sys::get_atttype(pg_sys::Oid::from(relid), attno);
        let (mut category, mut preferred) = (0, false);
        if of_type != pg_sys::InvalidOid {
            pg_sys::get_type_category_preferred(of_type, &mut category, &mut preferred);
        }
        category as u8 == pg_sys::TYPCATEGORY_STRING
    }
}

impl Gatherer<'_> {
    unsafe fn deparse(&self, scope: ScopeId, node: Node) -> String {
        // SAFETY: each namespace is made from its query's own range table, the innermost first, as ruleutils expects
        // of nested queries; the expression is a copy.
        unsafe {
            let mut namespaces = core::ptr::null_mut();
            let mut at = Some(scope);
            let mut several = self.scopes[scope].parent.is_some();
            while let Some(s) = at {
                let rtable = (*self.scopes[s].query).rtable;
                let length = items::<pg_sys::Node>(rtable).len() as i32;
                several |= length > 1;
                let used = pg_sys::bms_add_range(core::ptr::null_mut(), 1, length);
                let mut plan: pg_sys::PlannedStmt = core::mem::zeroed();
                plan.type_ = pg_sys::NodeTag::T_PlannedStmt;
                plan.rtable = rtable;
                let names = pg_sys::select_rtable_names_for_explain(rtable, used);
                let level = pg_sys::deparse_context_for_plan_tree(&raw mut plan, names);
                namespaces = pg_sys::list_concat(namespaces, level);
                at = self.scopes[s].parent;
            }
            let copy = pg_sys::copyObjectImpl(node.cast()).cast();
            let text = pg_sys::deparse_expression(copy, namespaces, several, false);
            one_line(&encoding::decoded(core::ffi::CStr::from_ptr(text)))
        }
    }
}

/// On one line, without the parentheses that ruleutils puts around everything.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let inner = line.strip_prefix('(').and_then(|l| l.strip_suffix(')'));
    match inner {
        Some(inner) if balanced(inner) => inner.to_owned(),
        _ => line,
    }
}

fn balanced(text: &str) -> bool {
    let mut depth = 0i32;
    text.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    }) && depth == 0
}
