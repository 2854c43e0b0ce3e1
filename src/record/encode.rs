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
            Codec::Routines => string(out, routines(column, value).to_bytes()),
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

/// A function's or operator's name, or its OID where the name does not lead back to it.
///
/// # Safety
/// `value` must be a regproc or regoper.
unsafe fn routine(column: &ColumnFormat, value: pg_sys::Datum) -> Vec<u8> {
    // SAFETY: the caller vouches for the value.
    unsafe {
        let name = printed(column, value).to_bytes();
        // SAFETY: a syscache look-up.
        let is_function = pg_sys::getBaseType(column.fact.type_oid) == pg_sys::REGPROCOID;
        match leads_back(is_function, name, value) {
            true => name.to_vec(),
            false => (value.value() as u32).to_string().into_bytes(),
        }
    }
}

/// Whether a name leads to this function or operator and to no other.
fn leads_back(is_function: bool, name: &[u8], value: pg_sys::Datum) -> bool {
    // SAFETY: the look-up functions take a text and answer NULL for a name that leads nowhere or to several.
    let found = unsafe {
        let argument = [Some(super::datum::text(name))];
        match is_function {
            true => pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regproc, &argument),
            false => pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regoper, &argument),
        }
    };
    let oid = value.value() as u32;
    oid == 0 || found.is_some_and(|found| found.to_u32() == oid)
}

/// An array of functions or operators: their names, or all their OIDs where one name does not lead back.
///
/// # Safety
/// `value` must be an array whose elements are regproc, regoper or domains over them.
unsafe fn routines<'a>(column: &ColumnFormat, value: pg_sys::Datum) -> &'a CStr {
    // SAFETY: the caller vouches for the array; the copy is ours to change, and an oid is stored like both types.
    unsafe {
        let array = pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr()) as *mut pg_sys::ArrayType;
        let is_function = pg_sys::getBaseType((*array).elemtype) == pg_sys::REGPROCOID;
        let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        let align = std::ffi::c_char::from_ne_bytes([b'i']);
        pg_sys::deconstruct_array(
            array,
            (*array).elemtype,
            4,
            true,
            align,
            &mut elements,
            &mut nulls,
            &mut count,
        );
        let certain = (0..count as usize).filter(|n| !*nulls.add(*n)).all(|n| {
            let element = *elements.add(n);
            let output = match is_function {
                true => pg_sys::F_REGPROCOUT,
                false => pg_sys::F_REGOPEROUT,
            };
            let name = pg_sys::OidOutputFunctionCall(output.into(), element);
            leads_back(is_function, CStr::from_ptr(name).to_bytes(), element)
        });
        if certain {
            return printed(column, value);
        }
        (*array).elemtype = pg_sys::OIDOID;
        CStr::from_ptr(pg_sys::OidOutputFunctionCall(
            pg_sys::F_ARRAY_OUT.into(),
            pg_sys::Datum::from(array),
        ))
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
