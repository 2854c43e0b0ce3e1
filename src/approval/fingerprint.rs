//! Fingerprints of destroyed rows: what a token is bound to.
//!
//! A row's fingerprint is a keyed 128-bit hash of relation, operation, old values and new values, as the record writes
//! them. The key is the request's own and secret, so nobody can make other rows with the same fingerprints.

use pgrx::pg_sys::{self, Datum, Oid};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::cell::Cell;
use std::hash::Hasher;

/// A request's secret.
#[derive(Clone, Copy)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// A new one, from the operating system's randomness. `None` when there is none.
    pub fn random() -> Option<Key> {
        random().map(Key)
    }

    pub fn of(self, relid: Oid, operation: &str, row: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&relid.to_u32().to_le_bytes());
        hasher.write(operation.as_bytes());
        hasher.write(&[0]);
        hasher.write(row);
        hasher.finish128().as_u128()
    }
}

/// Bytes from the operating system's randomness.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: fills exactly N bytes.
    unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), N) }.then_some(bytes)
}

/// The times that a statement gives to rows as "now". They differ from run to run, and mean the same: in fingerprints
/// they are all written alike, so that `SET updated_at = now()` can be previewed today and run tomorrow.
#[derive(Clone, Copy)]
pub struct Clock {
    instants: [i64; 2],
    local: [i64; 2],
}

thread_local! {
    static KNOWN: Cell<Option<Clock>> = const { Cell::new(None) };
}

impl Clock {
    /// The transaction's and the statement's time.
    pub fn now() -> Clock {
        // SAFETY: reads backend state; the conversion to local time raises only for times out of range.
        unsafe {
            let instants = [
                pg_sys::GetCurrentTransactionStartTimestamp(),
                pg_sys::GetCurrentStatementStartTimestamp(),
            ];
            if let Some(known) = KNOWN.get().filter(|known| known.instants == instants) {
                return known;
            }
            let local = instants.map(|at| {
                pgrx::direct_function_call_as_datum(
                    pg_sys::timestamptz_timestamp,
                    &[Some(Datum::from(at))],
                )
                .map_or(at, |local| local.value() as i64)
            });
            let clock = Clock { instants, local };
            KNOWN.set(Some(clock));
            clock
        }
    }

    pub fn is_instant(&self, value: Datum) -> bool {
        self.instants.contains(&(value.value() as i64))
    }

    pub fn is_local(&self, value: Datum) -> bool {
        self.local.contains(&(value.value() as i64))
    }
}
