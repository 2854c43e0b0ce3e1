//! SQL-callable C functions without pgrx's wrapper, so that our errors keep their schema, table and column fields.

use crate::pg::{raw, reserve, values};
use crate::report::{self, Outcome};
use pgrx::{FromDatum, pg_sys};

/// The call's arguments.
#[derive(Clone, Copy)]
pub struct Call(pub pg_sys::FunctionCallInfo);

impl Call {
    /// Argument `n` (from 0), `None` when it is NULL, or when the function is declared without it too.
    ///
    /// # Safety
    /// The SQL declarations that have an argument `n` must give it the type that `T` reads.
    pub unsafe fn arg<T: FromDatum>(self, n: usize) -> Option<T> {
        if !self.has(n) {
            return None;
        }
        // SAFETY: the caller vouches for the type; PostgreSQL passes as many arguments as are declared.
        unsafe { pgrx::fcinfo::pg_getarg(self.0, n) }
    }

    /// Whether the function called is declared with an argument `n`: one body may stand behind two declarations.
    pub fn has(self, n: usize) -> bool {
        // SAFETY: PostgreSQL hands every function a valid FunctionCallInfo.
        unsafe { usize::try_from((*self.0).nargs).is_ok_and(|count| n < count) }
    }

    /// A text argument.
    ///
    /// # Safety
    /// The SQL declaration must give argument `n` the type text.
    pub unsafe fn text(self, n: usize) -> Option<String> {
        // SAFETY: the caller vouches for the type.
        unsafe { self.arg::<values::Text>(n) }.map(|text| text.0)
    }

    /// Marks the result NULL.
    pub fn null(self) -> pg_sys::Datum {
        // SAFETY: PostgreSQL hands every function a valid FunctionCallInfo.
        unsafe { (*self.0).isnull = true };
        pg_sys::Datum::from(0)
    }
}

/// Runs a function's body and raises what it reports.
///
/// # Safety
/// Only as the outermost frame of a C function called by PostgreSQL.
pub unsafe fn enter(
    fcinfo: pg_sys::FunctionCallInfo,
    body: unsafe fn(Call) -> Outcome<pg_sys::Datum>,
) -> pg_sys::Datum {
    // SAFETY: the frame below owns nothing with a destructor once the guard has returned: ThrowErrorData may jump past.
    unsafe {
        let (datum, error) = reserve::spent_on_errors(|| {
            pg_sys::submodules::panic::pgrx_extern_c_guard(|| match body(Call(fcinfo)) {
                Ok(datum) => (datum, std::ptr::null_mut()),
                Err(report) => (
                    pg_sys::Datum::from(0),
                    report::error_data(&report, pgrx::PgLogLevel::ERROR as u32),
                ),
            })
        });
        if !error.is_null() {
            raw::ThrowErrorData(error);
        }
        datum
    }
}

/// Declares the C symbols of a SQL function: `sql_function!(pg_finfo_backstop_x, backstop_x, body)`.
#[macro_export]
macro_rules! sql_function {
    ($finfo:ident, $name:ident, $body:path) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $finfo() -> &'static ::pgrx::pg_sys::Pg_finfo_record {
            const RECORD: ::pgrx::pg_sys::Pg_finfo_record =
                ::pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }

        /// # Safety
        /// Called by PostgreSQL as a SQL function.
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            fcinfo: ::pgrx::pg_sys::FunctionCallInfo,
        ) -> ::pgrx::pg_sys::Datum {
            // SAFETY: this is the outermost frame of a function that PostgreSQL calls.
            unsafe { $crate::pg::function::enter(fcinfo, $body) }
        }
    };
}

/// Collects the rows of a set-returning function into the tuplestore PostgreSQL expects.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
}

impl Rows {
    /// Prepares the materialized result of this call.
    ///
    /// # Safety
    /// The function must be declared RETURNS TABLE or SETOF a row type.
    pub unsafe fn new(call: Call) -> Rows {
        // SAFETY: InitMaterializedSRF checks the caller's ReturnSetInfo and fills setResult and setDesc.
        unsafe {
            super::compat::init_materialized(call.0);
            let info = (*call.0).resultinfo as *mut pg_sys::ReturnSetInfo;
            Rows {
                store: (*info).setResult,
                desc: (*info).setDesc,
            }
        }
    }

    /// As `new`, for a set of single values.
    ///
    /// # Safety
    /// The function must be declared RETURNS SETOF a scalar type.
    pub unsafe fn single(call: Call) -> Rows {
        // SAFETY: the executor passes a ReturnSetInfo with the expected row type to every set-returning function.
        unsafe {
            let info = (*call.0).resultinfo as *mut pg_sys::ReturnSetInfo;
            let context = (*(*info).econtext).ecxt_per_query_memory;
            let before = pg_sys::MemoryContextSwitchTo(context);
            (*info).setDesc = pg_sys::CreateTupleDescCopy((*info).expectedDesc);
            (*info).setResult = pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem);
            (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
            pg_sys::MemoryContextSwitchTo(before);
            Rows {
                store: (*info).setResult,
                desc: (*info).setDesc,
            }
        }
    }

    /// Adds a row; the values must be of the declared types, `None` is NULL.
    pub fn push(&mut self, row: Vec<Option<pg_sys::Datum>>) {
        let mut nulls: Vec<bool> = row.iter().map(Option::is_none).collect();
        let mut values: Vec<pg_sys::Datum> = row
            .into_iter()
            .map(|value| value.unwrap_or(pg_sys::Datum::from(0)))
            .collect();
        // SAFETY: store and desc come from InitMaterializedSRF and live as long as the call.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.store,
                self.desc,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        };
    }
}
