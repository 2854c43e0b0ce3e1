//! Text to values: the counterpart of `encode`.

use super::shortcut::{char_byte, date, hexadecimal, integer, timestamp, uuid};
use crate::pg::catalog::ColumnFact;
use crate::pg::memory;
use crate::record::json::{self, Kind, Span};
use crate::record::portable::PortableOutput;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Datum};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// `ERRCODE_TO_CATEGORY` of utils/elog.h, and class 22.
const CLASS: i32 = 0xFFF;
const DATA_EXCEPTION: i32 = pgrx::PgSqlErrorCode::ERRCODE_DATA_EXCEPTION as i32 & CLASS;

/// Types that are read without their input function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortcut {
    Int2,
    Int4,
    Int8,
    Bool,
    /// text, and varchar without a length.
    Text,
    /// timestamp and timestamptz of full precision.
    Timestamp,
    Date,
    Uuid,
    /// "char"
    Char,
    /// A varlena type, by its bytes in hexadecimal.
    Bytes,
    None,
}

/// Reads the values of one column.
pub struct ColumnInput {
    name: String,
    shortcut: Shortcut,
    function: pg_sys::FmgrInfo,
    io_param: pg_sys::Oid,
    type_mod: i32,
}

impl ColumnInput {
    /// # Safety
    /// `context` must outlive the value: the input function caches in it.
    pub unsafe fn new(fact: &ColumnFact, context: pg_sys::MemoryContext) -> ColumnInput {
        let (mut function, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        let mut input = pg_sys::FmgrInfo::default();
        // SAFETY: catalog look-ups of a live column's type.
        unsafe {
            pg_sys::getTypeInputInfo(fact.type_oid, &mut function, &mut io_param);
            pg_sys::fmgr_info_cxt(function, &mut input, context);
        }
        let shortcut = match fact.type_oid {
            pg_sys::INT2OID => Shortcut::Int2,
            pg_sys::INT4OID => Shortcut::Int4,
            pg_sys::INT8OID => Shortcut::Int8,
            pg_sys::BOOLOID => Shortcut::Bool,
            pg_sys::DATEOID => Shortcut::Date,
            pg_sys::UUIDOID => Shortcut::Uuid,
            // The text is what is stored.
            pg_sys::TEXTOID | pg_sys::XMLOID | pg_sys::PG_NODE_TREEOID => Shortcut::Text,
            pg_sys::CHAROID => Shortcut::Char,
            pg_sys::PG_NDISTINCTOID
            | pg_sys::PG_DEPENDENCIESOID
            | pg_sys::PG_MCV_LISTOID
            | pg_sys::PG_BRIN_BLOOM_SUMMARYOID
            | pg_sys::PG_BRIN_MINMAX_MULTI_SUMMARYOID => Shortcut::Bytes,
            pg_sys::VARCHAROID if fact.type_mod < 0 => Shortcut::Text,
            pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID if fact.type_mod < 0 => {
                Shortcut::Timestamp
            }
            _ => Shortcut::None,
        };
        ColumnInput {
            name: fact.name.clone(),
            shortcut,
            function: input,
            io_param,
            type_mod: fact.type_mod,
        }
    }

    /// Whether what the text means may depend on the session's settings.
    pub fn session_dependent(&self) -> bool {
        matches!(
            self.shortcut,
            Shortcut::None | Shortcut::Timestamp | Shortcut::Date
        )
    }

    /// The value behind `span`, `None` for SQL NULL, in the current memory context.
    ///
    /// A domain's constraints are checked by its input function; it is called for NULL too.
    ///
    /// # Safety
    /// In a guarded frame.
    pub unsafe fn read(
        &mut self,
        text: &[u8],
        span: Span,
        scratch: &mut Vec<u8>,
    ) -> Outcome<Option<Datum>> {
        scratch.clear();
        match span.kind {
            Kind::Null => return Ok(self.read_null()),
            Kind::Escaped => {
                json::unescape(span.bytes(text), scratch).map_err(|_| self.damaged())?;
                if let Some(value) = self.short(scratch) {
                    return Ok(Some(value));
                }
            }
            Kind::Object => return Err(self.damaged()),
            _ => {
                if let Some(value) = self.short(span.bytes(text)) {
                    return Ok(Some(value));
                }
                memory::append(scratch, span.bytes(text));
            }
        }
        memory::append(scratch, &[0]);
        // SAFETY: the text ends with a NUL; an input function copies what it keeps of it.
        let call = AssertUnwindSafe(|| unsafe {
            pg_sys::InputFunctionCall(
                &mut self.function,
                scratch.as_mut_ptr().cast(),
                self.io_param,
                self.type_mod,
            )
        });
        match catch_unwind(call) {
            Ok(value) => Ok(Some(value)),
            Err(panic) => Err(self.unreadable(panic)),
        }
    }

    /// Why the column's type does not take a recorded value; other errors go on as they are. The restore, which this
    /// ends, is a subtransaction.
    fn unreadable(&self, panic: Box<dyn Any + Send>) -> Box<Report> {
        let Some(CaughtError::PostgresError(error)) = panic.downcast_ref::<CaughtError>() else {
            resume_unwind(panic)
        };
        if error.sql_error_code() as i32 & CLASS != DATA_EXCEPTION {
            resume_unwind(panic)
        }
        Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!("column \"{}\" does not take its recorded value", self.name),
        )
        .detail(format!("{}.", error.message()))
        .hint("Its type has changed since, or it is another column of that name: rename it, or change its type back.")
    }

