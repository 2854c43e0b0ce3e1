//! What DDL does to registered sequences.

use super::names::{resolve, resolve_names};
use super::scope::Scope;
use super::{Change, Finding};
use crate::judge::sequence::{CACHE, Position, Range, reserves_little};
use crate::model::Operation;
use crate::pg::{catalog, compat, objects, raw};
use crate::sequence::state;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// `pg_depend.deptype` of a serial column's and of an identity column's sequence.
const OWNERSHIP: [u8; 2] = *b"ai";

impl Scope {
    /// ALTER SEQUENCE, also as ALTER TABLE ... ALTER COLUMN runs it.
    ///
    /// # Safety
    /// `statement` must be live.
    pub unsafe fn alter_sequence(&mut self, statement: *mut pg_sys::AlterSeqStmt) {
        // SAFETY: the caller vouches for the node.
        unsafe {
            if let Some(relid) = resolve((*statement).sequence) {
                self.own(relid);
                self.sequence_options(relid, (*statement).options);
            }
        }
    }

    /// Options of ALTER SEQUENCE or of ALTER COLUMN ... SET.
    ///
    /// # Safety
    /// `options` must be NIL or a live List of DefElem.
    pub unsafe fn sequence_options(&mut self, relid: Oid, options: *mut pg_sys::List) {
        if self.registry.sequence(relid).is_none() {
            return;
        }
        let (increment, mut start) = state::definition(relid);
        let range = state::range(relid);
        let unbounded = state::unbounded(relid);
        let mut restart = None;
        // SAFETY: the caller vouches for the list; defGetInt64 raises for what is no number, as PostgreSQL would.
        unsafe {
            for n in 0..raw::list_length(options) {
                let option = raw::list_nth(options, n) as *mut pg_sys::DefElem;
                let value = || (!(*option).arg.is_null()).then(|| pg_sys::defGetInt64(option));
                // What is set to what it is changes nothing.
                let is_so = |now: fn(&Range) -> i64| range.as_ref().map(now) == value();
                let stays = |now: fn(&Range) -> i64| {
                    range.as_ref().map(now) == value().or(unbounded.as_ref().map(now))
                };
                match CStr::from_ptr((*option).defname).to_bytes() {
                    b"start" => start = value().unwrap_or(start),
                    b"restart" => restart = Some(value()),
                    b"increment" if is_so(|range| range.increment) => {}
                    b"minvalue" if stays(|range| range.min) => {}
                    b"maxvalue" if stays(|range| range.max) => {}
                    b"cycle"
                        if range
                            .is_some_and(|range| range.cycle == pg_sys::defGetBoolean(option)) => {}
                    b"as" if has_type(relid, option) => {}
                    b"owned_by" if is_owned_by(relid, (*option).arg.cast()) => {}
                    b"increment" => self.altered(relid, "INCREMENT", Operation::Alter),
                    b"minvalue" => self.altered(relid, "MINVALUE", Operation::Alter),
                    b"maxvalue" => self.altered(relid, "MAXVALUE", Operation::Alter),
                    b"cycle" => self.altered(relid, "CYCLE", Operation::Alter),
                    b"as" => self.altered(relid, "a new type", Operation::Alter),
                    b"cache" => self.cached(relid, value().unwrap_or(1), increment),
                    b"owned_by" => self.altered(relid, "OWNED BY", Operation::Alter),
                    _ => {}
                }
            }
        }
        if let Some(value) = restart {
            self.move_to(relid, value.unwrap_or(start), increment, Operation::Alter);
        }
    }

    /// The sequence's CACHE is set: the next nextval moves its position by so many steps.
    fn cached(&mut self, relid: Oid, cache: i64, increment: i64) {
        let Some(policy) = self.registry.sequence(relid) else {
            return;
        };
        if cache > state::cache(relid) && !reserves_little(policy, cache, increment) {
            self.altered(relid, CACHE, Operation::Alter);
        }
    }

