//! How the rows of one relation are written down: which columns, in which order, by which codec.

use crate::pg::catalog::{self, ColumnFact};
use crate::pg::encoding;
use crate::pg::types;
use crate::registry::{Guarded, Registry};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// How a value becomes JSON. Numbers and booleans are JSON's own where that is lossless; the rest is the text that the
/// type's output function prints, in a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    Text,
    Uuid,
    Timestamp,
    TimestampTz,
    Date,
    /// A JSON number unless it is NaN or infinite.
    Numeric,
    Float4,
    Float8,
    Json,
    /// `"char"`
    Char,
    /// regproc and regoper, whose names need not be unique.
    Routine,
    /// An array of those.
    Routines,
    /// Types whose own text cannot be read back: their bytes.
    Bytes,
    /// Any other type, through its output function.
    Output,
}

pub struct ColumnFormat {
    pub fact: ColumnFact,
    pub codec: Codec,
    pub by_value: bool,
    pub length: i16,
    /// The output function's look-up, for `Codec::Output` and the fallbacks of the others.
    pub output: pg_sys::FmgrInfo,
    /// The column's name as a JSON string with its colon, for `new_values`.
    pub json_name: Vec<u8>,
}

/// The written form of one relation's rows.
pub struct RowFormat {
    pub recorded_relid: Oid,
    pub relation: Rc<str>,
    /// Key columns first, then the others in attribute order.
    pub columns: Vec<ColumnFormat>,
    pub key_count: i16,
    /// The highest attribute number.
    pub last_attnum: i16,
    /// Some column is printed by an output function that may heed the session's settings (DateStyle, TimeZone, ...).
    pub session_dependent: bool,
    /// Some column holds names of objects or amounts of money: see `portable::pinned_names`.
    pub names_dependent: bool,
    /// `columns` names as a text[] datum, in memory of its own.
    pub names: Box<[u8]>,
}

/// Types whose text depends on `search_path` or `lc_monetary`.
const NAMED_TYPES: [Oid; 12] = [
    pg_sys::REGPROCOID,
    pg_sys::REGPROCEDUREOID,
    pg_sys::REGOPEROID,
    pg_sys::REGOPERATOROID,
    pg_sys::REGCLASSOID,
    pg_sys::REGTYPEOID,
    pg_sys::REGCOLLATIONOID,
    pg_sys::REGCONFIGOID,
    pg_sys::REGDICTIONARYOID,
    pg_sys::REGNAMESPACEOID,
    pg_sys::REGROLEOID,
    pg_sys::MONEYOID,
];

fn codec(type_oid: Oid) -> Codec {
    match type_oid {
        pg_sys::BOOLOID => Codec::Bool,
        pg_sys::INT2OID => Codec::Int2,
        pg_sys::INT4OID => Codec::Int4,
        pg_sys::INT8OID => Codec::Int8,
        pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Codec::Text,
        pg_sys::UUIDOID => Codec::Uuid,
        pg_sys::TIMESTAMPOID => Codec::Timestamp,
        pg_sys::TIMESTAMPTZOID => Codec::TimestampTz,
        pg_sys::DATEOID => Codec::Date,
        pg_sys::NUMERICOID => Codec::Numeric,
        pg_sys::FLOAT4OID => Codec::Float4,
        pg_sys::FLOAT8OID => Codec::Float8,
        pg_sys::CHAROID => Codec::Char,
        pg_sys::PG_NDISTINCTOID
        | pg_sys::PG_DEPENDENCIESOID
        | pg_sys::PG_MCV_LISTOID
        | pg_sys::PG_BRIN_BLOOM_SUMMARYOID
        | pg_sys::PG_BRIN_MINMAX_MULTI_SUMMARYOID => Codec::Bytes,
        // Stored as text, too, like XML below, whose output function leaves out the document's declaration.
        pg_sys::PG_NODE_TREEOID => Codec::Json,
        // A json value is stored as its text; jsonb goes through its output function.
        pg_sys::JSONOID => Codec::Json,
        // SAFETY: a syscache look-up of a column's type.
        _ if unsafe { pg_sys::getBaseType(type_oid) } == pg_sys::XMLOID => Codec::Json,
        _ => of_routines(type_oid).unwrap_or(Codec::Output),
    }
}

/// What names functions or operators without their arguments.
fn of_routines(type_oid: Oid) -> Option<Codec> {
    // SAFETY: syscache look-ups of a column's type; InvalidOid for what is no array.
    let (base, element) = unsafe {
        let element = pg_sys::get_base_element_type(type_oid);
        (
            pg_sys::getBaseType(type_oid),
            match element {
                pg_sys::InvalidOid => element,
                _ => pg_sys::getBaseType(element),
            },
        )
    };
    match (base, element) {
        (pg_sys::REGPROCOID | pg_sys::REGOPEROID, _) => Some(Codec::Routine),
        (_, pg_sys::REGPROCOID | pg_sys::REGOPEROID) => Some(Codec::Routines),
        _ => None,
    }
}