    /// NULL: a domain may forbid it, and no other type has an input function that is not strict.
    fn read_null(&mut self) -> Option<Datum> {
        if !self.function.fn_strict {
            // SAFETY: a NULL string is how an input function that isn't strict is asked about NULL.
            unsafe {
                pg_sys::InputFunctionCall(
                    &mut self.function,
                    std::ptr::null_mut(),
                    self.io_param,
                    self.type_mod,
                )
            };
        }
        None
    }

    fn short(&self, bytes: &[u8]) -> Option<Datum> {
        match self.shortcut {
            Shortcut::Int2 => integer(bytes)
                .and_then(|n| i16::try_from(n).ok())
                .map(Datum::from),
            Shortcut::Int4 => integer(bytes)
                .and_then(|n| i32::try_from(n).ok())
                .map(Datum::from),
            Shortcut::Int8 => integer(bytes).map(Datum::from),
            Shortcut::Bool => match bytes {
                b"true" => Some(Datum::from(true)),
                b"false" => Some(Datum::from(false)),
                _ => None,
            },
            Shortcut::Text => Some(crate::record::datum::text(bytes)),
            Shortcut::Timestamp => timestamp(bytes).map(Datum::from),
            Shortcut::Date => date(bytes).map(Datum::from),
            // SAFETY: palloc raises when it fails; a uuid is sixteen bytes.
            Shortcut::Uuid => uuid(bytes).map(|value| unsafe {
                let place = pg_sys::palloc(value.len()) as *mut [u8; 16];
                *place = value;
                Datum::from(place)
            }),
            Shortcut::Char => char_byte(bytes).map(Datum::from),
            Shortcut::Bytes => hexadecimal(bytes).map(|bytes| crate::record::datum::text(&bytes)),
            Shortcut::None => None,
        }
    }

    fn damaged(&self) -> Box<Report> {
        Report::new(
            "XX001",
            format!("the record of column \"{}\" is damaged", self.name),
        )
    }
}

/// The settings under which the record's texts are read back; undone on drop.
pub struct PortableInput {
    _output: PortableOutput,
    date_order: i32,
    xml_option: i32,
    array_nulls: bool,
}

impl PortableInput {
    pub fn begin() -> PortableInput {
        // SAFETY: these are the backend's own plain variables; assigning them is what their GUCs' assign hooks do.
        unsafe {
            let before = PortableInput {
                _output: PortableOutput::begin(),
                date_order: pg_sys::DateOrder,
                xml_option: xmloption,
                array_nulls: pg_sys::Array_nulls,
            };
            pg_sys::DateOrder = pg_sys::DATEORDER_YMD as i32;
            xmloption = XMLOPTION_CONTENT;
            pg_sys::Array_nulls = true;
            before
        }
    }
}

impl Drop for PortableInput {
    fn drop(&mut self) {
        // SAFETY: puts back what begin() found.
        unsafe {
            pg_sys::DateOrder = self.date_order;
            xmloption = self.xml_option;
            pg_sys::Array_nulls = self.array_nulls;
        }
    }
}

/// `XMLOPTION_CONTENT` of nodes/primnodes.h.
const XMLOPTION_CONTENT: i32 = 1;

unsafe extern "C" {
    /// utils/xml.h
    static mut xmloption: i32;
}
