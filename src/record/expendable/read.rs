//! Reading what an administrator wrote, and printing it as it is kept.

use super::judging::Judging;
use super::{catalogs, names, nodes, rights, searched, session, unasked, unguarded};
use crate::pg::acting::ActingAs;
use crate::pg::{encoding, raw, settings::OwnSettings};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Node, Relation};
use std::ffi::CStr;

/// Reads `text` as an expression over `relation`'s row; range-table index 1.
///
/// # Safety
/// `relation` must be open.
pub unsafe fn analyse(text: &str, relation: Relation) -> *mut Node {
    let sql = encoding::c_string(&format!("SELECT ({text})"));
    // Reading a literal may run a domain's checks.
    let _judging = Judging::begin();
    // SAFETY: the parser's own entry points, used as cookConstraint() does for CHECK constraints, which also rules out
    // subqueries, aggregates and set-returning functions.
    unsafe {
        let statements = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let raw_statement = raw::list_nth(statements, 0) as *mut pg_sys::RawStmt;
        let select = (*raw_statement).stmt as *mut pg_sys::SelectStmt;
        let target = raw::list_nth((*select).targetList, 0) as *mut pg_sys::ResTarget;
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        (*state).p_sourcetext = sql.as_ptr();
        let item = pg_sys::addRangeTableEntryForRelation(
            state,
            relation,
            pg_sys::AccessShareLock as i32,
            std::ptr::null_mut(),
            false,
            true,
        );
        pg_sys::addNSItemToQuery(state, item, true, true, true);
        let node = pg_sys::transformExpr(
            state,
            (*target).val,
            pg_sys::ParseExprKind::EXPR_KIND_CHECK_CONSTRAINT,
        );
        let node = pg_sys::coerce_to_boolean(state, node, c"expendable".as_ptr());
        pg_sys::assign_expr_collations(state, node);
        (*state).p_sourcetext = std::ptr::null();
        pg_sys::free_parsestate(state);
        node
    }
}

/// Whether `text` is one bare expression: nothing after it, no clause, no alias.
///
/// # Safety
/// In a backend; raises PostgreSQL's own syntax error.
unsafe fn is_one_expression(text: &str) -> bool {
    let sql = encoding::c_string(&format!("SELECT {text}"));
    // SAFETY: the raw parser reads a C string and returns RawStmt nodes; casts follow the node's tag.
    unsafe {
        let statements = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        if raw::list_length(statements) != 1 {
            return false;
        }
        let statement = (*(raw::list_nth(statements, 0) as *mut pg_sys::RawStmt)).stmt;
        if (*statement).type_ != pg_sys::NodeTag::T_SelectStmt {
            return false;
        }
        let select = &*(statement as *mut pg_sys::SelectStmt);
        let clauses = [
            select.distinctClause,
            select.fromClause,
            select.groupClause,
            select.windowClause,
            select.valuesLists,
            select.sortClause,
            select.lockingClause,
        ];
        raw::list_length(select.targetList) == 1
            && (*(raw::list_nth(select.targetList, 0) as *mut pg_sys::ResTarget))
                .name
                .is_null()
            && clauses.iter().all(|clause| clause.is_null())
            && select.intoClause.is_null()
            && select.whereClause.is_null()
            && select.havingClause.is_null()
            && select.limitOffset.is_null()
            && select.limitCount.is_null()
            && select.withClause.is_null()
            && select.op == pg_sys::SetOperation::SETOP_NONE
    }
}

fn is_temporary(relid: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::get_rel_persistence(relid) as u8 == pg_sys::RELPERSISTENCE_TEMP }
}

