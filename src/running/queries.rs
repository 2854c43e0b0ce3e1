//! The queries that change rows and are executing now: roots' own, and those of functions, triggers and referential actions.

use crate::approval;
use crate::approval::setting::Held;
use crate::approval::token;
use crate::judge::approval::{Kind, Refusal, Request, weaker_kind};
use crate::judge::token::Token;
use crate::ledger::Cover;
use crate::model::{Operation, Violation};
use crate::pg::raw;
use crate::registry::Guarded;
use crate::{ledger, preview, running};
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::rc::Rc;

/// Whether the approval in force covers a query.
#[derive(Clone, Debug)]
pub enum Coverage {
    /// No approval is set.
    Absent,
    Covered(Cover),
    /// An approval is set but does not cover the query: why.
    Refused(Refusal),
}

/// A query that changes rows, from its ExecutorStart to its ExecutorEnd.
#[derive(Clone)]
pub struct ActiveQuery {
    /// The QueryDesc's address.
    pub desc: usize,
    /// The protected tables whose rules it was judged by; `None` where it targets nothing guarded, as far as was known when
    /// it started.
    pub judged_by: Option<Rc<[Oid]>>,
    /// Set once the executor has started.
    pub estate: *mut pg_sys::EState,
    /// The resource owner that it was started under, with `estate`.
    pub owner: pg_sys::ResourceOwner,
    pub root: usize,
    pub nest: i32,
    /// What is found in it concerns the rows of protected tables that it may come to.
    pub waiting: Vec<Violation>,
    /// What led here, `None` for a statement's own target.
    pub cause: Option<Rc<str>>,
    pub coverage: Coverage,
    /// How deep in triggers it runs: what runs deeper was set off by one of its own.
    pub trigger_depth: i32,
    /// A referential action's: the AFTER triggers of what it changes are fired by the query around it.
    pub referential: bool,
}

thread_local! {
    static ACTIVE: RefCell<Vec<ActiveQuery>> = const { RefCell::new(Vec::new()) };
}

pub fn push(query: ActiveQuery) {
    ACTIVE.with_borrow_mut(|active| active.push(query));
}

/// The executor has started `desc`: its state is known.
pub fn started(desc: usize, estate: *mut pg_sys::EState) {
    ACTIVE.with_borrow_mut(|active| {
        if let Some(query) = active.iter_mut().rfind(|query| query.desc == desc) {
            query.estate = estate;
            // SAFETY: reads a backend variable.
            query.owner = unsafe { pg_sys::CurrentResourceOwner };
        }
    });
}

pub fn ended(desc: usize) {
    ACTIVE.with_borrow_mut(|active| active.retain(|query| query.desc != desc));
}

/// Findings in the query that is starting, enforced when it comes to a row of a protected table.
pub fn wait_for_rows(violations: Vec<Violation>) {
    ACTIVE.with_borrow_mut(|active| {
        if let Some(query) = active.last_mut() {
            query.waiting = violations;
        }
    });
}

/// Takes what waits for the first row of a protected table that `desc` comes to.
pub fn take_waiting(desc: usize) -> Vec<Violation> {
    ACTIVE.with_borrow_mut(|active| {
        let query = active.iter_mut().rfind(|query| query.desc == desc);
        query.map_or_else(Vec::new, |query| std::mem::take(&mut query.waiting))
    })
}

/// The state of the query that fires the AFTER triggers of what the referential action `desc` changes; NULL at COMMIT, or where
/// that query is not known. What is opened for it now must be its own to close: SET CONSTRAINTS may stand in a
/// subtransaction or a cursor of its own.
pub fn fires_triggers_of(desc: usize) -> *mut pg_sys::EState {
    ACTIVE.with_borrow(|active| {
        let mut around = active.iter().rev().skip_while(|query| query.desc != desc);
        let action = around.next();
        let found = around.find(|query| !query.referential);
        match (action, found) {
            (Some(action), Some(found)) if action.owner == found.owner => found.estate,
            _ => std::ptr::null_mut(),
        }
    })
}

/// How deep in triggers the backend is (`pg_trigger_depth()`).
pub fn trigger_depth() -> i32 {
    // SAFETY: a function without arguments that reads a variable.
    unsafe { pgrx::direct_function_call(pg_sys::pg_trigger_depth, &[]) }.unwrap_or(0)
}

/// The innermost query that targets a guarded table.
pub fn innermost() -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let guarded = active.iter().rfind(|query| query.judged_by.is_some());
        guarded.cloned()
    })
}

/// The innermost query that changes rows, if an approval covers it.
pub fn covered() -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let innermost = active.last();
        innermost
            .filter(|query| matches!(query.coverage, Coverage::Covered(_)))
            .cloned()
    })
}

/// The query in whose memory an expression was compiled.
pub fn of_context(context: pg_sys::MemoryContext) -> Option<ActiveQuery> {
    ACTIVE.with_borrow(|active| {
        let found = active.iter().rfind(|query| {
            // SAFETY: a query's estate is live until ExecutorEnd or the abort that removes the query from this list.
            !query.estate.is_null() && unsafe { (*query.estate).es_query_cxt } == context
        });
        found.cloned()
    })
}

