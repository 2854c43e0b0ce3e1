//! Enforcing what the judge found: an approval covers it, or the mode says what becomes of it.

use crate::judge::approval::Refusal;
use crate::judge::limits::{self, Subject};
use crate::model::{Rule, Violation};
use crate::pg::raw;
use crate::report::{self, Outcome};
use crate::running::coverage::Coverage;
use crate::running::queries;
use crate::{gucs, ledger, preview, running};

/// Refuses the findings unless an approval covers the statement.
pub fn enforce(violations: &[Violation]) -> Outcome<()> {
    if preview::active() {
        let found = violations.iter();
        found
            .filter(|violation| violation.rule != Rule::MixedUpstreams)
            .for_each(preview::note_violation);
        return Ok(());
    }
    // SF009 depends on the rows: it is enforced where they are.
    let Some(violation) = violations
        .iter()
        .find(|violation| violation.rule != Rule::MixedUpstreams)
    else {
        return Ok(());
    };
    let query = queries::innermost();
    let coverage = query
        .as_ref()
        .map(|query| query.coverage.clone())
        .unwrap_or(Coverage::Absent);
    let violation = match &coverage {
        Coverage::Covered(cover) => {
            // SAFETY: reads the transaction state.
            let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
            // A root whose budget was found too small goes on only as long as it breaks no rule.
            let dropped = query.is_some_and(|query| {
                ledger::with(|ledger| {
                    let root = ledger.root(query.root, running::new_root);
                    root.break_rule(nest, cover);
                    root.has_dropped(cover.serial)
                })
            });
            if !dropped {
                return Ok(());
            }
            let refusal = Refusal::approval(ledger::BUDGET_TOO_SMALL.to_owned());
            refused_by(&refusal, violation)
        }
        Coverage::Refused(why) => refused_by(why, violation),
        Coverage::Absent => violation.clone(),
    };
    match gucs::mode() {
        gucs::Mode::Enforce => Err(violation.into()),
        gucs::Mode::Observe => {
            // SAFETY: inside a guarded frame.
            unsafe { report::warn(&violation) };
            Ok(())
        }
        gucs::Mode::Off => Ok(()),
    }
}

/// SF010 in place of a violation that an approval does not cover.
fn refused_by(refusal: &Refusal, violation: &Violation) -> Violation {
    let (schema, table) = (
        violation.schema.clone().unwrap_or_default(),
        violation.table.clone().unwrap_or_default(),
    );
    let qualified = crate::pg::catalog::qualified(&schema, &table);
    let subject = Subject {
        schema: &schema,
        table: &table,
        qualified: &qualified,
    };
    limits::approval_refused(subject, refusal, violation)
}
