//! Values to JSON text, losslessly and fast: this runs for every captured column. How the text looks is in `text`.

use super::format::{Codec, ColumnFormat};
use super::portable::PortableOutput;
use super::text::{self, integer, number, string};
use pgrx::pg_sys;
use std::ffi::CStr;

/// Appends one value.
///
/// # Safety
/// `value` must be a non-NULL datum of the column's type.
pub unsafe fn value(out: &mut Vec<u8>, column: &ColumnFormat, value: pg_sys::Datum) {
    // SAFETY: the codec was chosen by the column's type.
    unsafe {
        match column.codec {
            Codec::Bool => out.extend_from_slice(if value.value() as u8 != 0 {
                b"true"
            } else {
                b"false"
            }),
            Codec::Int2 => integer(out, i64::from(value.value() as i16)),
            Codec::Int4 => integer(out, i64::from(value.value() as i32)),
            Codec::Int8 => integer(out, value.value() as i64),
            Codec::Text | Codec::Json => varlena_string(out, value),
            Codec::Uuid => text::uuid(out, &*(value.cast_mut_ptr::<[u8; 16]>())),
            Codec::Timestamp | Codec::TimestampTz | Codec::Date => {
                let written = match column.codec {
                    Codec::Timestamp => text::timestamp(out, value.value() as i64, b""),
                    Codec::TimestampTz => text::timestamp(out, value.value() as i64, b"+00"),
                    _ => text::date(out, value.value() as i32),
                };
                if !written {
                    // Infinities and years that ISO 8601 does not write: PostgreSQL's own text.
                    let _portable = PortableOutput::begin();
                    string(out, printed(column, value).to_bytes());
                }
            }
            Codec::Numeric => {
                let written =
                    plain_varlena(value).is_some_and(|stored| super::numeric::finite(out, stored));
                if !written {
                    number(out, printed(column, value).to_bytes())
                }
            }
            Codec::Float4 | Codec::Float8 => number(out, printed(column, value).to_bytes()),
            Codec::Char => text::char(out, value.value() as u8),
            Codec::Routine => string(out, &routine(column, value)),
            Codec::Bytes => bytes_string(out, value),
            Codec::Output => {
                let text = printed(column, value);
                string(out, text.to_bytes());
            }
        }
    }
}

/// The type's own text. It stays in the current memory context, which the caller resets.
///
/// # Safety
/// As for `value`.
unsafe fn printed<'a>(column: &ColumnFormat, value: pg_sys::Datum) -> &'a CStr {
    // SAFETY: an output function returns a palloc'd C string; the look-up may cache in fn_extra, which is its own.
    unsafe {
        CStr::from_ptr(pg_sys::OutputFunctionCall(
            (&raw const column.output).cast_mut(),
            value,
        ))
    }
}

/// The bytes of a varlena value that is neither compressed nor out of line.
///
/// # Safety
/// `value` must be a varlena datum that outlives the slice.
pub unsafe fn plain_varlena<'a>(value: pg_sys::Datum) -> Option<&'a [u8]> {
    let original = value.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: a varlena has at least one byte; plain ones carry their own length.
    unsafe {
        let first = *original.cast::<u8>();
        // On little-endian machines: low bit set = one-byte header, unless it is exactly 1 (out of line); else two low
        // bits 00 = plain four-byte header.
        let plain =
            cfg!(target_endian = "little") && (first & 3 == 0 || (first & 1 == 1 && first != 1));
        plain.then(|| pgrx::varlena_to_byte_slice(original))
    }
}

/// # Safety
/// `value` must be a varlena datum.
unsafe fn varlena_string(out: &mut Vec<u8>, value: pg_sys::Datum) {
    // SAFETY: detoasting returns the value itself when it is neither compressed nor out of line; the bytes are read
    // before anything can free them.
    unsafe {
        if let Some(stored) = plain_varlena(value) {
            return string(out, stored);
        }
        let original = value.cast_mut_ptr::<pg_sys::varlena>();
        let flat = pg_sys::pg_detoast_datum_packed(original);
        string(out, pgrx::varlena_to_byte_slice(flat));
        if flat != original {
            pg_sys::pfree(flat.cast());
        }
    }
}

/// A function or operator by its name where the name alone leads back to it, else by its number.
///
/// # Safety
/// `value` must be a regproc or regoper.
unsafe fn routine(column: &ColumnFormat, value: pg_sys::Datum) -> Vec<u8> {
    // SAFETY: the look-up functions take a text and answer NULL for a name that leads nowhere or to several.
    unsafe {
        let name = printed(column, value).to_bytes();
        let argument = [Some(super::datum::text(name))];
        let found = if column.fact.type_oid == pg_sys::REGPROCOID {
            pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regproc, &argument)
        } else {
            pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regoper, &argument)
        };
        let oid = value.value() as u32;
        if oid == 0 || found.is_some_and(|found| found.to_u32() == oid) {
            name.to_vec()
        } else {
            oid.to_string().into_bytes()
        }
    }
}

/// The bytes of a varlena value in hexadecimal.
///
/// # Safety
/// `value` must be a varlena datum.
unsafe fn bytes_string(out: &mut Vec<u8>, value: pg_sys::Datum) {
    // SAFETY: the caller vouches for the value; the copy lives in the current memory context.
    let bytes = unsafe {
        let flat = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
        pgrx::varlena_to_byte_slice(flat)
    };
    text::hexadecimal(out, bytes);
}
