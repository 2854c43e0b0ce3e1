//! Runs the text of one statement on a user's behalf: with his privileges, for its effects, not for its rows.

use super::{attempt::attempt, raw};
use crate::pg::encoding;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use serde_json::Value;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// The types of `$1`, `$2`, ..., as analysis infers them.
struct Inferred {
    types: *mut Oid,
    count: c_int,
}

unsafe extern "C-unwind" fn infer(state: *mut pg_sys::ParseState, arg: *mut c_void) {
    // SAFETY: arg is the Inferred of the running `execute`. Called below `attempt`, so the raw function.
    unsafe {
        let inferred = arg as *mut Inferred;
        raw::setup_parse_variable_parameters(
            state,
            &raw mut (*inferred).types,
            &raw mut (*inferred).count,
        );
    }
}

/// Runs `text`, which must be one statement. Its result rows are discarded. `bound` is called with the parameters' values
/// before it begins.
///
/// # Errors
/// PostgreSQL's own, with all their fields. SPI is left connected then: the caller raises the error or rolls back a
/// subtransaction.
///
/// # Safety
/// In a transaction, with nothing borrowed that a statement might use.
pub unsafe fn execute(
    text: &CStr,
    parameters: Option<&Value>,
    bound: impl FnOnce(pg_sys::ParamListInfo),
) -> Outcome<()> {
    let mut inferred = Inferred {
        // Analysis makes the array longer where it lies. One that it had made would end with SPI's memory.
        // SAFETY: a plain allocation, freed with the caller's context.
        types: unsafe { pg_sys::palloc0(size_of::<Oid>()) }.cast(),
        count: 0,
    };
    // SAFETY: the closures hold pointers and plain values only; `inferred` outlives the plan's analysis.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let options = pg_sys::SPIPrepareOptions {
            parserSetup: Some(infer),
            parserSetupArg: (&raw mut inferred).cast(),
            parseMode: pg_sys::RawParseMode::RAW_PARSE_DEFAULT,
            cursorOptions: 0,
        };
        let plan = attempt(context, || {
            raw::SPI_connect();
            raw::SPI_prepare_extended(text.as_ptr(), &options)
        })?;
        if plan.is_null() {
            return Err(refused(raw::spi_result()));
        }
        let params = bind(&inferred, parameters)?;
        bound(params);
        let options = pg_sys::SPIExecuteOptions {
            params,
            read_only: false,
            allow_nonatomic: false,
            must_return_tuples: false,
            tcount: 0,
            dest: pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone),
            owner: ptr::null_mut(),
        };
        let result = attempt(context, || raw::SPI_execute_plan_extended(plan, &options))?;
        if result < 0 {
            return Err(refused(result));
        }
        attempt(context, || raw::SPI_finish())?;
        pg_sys::MemoryContextSwitchTo(context);
    }
    Ok(())
}

fn refused(result: c_int) -> Box<Report> {
    let what = match result {
        pg_sys::SPI_ERROR_COPY => "COPY from or to the client".to_owned(),
        pg_sys::SPI_ERROR_TRANSACTION => "transaction control".to_owned(),
        other => format!("this kind of statement (SPI result {other})"),
    };
    Report::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("cannot run {what} inside a function"),
    )
}

/// The statement's parameters: `{"$1": ..., "$2": ...}` as the record keeps them, or `[..., ...]`.
///
/// # Safety
/// `inferred` must be filled.
unsafe fn bind(inferred: &Inferred, parameters: Option<&Value>) -> Outcome<pg_sys::ParamListInfo> {
    let given = given(parameters)?;
    let count = usize::try_from(inferred.count).unwrap_or(0);
    if given.len() != count {
        return Err(Report::new(
            "08P01",
            format!(
                "the statement's parameters do not match those given: it has {count}, given were {}",
                given.len()
            ),
        )
        .hint("Pass them behind the reason, as '[\"first\", 2, null]'."));
    }
    if count == 0 {
        return Ok(ptr::null_mut());
    }
    // SAFETY: the list is palloc'd with room for all; types has count members; input functions raise on bad text.
    unsafe {
        let list = pg_sys::makeParamList(inferred.count);
        for (n, value) in given.into_iter().enumerate() {
            let param = &mut *(*list).params.as_mut_ptr().add(n);
            param.ptype = *inferred.types.add(n);
            param.pflags = pg_sys::PARAM_FLAG_CONST as u16;
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Array(members)
                    if pg_sys::get_base_element_type(param.ptype) != pg_sys::InvalidOid =>
                {
                    Some(array_literal(members))
                }
                other => Some(other.to_string()),
            };
            param.isnull = text.is_none();
            let (mut input, mut io) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(param.ptype, &mut input, &mut io);
            param.value = match text {
                Some(text) => {
                    let text = encoding::c_string(&text);
                    let text = pg_sys::pstrdup(text.as_ptr());
                    pg_sys::OidInputFunctionCall(input, text, io, -1)
                }
                None => Datum::from(0),
            };
        }
        Ok(list)
    }
}

/// A JSON array as the literal of a PostgreSQL array, for `id = ANY ($1)`.
fn array_literal(members: &[Value]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|member| match member {
            Value::Null => "NULL".to_owned(),
            Value::Array(members) => array_literal(members),
            Value::String(text) => quoted(text),
            other => quoted(&other.to_string()),
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn given(parameters: Option<&Value>) -> Outcome<Vec<&Value>> {
    match parameters {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values.iter().collect()),
        Some(Value::Object(members)) => (1..=members.len())
            .map(|n| {
                members.get(&format!("${n}")).ok_or_else(|| {
                    Report::new(
                        sqlstate::INVALID_PARAMETER,
                        format!("argument \"parameters\" has no member \"${n}\""),
                    )
                    .hint("Pass them behind the reason, as '[\"first\", 2, null]', or '{\"$1\": \"first\", \"$2\": 2}'.")
                })
            })
            .collect(),
        Some(_) => Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            "argument \"parameters\" must be a JSON array or object",
        )),
    }
}
