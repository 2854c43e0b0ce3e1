//! Changes that are not rows.

use super::more_rows;
use crate::approval::setting::{self, Held};
use crate::ddl::enforce;
use crate::ledger;
use crate::pg::{encoding, raw};
use crate::preview;
use crate::report::Outcome;
use crate::running::{self, coverage};
use pgrx::pg_sys;

/// How long a change stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What rolls back its level takes it back.
    WithItsLevel,
    /// setval: nothing takes it back.
    ForGood,
}

/// Leaves the fingerprint of a change that is not a row (DDL, a sequence) with the preview or the token that the open
/// root runs under. Of several words for it, a token takes those that the preview showed; the first are the usual ones.
///
/// # Errors
/// SF011, when the preview showed fewer changes, or not this one and nothing will take it back.
pub fn mark(words: &[&str], standing: Standing) -> Outcome<()> {
    if let Some((_, Held::Token(token))) = setting::current()
        && !preview::active()
    {
        coverage::claim_token(&token);
    }
    let root_key = running::root_key().unwrap_or(usize::MAX);
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    ledger::with(|ledger| {
        let Some(root) = ledger.find_root(root_key) else {
            return Ok(());
        };
        let Some(key) = root.fingerprint_key() else {
            return Ok(());
        };
        let print_of = |change: &str| key.of(pg_sys::InvalidOid, "", &encoding::encode(change));
        let claim = root.claim().cloned();
        let showed = |change: &&&str| {
            let claim = claim.as_ref();
            claim.is_some_and(|claim| claim.showed(print_of(change)))
        };
        let Some(change) = words.iter().find(showed).or(words.first()) else {
            return Ok(());
        };
        let print = print_of(change);
        let stands = standing == Standing::ForGood;
        if root.preview.is_some() {
            if preview::is_deferred() {
                // What deferred triggers do at COMMIT is not the statement's.
            } else if stands {
                root.standing.push(print);
            } else {
                root.level(nest).seen.marks.push(print);
            }
            return Ok(());
        }
        let Some(claim) = claim else {
            return Ok(());
        };
        let one_too_many =
            root.fingerprints() >= claim.total && (stands || !running::may_be_undone());
        let unseen = !claim.showed(print);
        if one_too_many || unseen {
            root.level(nest).unseen.push((*change).to_owned());
        }
        if one_too_many || (stands && unseen) {
            enforce::refuse(more_rows(root, &claim))?;
        }
        if stands {
            root.standing.push(print);
        } else {
            root.level(nest).fingerprints.push(print);
        }
        Ok(())
    })
}
