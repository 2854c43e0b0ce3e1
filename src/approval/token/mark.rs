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

/// Leaves the fingerprint of a change that is not a row (DDL, a sequence) with the preview or the token that the open
/// root runs under.
///
/// # Errors
/// SF011, when the preview showed fewer changes.
pub fn mark(change: &str) -> Outcome<()> {
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
        let print = key.of(pg_sys::InvalidOid, "", &encoding::encode(change));
        if root.preview.is_some() {
            root.level(nest).seen.marks.push(print);
            return Ok(());
        }
        let Some(claim) = root.claim().cloned() else {
            return Ok(());
        };
        let one_too_many = root.fingerprints() >= claim.total;
        if one_too_many || !claim.showed(print) {
            root.level(nest).unseen.push(change.to_owned());
        }
        if one_too_many {
            enforce::refuse(more_rows(root, &claim))?;
        }
        root.level(nest).fingerprints.push(print);
        Ok(())
    })
}