/// Checks `text` against `relation`, for who asks, and returns it as PostgreSQL prints it. What PostgreSQL has against it
/// is reported under the argument's name.
///
/// # Safety
/// `relation` must be open.
pub unsafe fn canonical(text: &str, relation: Relation) -> Outcome<String> {
    let refused = |why: String| {
        Report::new(
            sqlstate::INVALID_PARAMETER,
            format!("invalid expendable expression \"{text}\""),
        )
        .detail(why)
        .hint("Use one boolean expression over the row's columns, such as auth_source = 'test'; functions, types and \
             operators are named with their schema, unless that is pg_catalog: public.is_test(src), src OPERATOR(public.=) 'test'.")
    };
    let relation = std::panic::AssertUnwindSafe(relation);
    pgrx::PgTryBuilder::new(|| {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let relid = (**relation).rd_id;
            let owner = (*(**relation).rd_rel).relowner;
            let _acting = ActingAs::asking(owner);
            let name = crate::report::duplicate(&crate::pg::catalog::display_name(relid));
            let printed = |node| {
                let context = pg_sys::deparse_context_for(name, relid);
                let printed = pg_sys::deparse_expression(node, context, false, false);
                encoding::decoded(CStr::from_ptr(printed))
            };
            // It is kept as it is printed, and read from then on, under settings of our own.
            let elsewhere = {
                let _pinned = OwnSettings::pinned();
                is_one_expression(text).then(|| analyse(text, *relation))
            };
            let kept = |node| {
                let _pinned = OwnSettings::pinned();
                printed(node)
            };
            let (node, kept) = match elsewhere.map(|node| (node, kept(node))) {
                // What was printed so means that again, whatever the session's settings are.
                Some((node, elsewhere)) if elsewhere == text => (node, elsewhere),
                elsewhere => {
                    if !is_one_expression(text) {
                        return Err(refused(
                            "It must be one boolean expression over the row.".to_owned(),
                        ));
                    }
                    let node = {
                        let _names = OwnSettings::plain_names();
                        analyse(text, *relation)
                    };
                    let here = kept(node);
                    if elsewhere.is_none_or(|(_, elsewhere)| elsewhere != here) {
                        return Err(refused(format!(
                            "Other sessions would read it as something else than {here}, which is what it means with this \
                             session's IntervalStyle, lc_monetary and standard_conforming_strings."
                        )));
                    }
                    (node, here)
                }
            };
            if let Some(of_type) = unasked::converted(node) {
                return Err(refused(format!(
                    "It converts a value of {of_type} to another type unasked, because operators and functions of its own are not \
                     found without their schema: write OPERATOR(schema.=), or the conversion if that is meant, such as src::text."
                )));
            }
            if let Some(function) = rights::lacking(node, owner) {
                return Err(refused(format!(
                    "It is read as the table's owner, who may not execute {function}."
                )));
            }
            if let Some(made) = rights::strangers_type(node, owner) {
                return Err(refused(format!(
                    "It makes a value of {made}, whose checks would run with the rights of the table's owner, and which is \
                     neither his nor a superuser's."
                )));
            }
            if nodes::any(node, &|part| {
                nodes::relations(part).iter().any(|relid| is_temporary(*relid))
            }) {
                return Err(refused(
                    "It names a temporary relation, which other sessions do not have.".to_owned(),
                ));
            }
            if let Some(made) = rights::checked_literal(node) {
                return Err(refused(format!(
                    "It has a literal of {made}, in which there is a domain: the domain's checks would run whenever it is read. \
                     Compare the parts, such as tags[1] = 7."
                )));
            }
            if let Some(object) = searched::own_object(node) {
                return Err(refused(format!(
                    "What {object} makes of a text is not written in the expression, and ALTER TEXT SEARCH may change it: \
                     use one of PostgreSQL's own, or keep what it makes in a generated column."
                )));
            }
            if searched::asks_for_a_name(node) {
                return Err(refused(
                    "It asks for a role or a schema by its name, which may become another one's: keep the name in a column \
                     of type text."
                        .to_owned(),
                ));
            }
            if pg_sys::contain_volatile_functions(node) {
                return Err(refused(
                    "It is volatile: it may depend on nothing but the row.".to_owned(),
                ));
            }
            if session::reads_whole_row(node) {
                return Err(refused(
                    "It reads the row as a whole: name the columns.".to_owned(),
                ));
            }
            if let Some(question) = session::question(node) {
                return Err(refused(format!(
                    "{question} is for the session to say, which must not decide what is expendable: it may depend on \
                     nothing but the row."
                )));
            }
            if let Some(question) = catalogs::question(node) {
                return Err(refused(format!(
                    "What {question} says is in catalogs that others change, by a rename, a comment or another definition: keep \
                     it in a column, of type text if it is a name."
                )));
            }
            if names::prints(node, owner) {
                return Err(refused(
                    "It makes a text of what a table, a type, a function, a role, or a part of somebody else's type is called, or \
                     finds one by such a text: a rename would change which rows count. Keep the name in a column of type text."
                        .to_owned(),
                ));
            }
            if let Some(function) = session::foreign(node) {
                return Err(refused(format!(
                    "It calls {function}, which is written in C and not immutable: settings of its extension, which any \
                     session may set, can decide what it says. Use an immutable function or operator, or keep what it says in a \
                     column."
                )));
            }
            unguarded::warn(node, owner);
            Ok(kept)
        }
    })
    .catch_others(|error| {
        use pg_sys::panic::CaughtError::{ErrorReport, PostgresError, RustPanic};
        let (PostgresError(report)
        | ErrorReport(report)
        | RustPanic {
            ereport: report, ..
        }) = &error;
        Err(refused(format!("{}.", report.message())))
    })
    .execute()
}
