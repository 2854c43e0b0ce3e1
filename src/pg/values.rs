//! Values of the types that functions and queries of ours take and return.

use super::encoding::{c_string, decode, decoded, encode};
use super::memory;
use pgrx::datum::{DatumWithOid, UnboxDatum};
use pgrx::spi::{SpiHeapTupleData, SpiTupleTable};
use pgrx::{FromDatum, IntoDatum, Spi, pg_sys};
use std::ffi::CStr;

/// A `text` value as functions and queries take and return it.
#[derive(Clone, Debug, Default)]
pub struct Text(pub String);

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Text> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a text value. Detoasting copies where it has to.
        unsafe {
            let flat = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            Some(Text(decode(pgrx::varlena_to_byte_slice(flat))))
        }
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        encode(&self.0).as_ref().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }

    fn is_compatible_with(other: pg_sys::Oid) -> bool {
        String::is_compatible_with(other)
    }
}

// SAFETY: as FromDatum above; the value owns its text.
unsafe impl UnboxDatum for Text {
    type As<'src> = Text;

    unsafe fn unbox<'src>(datum: pgrx::datum::Datum<'src>) -> Text
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for a text value that is not NULL.
        unsafe { Text::from_datum(datum.sans_lifetime(), false) }.unwrap_or_default()
    }
}

/// A `bytea` value, read without more than asking for memory.
#[derive(Default)]
pub struct Bytes(pub Vec<u8>);

impl FromDatum for Bytes {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Bytes> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a bytea value.
        unsafe {
            let flat = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            Some(Bytes(memory::copied(pgrx::varlena_to_byte_slice(flat))))
        }
    }
}

impl IntoDatum for Bytes {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::BYTEAOID
    }
}

/// A `jsonb` value.
pub struct Jsonb(pub serde_json::Value);

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Jsonb> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a jsonb value; its output function returns a palloc'd C string.
        let text = unsafe {
            decoded(CStr::from_ptr(pg_sys::OidOutputFunctionCall(
                pg_sys::Oid::from(pg_sys::F_JSONB_OUT),
                datum,
            )))
        };
        serde_json::from_str(&text).ok().map(Jsonb)
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = c_string(&self.0.to_string());
        // SAFETY: jsonb_in reads a C string.
        unsafe {
            pgrx::direct_function_call_as_datum(
                pg_sys::jsonb_in,
                &[Some(pg_sys::Datum::from(text.as_ptr()))],
            )
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

/// A text argument of a query.
pub fn typed(text: Text) -> DatumWithOid<'static> {
    // SAFETY: text is what a Text's datum is.
    unsafe { DatumWithOid::new(text, pg_sys::TEXTOID) }
}

/// `Spi::run` for SQL that holds names.
pub fn run(sql: &str) -> pgrx::spi::Result<()> {
    Spi::connect_mut(|client| client.update(&c_string(sql), None, &[]).map(drop))
}

/// Reads text from the rows of a query.
pub trait RowText {
    /// Column `n` (from 1).
    fn text(&self, n: usize) -> pgrx::spi::Result<Option<String>>;
    /// Column `n`, an array without NULLs.
    fn texts(&self, n: usize) -> pgrx::spi::Result<Option<Vec<String>>>;
}

impl RowText for SpiHeapTupleData<'_> {
    fn text(&self, n: usize) -> pgrx::spi::Result<Option<String>> {
        Ok(self.get::<Text>(n)?.map(|text| text.0))
    }

    fn texts(&self, n: usize) -> pgrx::spi::Result<Option<Vec<String>>> {
        Ok(self.get::<Vec<Text>>(n)?.map(strings))
    }
}

impl RowText for SpiTupleTable<'_> {
    fn text(&self, n: usize) -> pgrx::spi::Result<Option<String>> {
        Ok(self.get::<Text>(n)?.map(|text| text.0))
    }

    fn texts(&self, n: usize) -> pgrx::spi::Result<Option<Vec<String>>> {
        Ok(self.get::<Vec<Text>>(n)?.map(strings))
    }
}

pub fn strings(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.0).collect()
}
