//! The setting `backstop.approval`: parsed when it is set, published when it takes effect.
//!
//! Each SET makes a new approval with a budget of its own. When SET LOCAL ends, PostgreSQL puts the earlier value back
//! together with the `extra` its check hook made, so the earlier approval keeps its serial number and what was spent.

use crate::judge::approval::{Intent, Standing};
use crate::judge::token::Token;
use crate::pg::encoding;
use crate::report::{self, Report};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

/// What the check hook hands to the assign hook, in memory that PostgreSQL frees with `guc_free`.
#[repr(C)]
struct Extra {
    serial: u64,
    /// Microseconds since the Unix epoch.
    set_at: i64,
}

/// What the setting says.
#[derive(Clone, Debug)]
enum Parsed {
    Intent(Intent),
    Token(Token),
}

impl Parsed {
    /// The error is a sentence for DETAIL.
    fn parse(text: &str) -> Result<Parsed, String> {
        if Token::resembles(text) {
            Token::parse(text).map(Parsed::Token)
        } else {
            Intent::parse(text).map(Parsed::Intent)
        }
    }
}

/// The approval in force, as a statement that asks for it finds it.
#[derive(Clone, Debug)]
pub enum Held {
    Intent(Standing),
    Token(Token),
}

/// The approval in force.
#[derive(Clone, Copy)]
struct Assigned {
    serial: u64,
    set_at: i64,
}

thread_local! {
    static SERIALS: Cell<u64> = const { Cell::new(0) };
    static ASSIGNED: Cell<Option<Assigned>> = const { Cell::new(None) };
    /// The parsed text of `ASSIGNED`.
    static PARSED: RefCell<Option<(u64, Parsed)>> = const { RefCell::new(None) };
    /// Rows spent, ordered by serial number. What an aborted transaction spent is given back by the ledger.
    static SPENT: RefCell<Vec<(u64, i64)>> = const { RefCell::new(Vec::new()) };
}

static mut APPROVAL: *mut c_char = ptr::null_mut();

/// The time in microseconds since the Unix epoch.
pub fn now() -> i64 {
    const EPOCH_DIFFERENCE_US: i64 = 946_684_800 * 1_000_000;
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() + EPOCH_DIFFERENCE_US }
}

/// The approval in force with its serial number, `None` when none is set.
pub fn current() -> Option<(u64, Held)> {
    let assigned = ASSIGNED.get()?;
    let parsed = PARSED.with_borrow(|parsed| match parsed {
        Some((serial, parsed)) if *serial == assigned.serial => Some(parsed.clone()),
        _ => None,
    });
    let parsed = match parsed {
        Some(parsed) => parsed,
        None => {
            // SAFETY: APPROVAL points at the value PostgreSQL assigned, checked by `check`.
            let text = encoding::decoded(unsafe { CStr::from_ptr(APPROVAL) });
            let parsed = Parsed::parse(&text).ok()?;
            PARSED.set(Some((assigned.serial, parsed.clone())));
            parsed
        }
    };
    let held = match parsed {
        Parsed::Intent(intent) => Held::Intent(Standing {
            intent,
            spent: spent(assigned.serial),
            set_at: assigned.set_at,
        }),
        Parsed::Token(token) => Held::Token(token),
    };
    Some((assigned.serial, held))
}

/// Whether an approval is set, still valid or not.
pub fn is_set() -> bool {
    ASSIGNED.get().is_some()
}

/// Whether it is a statement of intent.
pub fn is_intent() -> bool {
    is_set() && matches!(current(), Some((_, Held::Intent(_))))
}

/// The serial number of the approval in force.
pub fn serial() -> Option<u64> {
    ASSIGNED.get().map(|assigned| assigned.serial)
}

/// Rows spent from the approval `serial`.
pub fn spent(serial: u64) -> i64 {
    SPENT.with_borrow(|spent| match place(spent, serial) {
        Ok(place) => spent[place].1,
        Err(_) => 0,
    })
}