/// A subtransaction ended well: its queries (a cursor's, say) belong to its parent.
pub fn commit_level(nest: i32) {
    ACTIVE.with_borrow_mut(|active| {
        for query in active.iter_mut().filter(|query| query.nest >= nest) {
            query.nest = nest - 1;
        }
    });
}

/// A subtransaction was rolled back: its queries are gone.
pub fn abort_level(nest: i32) {
    ACTIVE.with_borrow_mut(|active| active.retain(|query| query.nest < nest));
}

pub fn end_transaction() {
    ACTIVE.with_borrow_mut(Vec::clear);
}

/// What a query does to the guarded tables it targets itself.
pub type Target = (Rc<Guarded>, Operation);

/// Whether the approval in force covers a query with these targets. `parent` is the destructive query whose referential
/// action or trigger runs it: what a covered statement cascades to is covered with it, if the approval is of the kind
/// that the tables it reaches ask for.
pub fn coverage(targets: &[Target], parent: Option<&ActiveQuery>) -> Coverage {
    // A preview shows what the rules say without an approval.
    if preview::active() {
        return Coverage::Absent;
    }
    if let Some(ActiveQuery {
        coverage: Coverage::Covered(cover),
        ..
    }) = parent
    {
        let asked = targets.iter().map(|(table, _)| table.kind());
        let held = cover
            .claim
            .as_ref()
            .map_or(Kind::Session, |claim| claim.kind);
        return match asked.max() {
            Some(asked) if asked > held => {
                Coverage::Refused(Refusal::approval(weaker_kind(asked, held)))
            }
            _ => Coverage::Covered(cover.clone()),
        };
    }
    if !approval::setting::is_set() {
        return Coverage::Absent;
    }
    let mut covered = Coverage::Absent;
    for (table, operation) in targets {
        match named_coverage(&approval_names(table), *operation, table.kind()) {
            Coverage::Covered(cover) => covered = Coverage::Covered(cover),
            other => return other,
        }
    }
    covered
}

/// Whether a statement of intent covers a query that takes rows of nothing but such relations, none of them guarded, by
/// their names.
pub fn unguarded_coverage(targets: &[(Vec<String>, Operation)]) -> Coverage {
    let mut covered = Coverage::Absent;
    for (names, operation) in targets {
        match named_coverage(names, *operation, Kind::Session) {
            Coverage::Covered(cover) => covered = Coverage::Covered(cover),
            _ => return Coverage::Absent,
        }
    }
    covered
}

/// Whether the approval in force covers an operation on something that goes by `names` and asks for an approval of
/// `kind` at least.
pub fn named_coverage(names: &[String], operation: Operation, kind: Kind) -> Coverage {
    if preview::active() {
        return Coverage::Absent;
    }
    let (serial, standing) = match approval::setting::current() {
        None => return Coverage::Absent,
        Some((serial, Held::Intent(standing))) => (serial, standing),
        Some((serial, Held::Token(token))) => return token_coverage(serial, &token, kind),
    };
    let (now, ttl) = (approval::setting::now(), crate::gucs::approval_ttl_us());
    if let Some(why) = standing.refusal(&Request {
        names,
        operation,
        kind,
        now,
        ttl,
    }) {
        return Coverage::Refused(Refusal::approval(why));
    }
    let json = serde_json::to_string(&standing.intent).unwrap_or_default();
    Coverage::Covered(Cover {
        serial,
        max_rows: standing.intent.max_rows,
        json: Rc::from(json),
        claim: None,
    })
}

/// Whether a token covers what the open root does, to something that asks for an approval of `kind` at least.
fn token_coverage(serial: u64, token: &Token, kind: Kind) -> Coverage {
    match claim_token(token) {
        token::State::Claimed(claim) if claim.kind < kind => {
            Coverage::Refused(Refusal::approval(weaker_kind(kind, claim.kind)))
        }
        token::State::Claimed(claim) => Coverage::Covered(Cover {
            serial,
            max_rows: claim.rows,
            json: claim.json.clone(),
            claim: Some(claim),
        }),
        token::State::Refused(refusal) => Coverage::Refused(refusal),
        token::State::Untried => Coverage::Absent,
    }
}

/// Claims a token for the open root, once.
pub fn claim_token(token: &Token) -> token::State {
    let key = running::root_key().unwrap_or(usize::MAX);
    let (state, statement) = ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        (root.token.clone(), root.query.clone())
    });
    if !matches!(state, token::State::Untried) {
        return state;
    }
    // This runs SQL of ours, so the ledger is not borrowed.
    let state = token::claim(token, statement.as_deref());
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        root.token = state.clone();
        root.token_nest = nest;
    });
    state
}

/// The names under which an approval may list a table: its own, its partition root's, its protected ancestors'.
pub fn approval_names(table: &Guarded) -> Vec<String> {
    let mut names = vec![table.recorded_name.to_string()];
    let mut add = |schema: &str, name: &str| {
        for text in [
            crate::pg::catalog::qualified(schema, name),
            format!("{schema}.{name}"),
        ] {
            if !names.contains(&text) {
                names.push(text);
            }
        }
    };
    add(&table.schema, &table.table);
    for policy in &table.policies {
        add(&policy.schema, &policy.table);
    }
    names
}
