//! The queries inside EXPLAIN ANALYZE, EXECUTE and COPY, for `backstop.check()`: when they run, the planner and executor
//! hooks see them.

use crate::hooks::unplanned;
use crate::model::Violation;
use crate::pg::{compat, raw};
use crate::registry::Registry;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::CStr;
use std::rc::Rc;

/// What the judge finds in the queries that a utility statement would run.
///
/// # Safety
/// `statement` must be an analysed utility statement.
pub unsafe fn violations(statement: *mut pg_sys::Node, registry: &Rc<Registry>) -> Vec<Violation> {
    // SAFETY: node casts follow the node's tag; the rewriter and the judge get copies, because both write.
    unsafe {
        let queries = match (*statement).type_ {
            NodeTag::T_ExplainStmt if runs(statement.cast()) => {
                rewritten((*(statement as *mut pg_sys::ExplainStmt)).query)
            }
            NodeTag::T_CreateTableAsStmt => {
                rewritten((*(statement as *mut pg_sys::CreateTableAsStmt)).query)
            }
            NodeTag::T_ExecuteStmt => {
                let name = (*(statement as *mut pg_sys::ExecuteStmt)).name;
                let prepared = pg_sys::FetchPreparedStatement(name, false);
                if prepared.is_null() {
                    return Vec::new();
                }
                pg_sys::copyObjectImpl((*(*prepared).plansource).query_list.cast()).cast()
            }
            NodeTag::T_CopyStmt => {
                let query = (*(statement as *mut pg_sys::CopyStmt)).query;
                if query.is_null() {
                    return Vec::new();
                }
                let (mut types, mut count) = (std::ptr::null_mut(), 0);
                let raw_statement = raw_statement(query);
                compat::analyze_and_rewrite(raw_statement, c"".as_ptr(), &mut types, &mut count)
            }
            _ => return Vec::new(),
        };
        (0..raw::list_length(queries))
            .map(|n| raw::list_nth(queries, n) as *mut pg_sys::Query)
            .filter(|query| (**query).commandType != pg_sys::CmdType::CMD_UTILITY)
            .flat_map(|query| unplanned::violations(registry, query))
            .collect()
    }
}

/// Whether the statement is an EXPLAIN that executes nothing, of a query of its own: the plan of EXPLAIN EXECUTE is kept and
/// executed later.
///
/// # Safety
/// `statement` must be live.
pub unsafe fn is_explained(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: the caller vouches for the node; casts follow the nodes' tags.
    unsafe {
        if (*statement).type_ != NodeTag::T_ExplainStmt {
            return false;
        }
        let explain = statement as *mut pg_sys::ExplainStmt;
        let query = (*explain).query as *mut pg_sys::Query;
        (*query).type_ == NodeTag::T_Query
            && (*query).commandType != pg_sys::CmdType::CMD_UTILITY
            && !runs(explain)
    }
}

/// Whether EXPLAIN has the option ANALYZE: without it nothing runs, and nothing is refused.
///
/// # Safety
/// `statement` must be live.
unsafe fn runs(statement: *mut pg_sys::ExplainStmt) -> bool {
    // SAFETY: a List of DefElem; the last one of a name counts.
    unsafe {
        let options = (*statement).options;
        (0..raw::list_length(options))
            .map(|n| raw::list_nth(options, n) as *mut pg_sys::DefElem)
            .rfind(|option| CStr::from_ptr((**option).defname) == c"analyze")
            .is_some_and(|option| pg_sys::defGetBoolean(option))
    }
}

/// # Safety
/// `query` must be an analysed Query.
unsafe fn rewritten(query: *mut pg_sys::Node) -> *mut pg_sys::List {
    // SAFETY: QueryRewrite takes an original query with its relations locked, as analysis left them.
    unsafe {
        if (*query).type_ != NodeTag::T_Query {
            return std::ptr::null_mut();
        }
        let copy = pg_sys::copyObjectImpl(query.cast()) as *mut pg_sys::Query;
        if (*copy).commandType == pg_sys::CmdType::CMD_UTILITY {
            return std::ptr::null_mut();
        }
        pg_sys::QueryRewrite(copy)
    }
}

/// COPY keeps its query as the parser made it.
///
/// # Safety
/// `query` must be a raw statement.
unsafe fn raw_statement(query: *mut pg_sys::Node) -> *mut pg_sys::RawStmt {
    // SAFETY: a zeroed RawStmt with its tag and statement is complete.
    unsafe {
        let copy = pg_sys::copyObjectImpl(query.cast()) as *mut pg_sys::Node;
        if (*copy).type_ == NodeTag::T_RawStmt {
            return copy.cast();
        }
        let wrapper = pg_sys::palloc0(size_of::<pg_sys::RawStmt>()) as *mut pg_sys::RawStmt;
        (*wrapper).type_ = NodeTag::T_RawStmt;
        (*wrapper).stmt = copy;
        wrapper
    }
}