impl RowFormat {
    /// The format of `guarded`'s rows as `desc` describes them.
    ///
    /// # Safety
    /// `desc` must be the live descriptor of `guarded`'s relation.
    pub unsafe fn new(
        registry: &Registry,
        guarded: &Guarded,
        desc: pg_sys::TupleDesc,
    ) -> RowFormat {
        // SAFETY: the caller vouches for desc.
        let facts = unsafe { catalog::columns_of(desc) };
        let key = key_names(registry, guarded, &facts);
        RowFormat::of(
            guarded.recorded_relid,
            guarded.recorded_name.clone(),
            facts,
            &key,
        )
    }

    /// The format of rows with these columns, for a relation recorded under that OID and name.
    pub fn of(
        recorded_relid: Oid,
        relation: Rc<str>,
        facts: Vec<ColumnFact>,
        key: &[String],
    ) -> RowFormat {
        let (first, rest): (Vec<ColumnFact>, Vec<ColumnFact>) =
            facts.into_iter().partition(|fact| key.contains(&fact.name));
        let key_count = first.len() as i16;
        let columns: Vec<ColumnFormat> = first
            .into_iter()
            .chain(rest)
            .map(ColumnFormat::new)
            .collect();
        let names: Vec<&str> = columns
            .iter()
            .map(|column| column.fact.name.as_str())
            .collect();
        RowFormat {
            recorded_relid,
            relation,
            key_count,
            last_attnum: columns
                .iter()
                .map(|column| column.fact.attnum)
                .max()
                .unwrap_or(0),
            session_dependent: columns.iter().any(|column| {
                !matches!(
                    column.codec,
                    Codec::Bool
                        | Codec::Int2
                        | Codec::Int4
                        | Codec::Int8
                        | Codec::Text
                        | Codec::Uuid
                        | Codec::Numeric
                        | Codec::Json
                        | Codec::Timestamp
                        | Codec::TimestampTz
                        | Codec::Date
                )
            }),
            names_dependent: columns.iter().any(|column| {
                matches!(column.codec, Codec::Routine | Codec::Routines)
                    || column.codec == Codec::Output
                        && types::holds(column.fact.type_oid, &NAMED_TYPES)
            }),
            names: super::datum::text_array(&names),
            columns,
        }
    }
}

impl RowFormat {
    /// The column with attribute place `place` (from 0).
    pub fn column_at(&self, place: usize) -> Option<&ColumnFormat> {
        self.columns
            .iter()
            .find(|column| column.fact.attnum as usize == place + 1)
    }

    /// How values of the column at `place` are stored: (by value, length).
    pub fn by_place(&self, place: usize) -> Option<(bool, i16)> {
        self.column_at(place)
            .map(|column| (column.by_value, column.length))
    }

    /// Whether the format writes exactly these columns, in this order.
    pub fn is_named(&self, names: &[String]) -> bool {
        self.columns.len() == names.len()
            && self
                .columns
                .iter()
                .zip(names)
                .all(|(column, name)| column.fact.name == *name)
    }
}

/// The protected key of a protected table, else the primary key.
fn key_names(registry: &Registry, guarded: &Guarded, facts: &[ColumnFact]) -> Vec<String> {
    let primary = catalog::primary_key(guarded.relid);
    if !primary.is_empty() {
        let named = facts.iter().filter(|fact| primary.contains(&fact.attnum));
        return named.map(|fact| fact.name.clone()).collect();
    }
    registry
        .policies(guarded.relid, false)
        .first()
        .map(|policy| policy.key_columns.clone())
        .unwrap_or_default()
}

impl ColumnFormat {
    fn new(fact: ColumnFact) -> ColumnFormat {
        let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
        let (mut length, mut by_value, mut align) = (0, false, 0);
        let mut output = pg_sys::FmgrInfo::default();
        // SAFETY: catalog look-ups of a live column's type. TopMemoryContext outlives every format: the look-up's cache
        // (fn_extra) must not dangle when the query that built the format ends.
        unsafe {
            pg_sys::getTypeOutputInfo(fact.type_oid, &mut function, &mut is_varlena);
            pg_sys::get_typlenbyvalalign(fact.type_oid, &mut length, &mut by_value, &mut align);
            pg_sys::fmgr_info_cxt(function, &mut output, pg_sys::TopMemoryContext);
        }
        let mut json_name = Vec::new();
        super::text::string(&mut json_name, &encoding::encode(&fact.name));
        json_name.push(b':');
        ColumnFormat {
            codec: codec(fact.type_oid),
            by_value,
            length,
            output,
            json_name,
            fact,
        }
    }
}
