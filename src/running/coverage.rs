//! Whether the approval in force covers what a query, or a command, destroys.

use super::queries::ActiveQuery;
use crate::approval;
use crate::approval::setting::Held;
use crate::approval::token;
use crate::judge::approval::{Kind, Refusal, Request, weaker_kind};
use crate::judge::token::Token;
use crate::ledger::Cover;
use crate::model::Operation;
use crate::pg::raw;
use crate::registry::Guarded;
use crate::{ledger, preview, running};
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

/// What a query does to the guarded tables it targets itself.
pub type Target = (Rc<Guarded>, Operation);

/// Whether the approval in force covers a query with these targets. `parent` is the destructive query whose referential
/// action or trigger runs it: what a covered statement cascades to is covered with it, if the approval is of the kind
/// that the tables it reaches ask for, and what the cascade of a refused one takes along is refused with it.
pub fn coverage(targets: &[Target], parent: Option<&ActiveQuery>, referential: bool) -> Coverage {
    // A preview shows what the rules say without an approval.
    if preview::active() {
        return Coverage::Absent;
    }
    if let Some(ActiveQuery {
        coverage: refused @ Coverage::Refused(_),
        ..
    }) = parent
    {
        // A trigger's own statement on a protected table has its own approval.
        if referential || targets.iter().any(|(table, _)| !table.is_protected()) {
            return refused.clone();
        }
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
    if is_dropped(serial) {
        return Coverage::Refused(Refusal::approval(ledger::BUDGET_TOO_SMALL.to_owned()));
    }
    let json = serde_json::to_string(&standing.intent).unwrap_or_default();
    Coverage::Covered(Cover {
        serial,
        max_rows: standing.intent.max_rows,
        json: Rc::from(json),
        claim: None,
    })
}

/// Whether the open root goes on without the approval, whose budget it was given back: it stands on the limits alone.
fn is_dropped(serial: u64) -> bool {
    let key = running::root_key();
    key.is_some_and(|key| {
        ledger::with(|ledger| {
            let root = ledger.find_root(key);
            root.is_some_and(|root| root.has_dropped(serial))
        })
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