    /// TRUNCATE ... RESTART IDENTITY of a table.
    pub fn restart_identity(&mut self, table: Oid) {
        for relid in self.owned_sequences(table, None) {
            let (increment, start) = state::definition(relid);
            self.move_to(relid, start, increment, Operation::Truncate);
        }
    }

    /// The sequence restarts at `value`.
    fn move_to(&mut self, relid: Oid, value: i64, increment: i64, operation: Operation) {
        let Some(policy) = self.registry.sequence(relid).cloned() else {
            return;
        };
        let change = Change::Move {
            old: state::position(relid),
            new: Position {
                value,
                is_called: false,
            },
            increment,
        };
        self.found.push(Finding::Sequence {
            policy,
            operation,
            change,
            ahead: self.ahead,
        });
    }

    /// Something other than its position changes.
    pub fn altered(&mut self, relid: Oid, what: &'static str, operation: Operation) {
        if let Some(policy) = self.registry.sequence(relid).cloned() {
            let old = state::position(relid);
            self.found.push(Finding::Sequence {
                policy,
                operation,
                change: Change::Altered { old, what },
                ahead: self.ahead,
            });
        }
    }

    /// The registered sequences that belong to a table's column, or to any of its columns.
    pub fn owned_sequences(&self, table: Oid, column: Option<&str>) -> Vec<Oid> {
        let mut owned: Vec<Oid> = self
            .registry
            .sequences()
            .filter(|sequence| {
                OWNERSHIP
                    .iter()
                    .filter_map(|kind| owning(*sequence, *kind))
                    .any(|(owner, attnum)| {
                        owner == table
                            && column.is_none_or(|column| {
                                // SAFETY: a syscache look-up; missing_ok.
                                unsafe { catalog::owned(pg_sys::get_attname(table, attnum, true)) }
                                    .is_some_and(|name| name == column)
                            })
                    })
            })
            .collect();
        owned.sort_by_key(|relid| relid.to_u32());
        owned
    }
}

/// The column that a sequence belongs to in this way.
fn owning(sequence: Oid, kind: u8) -> Option<(Oid, i16)> {
    let (mut owner, mut attnum) = (pg_sys::InvalidOid, 0);
    // SAFETY: reads pg_depend; both results are set when it returns true.
    let found = unsafe { pg_sys::sequenceIsOwned(sequence, kind as _, &mut owner, &mut attnum) };
    found.then_some((owner, attnum as i16))
}

/// Whether AS names the type that the sequence has. Bounds that are the type's own stay so, too.
///
/// # Safety
/// `option` must be live.
unsafe fn has_type(sequence: Oid, option: *mut pg_sys::DefElem) -> bool {
    // SAFETY: the caller vouches for the node; missing_ok.
    let named = unsafe {
        let name = pg_sys::defGetTypeName(option);
        pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true)
    };
    state::type_of(sequence) == Some(named)
}

/// Whether OWNED BY names the column that the sequence belongs to, or NONE where it belongs to none.
///
/// # Safety
/// `names` must be NIL or a live List of String nodes.
unsafe fn is_owned_by(sequence: Oid, names: *mut pg_sys::List) -> bool {
    let owning = owning(sequence, OWNERSHIP[0]);
    // SAFETY: the caller vouches for the list; a copy keeps the parser's tree as it is.
    unsafe {
        let count = raw::list_length(names);
        if count == 0 {
            return false;
        }
        let last = raw::list_nth(names, count - 1) as *mut pg_sys::Node;
        let last = catalog::owned(compat::string_value(last)).unwrap_or_default();
        if count == 1 {
            return last == "none" && owning.is_none();
        }
        let table = resolve_names(pg_sys::list_truncate(pg_sys::list_copy(names), count - 1));
        owning.is_some_and(|(owner, attnum)| {
            table == Some(owner) && objects::column(owner, &last) == Some(attnum)
        })
    }
}
