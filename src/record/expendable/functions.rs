//! The functions that an `expendable` expression calls, as pg_proc has them.

use super::nodes::calls;
use crate::pg::query::walk::any_part;
use crate::pg::{catalog, catalog_rows};
use pgrx::pg_sys::{self, Node, Oid, SysCacheIdentifier};
use std::cell::RefCell;
use std::ptr;

/// pg_language.dat: functions in these look no names up.
const INTERNAL: Oid = Oid::from_u32(12);
const C: Oid = Oid::from_u32(13);

pub(super) struct Function {
    pub oid: Oid,
    pub name: String,
    /// Not immutable.
    pub is_mutable: bool,
    /// The types of its arguments, as it is declared.
    pub arguments: Vec<Oid>,
    pub result: Oid,
}

impl Function {
    fn of(oid: Oid) -> Function {
        let (mut types, mut count) = (ptr::null_mut(), 0);
        // SAFETY: syscache look-ups of a function that an analysed expression calls; its arguments' types are copied.
        unsafe {
            let result = pg_sys::get_func_signature(oid, &mut types, &mut count);
            Function {
                oid,
                name: catalog::owned(pg_sys::get_func_name(oid)).unwrap_or_default(),
                is_mutable: pg_sys::func_volatile(oid) as u8 != pg_sys::PROVOLATILE_IMMUTABLE,
                arguments: (0..usize::try_from(count).unwrap_or(0))
                    .map(|n| *types.add(n))
                    .collect(),
                result,
            }
        }
    }

    pub fn is_built_in(&self) -> bool {
        is_built_in(self.oid)
    }

    /// Whether the function is written in SQL, PL/pgSQL and so on.
    pub fn has_body(&self) -> bool {
        let cache = SysCacheIdentifier::PROCOID as i32;
        catalog_rows::cached(cache, self.oid, |row: &pg_sys::FormData_pg_proc| {
            ![INTERNAL, C].contains(&row.prolang)
        })
        .unwrap_or(true)
    }
}

/// Whether an object is initdb's.
pub(super) fn is_built_in(oid: Oid) -> bool {
    oid.to_u32() < pg_sys::FirstNormalObjectId
}

/// The functions that this very part of an expression calls.
///
/// # Safety
/// `part` must be a node of an analysed expression.
pub(super) unsafe fn called(part: *mut Node) -> Vec<Function> {
    let found = RefCell::new(Vec::new());
    let each = |oid: Oid| {
        found.borrow_mut().push(oid);
        false
    };
    // SAFETY: the caller vouches for the node.
    unsafe { calls(part, &each) };
    found.into_inner().into_iter().map(Function::of).collect()
}

/// The first function in an expression that is `wanted`.
///
/// # Safety
/// `node` must be an analysed expression.
pub(super) unsafe fn first(
    node: *mut Node,
    wanted: impl Fn(&Function) -> bool,
) -> Option<Function> {
    let mut found = None;
    // SAFETY: the caller vouches for the node.
    unsafe {
        any_part(node, |part| {
            found = called(part).into_iter().find(&wanted);
            found.is_some()
        });
    }
    found
}
