//! Patterns that every text matches.

use pgrx::pg_sys;

use super::elements::elements;
use super::node::{Node, folds_to, items, tag};

/// `INTERNALlanguageId` (pg_language.h).
const INTERNAL_LANGUAGE: u32 = 12;

/// How a pattern is looked for.
enum Search {
    Like,
    /// By this operator between texts.
    Regex(u32),
    Prefix,
}

/// `x LIKE '%'`, `x ~ '.*'`, `starts_with(x, '')`: a pattern that finds something even in the empty string, and asks for no
/// place to find it at that some text lacks.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn matches_everything(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression; its tag says which struct it is.
    unsafe {
        let (function, args, collation) = match tag(node) {
            pg_sys::NodeTag::T_OpExpr => {
                let op = node.cast::<pg_sys::OpExpr>();
                let function = pg_sys::get_opcode((*op).opno);
                (function, (*op).args, (*op).inputcollid)
            }
            pg_sys::NodeTag::T_FuncExpr => {
                let call = node.cast::<pg_sys::FuncExpr>();
                ((*call).funcid, (*call).args, (*call).inputcollid)
            }
            pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                let op = node.cast::<pg_sys::ScalarArrayOpExpr>();
                let function = pg_sys::get_opcode((*op).opno);
                (function, (*op).args, (*op).inputcollid)
            }
            _ => return false,
        };
        let Some(search) = search(function) else {
            return false;
        };
        let [_, pattern] = items::<pg_sys::Node>(args)[..] else {
            return false;
        };
        if tag(node) != pg_sys::NodeTag::T_ScalarArrayOpExpr {
            return search.finds_everything(pattern, collation);
        }
        let mut patterns = elements(pattern).unwrap_or_default().into_iter();
        match (*node.cast::<pg_sys::ScalarArrayOpExpr>()).useOr {
            true => patterns.any(|p| search.finds_everything(p, collation)),
            false => patterns.len() > 0 && patterns.all(|p| search.finds_everything(p, collation)),
        }
    }
}

impl Search {
    unsafe fn finds_everything(&self, pattern: Node, collation: pg_sys::Oid) -> bool {
        // SAFETY: the caller passes a valid expression; a text constant that is not null is a varlena.
        unsafe {
            if tag(pattern) != pg_sys::NodeTag::T_Const
                || (*pattern.cast::<pg_sys::Const>()).constisnull
            {
                return false;
            }
            let datum = (*pattern.cast::<pg_sys::Const>()).constvalue;
            let text = pg_sys::text_to_cstring(datum.cast_mut_ptr());
            let bytes = core::ffi::CStr::from_ptr(text).to_bytes();
            match *self {
                Search::Like => !bytes.is_empty() && bytes.iter().all(|&b| b == b'%'),
                Search::Prefix => bytes.is_empty(),
                Search::Regex(operator) => {
                    is_any_text(bytes)
                        || asks_for_no_place(bytes)
                            && finds_in_nothing(operator, pattern, collation)
                }
            }
        }
    }
}

/// The function of PostgreSQL's that another name stands for: the operators of citext are such. Nobody but a superuser
/// makes one.
fn own_function(function: pg_sys::Oid) -> pg_sys::Oid {
    if function.to_u32() < pg_sys::FirstNormalObjectId {
        return function;
    }
    // SAFETY: catalog look-ups that take any OID; the tuple is released after its last use, and its source text is copied.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, function.into());
        if tuple.is_null() {
            return function;
        }
        let row = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let mut found = function;
        if (*row).prolang.to_u32() == INTERNAL_LANGUAGE {
            let (attno, mut null) = (pg_sys::Anum_pg_proc_prosrc as i16, false);
            let source = pg_sys::SysCacheGetAttr(cache, tuple, attno, &mut null);
            if !null {
                let name = pg_sys::text_to_cstring(source.cast_mut_ptr());
                found = pg_sys::fmgr_internal_function(name);
            }
        }
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}

fn search(function: pg_sys::Oid) -> Option<Search> {
    Some(match own_function(function).to_u32() {
        pg_sys::F_TEXTLIKE
        | pg_sys::F_LIKE_TEXT_TEXT
        | pg_sys::F_BPCHARLIKE
        | pg_sys::F_NAMELIKE
        | pg_sys::F_LIKE_NAME_TEXT
        | pg_sys::F_TEXTICLIKE
        | pg_sys::F_BPCHARICLIKE
        | pg_sys::F_NAMEICLIKE => Search::Like,
        pg_sys::F_TEXTREGEXEQ | pg_sys::F_BPCHARREGEXEQ | pg_sys::F_NAMEREGEXEQ => {
            Search::Regex(pg_sys::OID_TEXT_REGEXEQ_OP)
        }
        pg_sys::F_TEXTICREGEXEQ | pg_sys::F_BPCHARICREGEXEQ | pg_sys::F_NAMEICREGEXEQ => {
            Search::Regex(pg_sys::OID_TEXT_ICREGEXEQ_OP)
        }
        pg_sys::F_STARTS_WITH => Search::Prefix,
        _ => return None,
    })
}

/// `^.*$`, and what `SIMILAR TO '%'` becomes: the whole text, whatever it is.
fn is_any_text(pattern: &[u8]) -> bool {
    let inner = pattern
        .strip_prefix(b"^")
        .and_then(|p| p.strip_suffix(b"$"));
    let Some(inner) = inner else {
        return false;
    };
    let open = |with: &[u8]| inner.strip_prefix(with).and_then(|p| p.strip_suffix(b")"));
    let inner = open(b"(?:").or_else(|| open(b"(")).unwrap_or(inner);
    !inner.is_empty() && inner.len() % 2 == 0 && inner.chunks(2).all(|c| c == b".*")
}

/// Other anchors than the start or the end, escapes and lookahead tell places apart; a leading `*` changes how the rest is
/// read. What finds nothing at the start of the empty string finds nothing at the start of any.
fn asks_for_no_place(pattern: &[u8]) -> bool {
    let inner = match pattern.strip_prefix(b"^") {
        Some(rest) => rest,
        None => pattern.strip_suffix(b"$").unwrap_or(pattern),
    };
    let placed = inner.iter().any(|b| b"^$\\".contains(b));
    let looks = inner.windows(2).any(|w| w == b"(?") || inner.starts_with(b"***");
    !placed && !looks
}

unsafe fn finds_in_nothing(operator: u32, pattern: Node, collation: pg_sys::Oid) -> bool {
    // SAFETY: the new expression's operator is one of the two between texts, and the caller passes a constant text.
    unsafe {
        let empty = pg_sys::cstring_to_text(c"".as_ptr());
        let nothing = pg_sys::makeConst(
            pg_sys::TEXTOID,
            -1,
            collation,
            -1,
            pg_sys::Datum::from(empty),
            false,
            false,
        );
        let found = pg_sys::make_opclause(
            operator.into(),
            pg_sys::BOOLOID,
            false,
            nothing.cast(),
            pattern.cast(),
            pg_sys::InvalidOid,
            collation,
        );
        folds_to(found.cast()) == Some(Some(true))
    }
}
