//! Row images: a row's values, and what an UPDATE changed, as the record writes them.

use super::encode;
use super::format::{Codec, ColumnFormat, RowFormat};
use super::text;
use crate::approval::fingerprint::Clock;
use crate::pg::memory::make_room;
use crate::pg::raw;
use pgrx::pg_sys::{self, Datum};
use std::ffi::c_int;

/// Appends `,value` for every column. With a clock, times that mean now are written alike.
///
/// # Safety
/// The slot must hold a row of the format's relation with all attributes fetched.
pub unsafe fn values(
    row: &mut Vec<u8>,
    format: &RowFormat,
    slot: *mut pg_sys::TupleTableSlot,
    clock: Option<&Clock>,
) {
    for column in &format.columns {
        make_room(row, text::FIXED);
        row.push(b',');
        let place = (column.fact.attnum - 1) as usize;
        // SAFETY: the caller fetched the attributes.
        unsafe { one_value(row, column, slot, place, clock) };
    }
}

/// # Safety
/// As for `values`.
pub unsafe fn one_value(
    row: &mut Vec<u8>,
    column: &ColumnFormat,
    slot: *mut pg_sys::TupleTableSlot,
    place: usize,
    clock: Option<&Clock>,
) {
    // SAFETY: the caller fetched the attributes.
    unsafe {
        if *(*slot).tts_isnull.add(place) {
            return row.extend_from_slice(b"null");
        }
        let value = *(*slot).tts_values.add(place);
        if clock.is_some_and(|clock| is_now(column, value, clock)) {
            row.extend_from_slice(b"now");
        } else {
            encode::value(row, column, value);
        }
    }
}

/// Whether a value is the time that `clock` calls now.
fn is_now(column: &ColumnFormat, value: Datum, clock: &Clock) -> bool {
    match column.codec {
        Codec::TimestampTz => clock.is_instant(value),
        Codec::Timestamp => clock.is_local(value),
        _ => false,
    }
}

/// Whether a row holds such a value.
///
/// # Safety
/// As for `values`.
pub unsafe fn has_now(
    format: &RowFormat,
    slot: *mut pg_sys::TupleTableSlot,
    clock: &Clock,
) -> bool {
    format.columns.iter().any(|column| {
        let place = (column.fact.attnum - 1) as usize;
        // SAFETY: the caller fetched the attributes.
        unsafe {
            !*(*slot).tts_isnull.add(place) && is_now(column, *(*slot).tts_values.add(place), clock)
        }
    })
}

/// Appends the object of columns whose value changed, with the new values.
///
/// # Safety
/// As for `values`, for both slots.
pub unsafe fn changes(
    row: &mut Vec<u8>,
    format: &RowFormat,
    old: *mut pg_sys::TupleTableSlot,
    new: *mut pg_sys::TupleTableSlot,
    clock: Option<&Clock>,
) {
    row.push(b'{');
    let mut first = true;
    for column in &format.columns {
        let place = (column.fact.attnum - 1) as usize;
        // SAFETY: the caller fetched the attributes.
        unsafe {
            if same_value(column, old, new) {
                continue;
            }
            if !first {
                row.push(b',');
            }
            first = false;
            make_room(row, column.json_name.len() + text::FIXED);
            row.extend_from_slice(&column.json_name);
            one_value(row, column, new, place, clock);
        }
    }
    row.push(b'}');
}

/// Whether a column has the same value in both versions of a row.
///
/// # Safety
/// As for `values`, for both slots.
pub unsafe fn same_value(
    column: &ColumnFormat,
    old: *mut pg_sys::TupleTableSlot,
    new: *mut pg_sys::TupleTableSlot,
) -> bool {
    let place = (column.fact.attnum - 1) as usize;
    // SAFETY: the caller fetched the attributes.
    unsafe {
        match (*(*old).tts_isnull.add(place), *(*new).tts_isnull.add(place)) {
            (true, true) => true,
            (false, false) => same_image(
                column,
                *(*old).tts_values.add(place),
                *(*new).tts_values.add(place),
            ),
            _ => false,
        }
    }
}

/// Whether two values passed by value are the same. What stands above their length does not count: a value from a row
/// is extended with its sign, an OID from a function is not.
pub fn same_by_value(a: Datum, b: Datum, length: i16) -> bool {
    let (a, b) = (a.value(), b.value());
    match length {
        1 => a as u8 == b as u8,
        2 => a as u16 == b as u16,
        4 => a as u32 == b as u32,
        _ => a == b,
    }
}

/// `datum_image_eq`, without an error boundary where no error is possible.
///
/// # Safety
/// Both must be non-NULL values of the column's type.
unsafe fn same_image(column: &ColumnFormat, before: Datum, after: Datum) -> bool {
    if column.by_value {
        return same_by_value(before, after, column.length);
    }
    if before == after {
        return true;
    }
    // SAFETY: the caller vouches for the values; a fixed-length type has `length` bytes, -1 marks a varlena.
    unsafe {
        if let Ok(length) = usize::try_from(column.length) {
            let bytes =
                |value: Datum| std::slice::from_raw_parts(value.cast_mut_ptr::<u8>(), length);
            return bytes(before) == bytes(after);
        }
        if column.length == -1
            && let (Some(before), Some(after)) =
                (encode::plain_varlena(before), encode::plain_varlena(after))
        {
            return before == after;
        }
        // It detoasts, which may raise.
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            raw::datum_image_eq(before, after, column.by_value, c_int::from(column.length))
        })
    }
}
