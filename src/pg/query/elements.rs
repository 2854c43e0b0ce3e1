//! The elements of an array that is given.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, items, tag};

/// Longer arrays are not taken apart.
const MOST_ELEMENTS: i32 = 10_000;

/// A constant array's elements, as constants, or the expressions that `ARRAY[...]` lists. None for any other array.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn elements(node: Node) -> Option<Vec<Node>> {
    // SAFETY: the tag says which struct the node is; a constant of an array type that is not null is an array.
    unsafe {
        let node = strip(node);
        if tag(node) == pg_sys::NodeTag::T_ArrayExpr {
            let array = node.cast::<pg_sys::ArrayExpr>();
            return (!(*array).multidims).then(|| items((*array).elements));
        }
        if tag(node) != pg_sys::NodeTag::T_Const || (*node.cast::<pg_sys::Const>()).constisnull {
            return None;
        }
        let value = node.cast::<pg_sys::Const>();
        let of = pg_sys::get_element_type(pg_sys::getBaseType((*value).consttype));
        if of == pg_sys::InvalidOid {
            return None;
        }
        let array = pg_sys::pg_detoast_datum((*value).constvalue.cast_mut_ptr())
            .cast::<pg_sys::ArrayType>();
        let (mut length, mut by_value, mut align) = (0, false, 0);
        pg_sys::get_typlenbyvalalign(of, &mut length, &mut by_value, &mut align);
        let (mut values, mut nulls) = (core::ptr::null_mut(), core::ptr::null_mut());
        let mut count = 0;
        pg_sys::deconstruct_array(
            array,
            of,
            length.into(),
            by_value,
            align,
            &mut values,
            &mut nulls,
            &mut count,
        );
        if count > MOST_ELEMENTS {
            return None;
        }
        let all = (0..count as usize).map(|at| {
            let (typmod, collation) = ((*value).consttypmod, (*value).constcollid);
            let (datum, null) = (*values.add(at), *nulls.add(at));
            let length = length.into();
            pg_sys::makeConst(of, typmod, collation, length, datum, null, by_value).cast()
        });
        Some(all.collect())
    }
}

/// Is it a constant that is null?
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn is_null(node: Node) -> bool {
    // SAFETY: passed on from the caller; the tag says that it is a Const.
    unsafe { tag(node) == pg_sys::NodeTag::T_Const && (*node.cast::<pg_sys::Const>()).constisnull }
}