/// Spends rows from an approval's budget, or gives them back (negative).
pub fn spend(serial: u64, rows: i64) {
    SPENT.with_borrow_mut(|spent| match place(spent, serial) {
        Ok(place) => spent[place].1 += rows,
        Err(place) => spent.insert(place, (serial, rows)),
    });
}

/// Where a serial number stands, or would stand. Most often it is the last: this is asked for every row.
fn place(spent: &[(u64, i64)], serial: u64) -> Result<usize, usize> {
    match spent.last() {
        Some((last, _)) if *last == serial => Ok(spent.len() - 1),
        _ => spent.binary_search_by_key(&serial, |(known, _)| *known),
    }
}

fn refuse(source: pg_sys::GucSource::Type, message: &str, detail: &str, hint: &str) {
    // Other sources are configurations, which are checked for every session again.
    if source == pg_sys::GucSource::PGC_S_SESSION {
        report::tell(&Report::new("SF010", message));
    }
    // SAFETY: the GUC machinery reads these right after the check hook returned false, before the context goes away.
    unsafe {
        pg_sys::GUC_check_errcode(report::packed("SF010"));
        pg_sys::GUC_check_errmsg_string = report::duplicate(message);
        pg_sys::GUC_check_errdetail_string = report::duplicate(detail);
        pg_sys::GUC_check_errhint_string = report::duplicate(hint);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(
    new_value: *mut *mut c_char,
    extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a valid value, or NULL for the boot value.
    let text = unsafe {
        if (*new_value).is_null() {
            c""
        } else {
            CStr::from_ptr(*new_value)
        }
    };
    if text.is_empty() {
        return true;
    }
    const HINT: &str = "Use a statement of intent such as {\"reason\": \"OPS-142\", \"max_rows\": 20, \"relations\": \
                        [\"public.users\"], \"operations\": [\"delete\"]}, backstop.approve_batch(reason, max_rows), or a \
                        token from backstop.approve().";
    let parsed = match Parsed::parse(&encoding::decoded(text)) {
        Ok(parsed) => parsed,
        Err(detail) => {
            refuse(
                source,
                "malformed approval in \"backstop.approval\"",
                &detail,
                HINT,
            );
            return false;
        }
    };
    let set_at = now();
    let ended = match parsed {
        Parsed::Intent(intent) => Standing {
            intent,
            spent: 0,
            set_at,
        }
        .ended(set_at, i64::MAX),
        // Whether a token is any good is looked up when it is used: there may be no transaction now.
        Parsed::Token(_) => None,
    };
    if let Some(why) = ended {
        refuse(
            source,
            "approval has expired",
            &why,
            "State a time in \"expires\" that lies ahead, or leave it out.",
        );
        return false;
    }
    SERIALS.set(SERIALS.get() + 1);
    // SAFETY: guc_malloc'd memory of the right size, owned by the GUC machinery from here on.
    unsafe {
        let memory = crate::pg::compat::guc_memory(size_of::<Extra>()) as *mut Extra;
        if memory.is_null() {
            return false;
        }
        memory.write(Extra {
            serial: SERIALS.get(),
            set_at,
        });
        *extra = memory as *mut c_void;
    }
    true
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn assign(_new_value: *const c_char, extra: *mut c_void) {
    // SAFETY: extra is NULL (no approval) or what `check` made for this value.
    let assigned = unsafe { (extra as *const Extra).as_ref() };
    ASSIGNED.set(assigned.map(|extra| Assigned {
        serial: extra.serial,
        set_at: extra.set_at,
    }));
}

/// Defines the setting.
pub fn define() {
    // SAFETY: called once at load, with static strings and functions that live as long as the library.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            c"backstop.approval".as_ptr(),
            c"The approval under which this session's statements destroy rows.".as_ptr(),
            c"A statement of intent in JSON (reason, max_rows, relations, operations, expires), or a token. Prefer SET LOCAL."
                .as_ptr(),
            &raw mut APPROVAL,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            0,
            Some(check),
            Some(assign),
            None,
        );
    }
}
