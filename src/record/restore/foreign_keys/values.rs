//! Values of a foreign key's columns, taken from rows by hand and given to queries.

use crate::pg::{memory, raw};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, MemoryContext, Oid};

/// Values checked by one query, which may read all rows of a table, and their bytes: planning copies them several times.
const ROWS: usize = 1_000_000;
const BYTES: usize = 16 * 1024 * 1024;

/// Rows of values, none of which is NULL.
pub struct Values {
    types: Vec<Oid>,
    /// Per column.
    arrays: Vec<*mut pg_sys::ArrayBuildState>,
    /// Arrays cannot be members of an array: rows with them, one by one.
    single: Vec<Vec<Datum>>,
    one_by_one: bool,
    pub rows: usize,
    bytes: usize,
    context: MemoryContext,
}

/// What one query is asked about.
pub(super) struct Asked {
    /// `k`, as in FROM, with the columns c1, c2, ..., and n, which counts the rows.
    pub source: String,
    arguments: Vec<(Datum, Oid)>,
    pub rows: usize,
}

impl Values {
    /// # Safety
    /// `parent`, the memory that the values' goes with, must outlive them.
    pub unsafe fn new(types: Vec<Oid>, parent: MemoryContext) -> Values {
        // SAFETY: a context of its own, of the caller's; a syscache look-up.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                parent,
                c"pg_backstop key values".as_ptr(),
                0,
                8 * 1024,
                8 * 1024 * 1024,
            );
            let has_array = |of_type: &Oid| pg_sys::get_array_type(*of_type) != pg_sys::InvalidOid;
            Values {
                one_by_one: !types.iter().all(has_array),
                arrays: vec![std::ptr::null_mut(); types.len()],
                types,
                single: Vec::new(),
                rows: 0,
                bytes: 0,
                context,
            }
        }
    }

    /// Adds a row, copied.
    ///
    /// # Safety
    /// The values must be of the types.
    pub unsafe fn push(&mut self, row: &[Datum]) {
        self.rows += 1;
        // SAFETY: the caller vouches for the values.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            if self.one_by_one {
                let values = row.iter().zip(&self.types);
                self.bytes += values.clone().map(|(v, of)| size(*v, *of)).sum::<usize>();
                let copies = values.map(|(value, of_type)| copy(*value, *of_type));
                memory::push(&mut self.single, copies.collect());
            } else {
                for (n, value) in row.iter().enumerate() {
                    self.bytes += size(*value, self.types[n]);
                    self.arrays[n] = pg_sys::accumArrayResult(
                        self.arrays[n],
                        *value,
                        false,
                        self.types[n],
                        self.context,
                    );
                }
            }
            pg_sys::MemoryContextSwitchTo(before);
        }
    }

    /// Whether it is time for a query.
    pub fn are_many(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    /// What queries are to be asked about. Once.
    pub(super) fn asked(&mut self) -> Vec<Asked> {
        if self.rows == 0 {
            return Vec::new();
        }
        let list = |make: &dyn Fn(usize) -> String| {
            let all = (1..=self.types.len()).map(make);
            all.collect::<Vec<_>>().join(", ")
        };
        if self.one_by_one {
            let names = list(&|n| format!("c{n}"));
            let source = format!(
                "(VALUES ({}, 1::bigint)) AS k({names}, n)",
                list(&|n| format!("${n}"))
            );
            let rows = std::mem::take(&mut self.single).into_iter();
            let asked = rows.map(|row| Asked {
                source: source.clone(),
                arguments: row.into_iter().zip(self.types.iter().copied()).collect(),
                rows: 1,
            });
            return asked.collect();
        }
        // In FROM, a composite value would be its columns.
        let source = format!(
            "(SELECT {}, pg_catalog.generate_series(1::bigint, {}::bigint) AS n) AS k",
            list(&|n| format!("pg_catalog.unnest(${n}) AS c{n}")),
            self.rows
        );
        let arrays = self.arrays.iter_mut().zip(&self.types);
        let arguments = arrays.map(|(state, of_type)| {
            let state = std::mem::replace(state, std::ptr::null_mut());
            // SAFETY: the state was built by `push`; the array is made in the values' memory. A syscache look-up.
            unsafe {
                let array = pg_sys::makeArrayResult(state, self.context);
                (array, pg_sys::get_array_type(*of_type))
            }
        });
        vec![Asked {
            source,
            arguments: arguments.collect(),
            rows: self.rows,
        }]
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// Nothing that was asked may be in use.
    pub unsafe fn free(self) {
        // SAFETY: made by `new`; the caller vouches for the rest.
        unsafe { pg_sys::MemoryContextDelete(self.context) };
    }
}

impl Asked {
    /// The query's arguments, from $1 on.
    pub fn arguments(&self) -> Vec<DatumWithOid<'_>> {
        let arguments = self.arguments.iter();
        // SAFETY: values of these types, which live as long as the values they were taken from.
        let argument =
            |(value, of_type): &(Datum, Oid)| unsafe { DatumWithOid::new(*value, *of_type) };
        arguments.map(argument).collect()
    }

    /// The number of the argument after the values.
    pub fn next_argument(&self) -> usize {
        self.arguments.len() + 1
    }

    /// A row's values, for a message.
    pub fn shown(&self) -> String {
        let values = (1..self.next_argument()).map(|n| format!("k.c{n}"));
        format!(
            "pg_catalog.concat_ws(', ', {})",
            values.collect::<Vec<_>>().join(", ")
        )
    }
}

/// # Safety
/// The value must be of the type.
unsafe fn size(value: Datum, of_type: Oid) -> usize {
    let (mut length, mut by_value) = (0, false);
    // SAFETY: a syscache look-up; the caller vouches for the value.
    unsafe {
        pg_sys::get_typlenbyval(of_type, &mut length, &mut by_value);
        match by_value {
            true => size_of::<Datum>(),
            false => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::datumGetSize(value, false, length.into())
            }),
        }
    }
}

/// # Safety
/// The value must be of the type.
unsafe fn copy(value: Datum, of_type: Oid) -> Datum {
    let (mut length, mut by_value) = (0, false);
    // SAFETY: a syscache look-up; the caller vouches for the value, which is a varlena where its length is -1.
    unsafe {
        pg_sys::get_typlenbyval(of_type, &mut length, &mut by_value);
        match length {
            -1 => Datum::from(pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr())),
            _ => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::datumCopy(value, by_value, length.into())
            }),
        }
    }
}
