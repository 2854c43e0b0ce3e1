//! `backstop.guarded_setval`: setval for sequences that may be registered.

pub use super::changes::record;
use super::changes::{change, stands};
use super::rewrite::{SETVAL, SETVAL3};
use super::{preview, state};
use crate::judge::approval::Kind;
use crate::judge::limits::{self, Subject};
use crate::judge::sequence::{self, Position};
use crate::ledger::{self, Cover};
use crate::model::{Operation, Violation};
use crate::pg::function::Call;
use crate::record::datum;
use crate::registry::{self, SequencePolicy};
use crate::report::{self, Outcome};
use crate::running::coverage::{self, Coverage};
use crate::{gucs, running};
use pgrx::pg_sys::{self, Datum, Oid};

crate::sql_function!(
    pg_finfo_backstop_guarded_setval,
    backstop_guarded_setval,
    guarded_setval
);

/// Both forms: `(regclass, bigint)` and `(regclass, bigint, boolean)`; STRICT.
unsafe fn guarded_setval(call: Call) -> Outcome<Datum> {
    // SAFETY: the SQL declarations give these types; STRICT rules out NULL.
    let (sequence, value, is_called) = unsafe {
        let is_called = if (*call.0).nargs > 2 {
            call.arg::<bool>(2)
        } else {
            None
        };
        (
            call.arg::<Oid>(0).unwrap_or(pg_sys::InvalidOid),
            call.arg::<i64>(1).unwrap_or(0),
            is_called,
        )
    };
    let function = if is_called.is_some() { SETVAL3 } else { SETVAL };
    may_execute(function, "setval")?;
    let new = Position {
        value,
        is_called: is_called.unwrap_or(true),
    };
    if crate::preview::active() {
        return preview::setval(sequence, new, || real_setval(sequence, value, is_called));
    }
    // Nothing else may have told this transaction of a sequence that was registered since it began: a second setval takes no
    // lock that it does not hold.
    // SAFETY: in a transaction, with nothing borrowed.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    if let Some(policy) =
        registry::current().and_then(|registry| registry.sequence(sequence).cloned())
    {
        let old = state::position(sequence);
        // A dump that is restored sets a sequence that has never been used. Its ids of the record may not be drawn yet.
        let fresh = old.value == state::definition(sequence).1 && !old.is_called;
        if !(fresh && (restoring_dump() || sent_by_pg_restore())) {
            let serial = let_pass(
                &policy,
                sequence::judge(&policy, old, new, state::definition(sequence).0),
            )?;
            let change = change(
                &policy,
                Operation::Setval,
                Some(old),
                Some(new),
                state::storage(sequence),
            )?;
            // An error takes back what it spent, and its row.
            let done = real_setval(sequence, value, is_called);
            stands(change, serial);
            return Ok(done);
        }
    }
    Ok(real_setval(sequence, value, is_called))
}

fn real_setval(sequence: Oid, value: i64, is_called: Option<bool>) -> Datum {
    // SAFETY: PostgreSQL's own setval, which checks the user's privileges on the sequence and the bounds.
    let done = unsafe {
        let mut arguments = vec![Some(Datum::from(sequence)), Some(Datum::from(value))];
        match is_called {
            Some(is_called) => {
                arguments.push(Some(Datum::from(is_called)));
                pgrx::direct_function_call_as_datum(pg_sys::setval3_oid, &arguments)
            }
            None => pgrx::direct_function_call_as_datum(pg_sys::setval_oid, &arguments),
        }
    };
    done.unwrap_or(Datum::null())
}

/// The user must be allowed to execute the function this one stands in for.
pub(super) fn may_execute(function: Oid, name: &str) -> Outcome<()> {
    // SAFETY: has_function_privilege(oid, text) for the current user.
    let allowed = unsafe {
        let arguments = [Some(Datum::from(function)), Some(datum::text(b"EXECUTE"))];
        pgrx::direct_function_call::<bool>(pg_sys::has_function_privilege_id, &arguments)
    };
    if allowed == Some(true) {
        return Ok(());
    }
    Err(report::Report::new(
        report::sqlstate::INSUFFICIENT_PRIVILEGE,
        format!("permission denied for function {name}"),
    ))
}

/// Whether an approval covers changes of the sequence.
pub fn is_covered(policy: &SequencePolicy) -> bool {
    matches!(coverage(policy), Coverage::Covered(_))
}

fn coverage(policy: &SequencePolicy) -> Coverage {
    let names = [
        policy.qualified.clone(),
        format!("{}.{}", policy.schema, policy.sequence),
    ];
    coverage::named_coverage(&names, Operation::Setval, Kind::Session)
}

/// Lets a change pass, or refuses the violation it makes unless an approval covers it.
pub fn allow(policy: &SequencePolicy, violation: Option<Violation>) -> Outcome<()> {
    let_pass(policy, violation).map(drop)
}

/// The same. Returns the approval that it has spent a row of.
fn let_pass(policy: &SequencePolicy, violation: Option<Violation>) -> Outcome<Option<u64>> {
    let Some(violation) = violation else {
        return Ok(None);
    };
    if crate::preview::active() {
        crate::preview::note_violation(&violation);
        return Ok(None);
    }
    if restoring_dump() {
        return Ok(None);
    }
    let violation = match coverage(policy) {
        Coverage::Covered(cover) => return Ok(spend(&cover)),
        Coverage::Refused(why) => {
            let subject = Subject {
                schema: &policy.schema,
                table: &policy.sequence,
                qualified: &policy.qualified,
            };
            let refused = limits::approval_refused(subject, &why, &violation);
            Violation {
                hint: format!(
                    "A change of a sequence costs one row of max_rows, and where the approval names relations and operations, \
                     {} and setval must be among them. {}",
                    policy.qualified, refused.hint
                ),
                ..refused
            }
        }
        Coverage::Absent => violation,
    };
    match gucs::mode() {
        gucs::Mode::Enforce => Err(violation.into()),
        _ => {
            // SAFETY: inside a guarded frame.
            unsafe { report::warn(&violation) };
            Ok(None)
        }
    }
}

/// A dump is being restored: its setvals make the sequences what they were, and the record's own numbering may not have
/// been set yet.
pub(super) fn restoring_dump() -> bool {
    // SAFETY: reads the session's user.
    registry::is_being_restored() && unsafe { pg_sys::superuser() }
}

/// Whether a superuser's pg_restore speaks: with --jobs, it is not the session that loaded the registry that sets a
/// sequence.
pub fn sent_by_pg_restore() -> bool {
    // SAFETY: reads backend state; application_name is NULL or a C string.
    unsafe {
        let name = pg_sys::application_name;
        pg_sys::superuser() && !name.is_null() && std::ffi::CStr::from_ptr(name) == c"pg_restore"
    }
}

/// A change under an approval costs one row of its budget. A token's budget are the rows that its preview showed: how many
/// changes of sequences it covers, the fingerprints that they leave say.
fn spend(cover: &Cover) -> Option<u64> {
    // SAFETY: reads the transaction state.
    let nest = unsafe { crate::pg::raw::GetCurrentTransactionNestLevel() };
    let key = running::root_key().unwrap_or(usize::MAX);
    ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        let mut known = root.sequence_approvals.iter();
        if !known.any(|(serial, _)| *serial == cover.serial) {
            root.sequence_approvals
                .push((cover.serial, cover.json.clone()));
        }
        cover.claim.is_none().then(|| {
            ledger.spend(nest, cover.serial, 1);
            cover.serial
        })
    })
}
