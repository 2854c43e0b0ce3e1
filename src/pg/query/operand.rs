//! Expressions as operands: which columns an expression is, and which it is computed from.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, items, tag};
use super::nulls::of_attribute;
use super::scope::{Gatherer, ScopeId};
use super::series::is_one_value;
use super::strict::base_type;
use super::walk::names_columns;
use crate::judge::predicate::{ColumnId, Operand};
use crate::pg::stack::check_stack;

impl Gatherer<'_> {
    /// One side of an equality.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query.
    pub unsafe fn operand(&mut self, scope: ScopeId, node: Node) -> Operand {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            check_stack();
            let inner = strip(node);
            match tag(inner) {
                pg_sys::NodeTag::T_Var => self.var(scope, inner.cast()),
                pg_sys::NodeTag::T_Param => self.parameter(inner.cast()),
                pg_sys::NodeTag::T_Const => Operand {
                    fixed: true,
                    ..Operand::default()
                },
                pg_sys::NodeTag::T_SubLink => {
                    let mut value = self.sublink_operand(scope, inner.cast(), true);
                    value.series = value.series && !is_one_value(inner.cast());
                    value
                }
                pg_sys::NodeTag::T_RowExpr => {
                    let parts = self.parts(scope, &items((*inner.cast::<pg_sys::RowExpr>()).args));
                    let mut row = merged(parts);
                    row.fields.append(&mut row.bare);
                    row
                }
                pg_sys::NodeTag::T_CoalesceExpr => {
                    let args = items((*inner.cast::<pg_sys::CoalesceExpr>()).args);
                    picked(self.parts(scope, &args))
                }
                pg_sys::NodeTag::T_CaseExpr => self.case(scope, inner.cast()),
                pg_sys::NodeTag::T_FuncExpr if is_unnest(inner) => {
                    let args = items::<pg_sys::Node>((*inner.cast::<pg_sys::FuncExpr>()).args);
                    match args.as_slice() {
                        [list] if tag(strip(*list)) == pg_sys::NodeTag::T_SubLink => Operand {
                            fixed: false,
                            ..self.operand(scope, *list)
                        },
                        [list] => Operand {
                            fixed: false,
                            ..self.list(scope, *list)
                        },
                        _ => self.computed(scope, inner),
                    }
                }
                _ => self.computed(scope, inner),
            }
        }
    }

    /// The list of `= ANY (list)`: a key inside an array expression is read by more than equality.
    ///
    /// # Safety
    /// As for `operand`.
    pub unsafe fn list(&mut self, scope: ScopeId, node: Node) -> Operand {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            let inner = strip(node);
            match tag(inner) {
                pg_sys::NodeTag::T_Const => Operand {
                    fixed: true,
                    ..Operand::default()
                },
                pg_sys::NodeTag::T_SubLink
                    if (*inner.cast::<pg_sys::SubLink>()).subLinkType
                        == pg_sys::SubLinkType::ARRAY_SUBLINK =>
                {
                    Operand {
                        fixed: false,
                        ..self.sublink_operand(scope, inner.cast(), false)
                    }
                }
                pg_sys::NodeTag::T_ArrayExpr => {
                    let array = inner.cast::<pg_sys::ArrayExpr>();
                    let elements = items::<pg_sys::Node>((*array).elements);
                    // An array of arrays is the list of what they list.
                    let mut list = merged(match (*array).multidims {
                        true => elements.iter().map(|&n| self.list(scope, n)).collect(),
                        false => self.parts(scope, &elements),
                    });
                    // What subqueries name is named, as by each of them alone.
                    if !list.fixed {
                        list.reads.append(&mut list.bare);
                    }
                    list.reads.append(&mut list.fields);
                    list
                }
                _ => {
                    let mut list = self.computed_list(scope, inner);
                    let several =
                        !list.bodies.is_empty() || pg_sys::contain_mutable_functions(inner);
                    list.fixed &= !several;
                    // An array column is no bound for its elements.
                    list.kin.retain(|&c| !self.holds_lists(c));
                    list
                }
            }
        }
    }

    /// Is it a stored column of an array type?
    fn holds_lists(&self, column: ColumnId) -> bool {
        let facts = &self.statement.columns[column];
        let relid = self.statement.instances[facts.instance].relid;
        let of = of_attribute(relid.into(), facts.attno, |a| a.atttypid);
        // SAFETY: catalog look-ups that take any OID.
        of.is_some_and(|of| unsafe {
            pg_sys::get_element_type(base_type(of)) != pg_sys::InvalidOid
        })
    }

    /// CASE picks one of its results, and reads what it decides by.
    unsafe fn case(&mut self, scope: ScopeId, case: *mut pg_sys::CaseExpr) -> Operand {
        // SAFETY: passed on from the caller; a CASE's arms are CaseWhen nodes.
        unsafe {
            let arms = items::<pg_sys::CaseWhen>((*case).args);
            let results = arms.iter().map(|&arm| (*arm).result);
            let results: Vec<Node> = results
                .chain([(*case).defresult])
                .map(|result| result.cast())
                .filter(|result: &Node| !result.is_null())
                .collect();
            let mut pick = picked(self.parts(scope, &results));
            let tests = arms.iter().map(|&arm| (*arm).expr).chain([(*case).arg]);
            for test in tests.filter(|test| !test.is_null()) {
                let read = self.computed(scope, test.cast());
                pick.reads.extend(read.reads);
                pick.bodies.extend(read.bodies);
                pick.fixed &= read.fixed;
                pick.volatile |= read.volatile;
            }
            pick
        }
    }

    unsafe fn parts(&mut self, scope: ScopeId, nodes: &[Node]) -> Vec<Operand> {
        // SAFETY: passed on from the caller.
        nodes
            .iter()
            .map(|&n| unsafe { self.operand(scope, n) })
            .collect()
    }

    /// A parameter: a value, or an output of the subquery whose test expression is being read.
    ///
    /// # Safety
    /// `param` is a valid Param.
    pub unsafe fn parameter(&mut self, param: *mut pg_sys::Param) -> Operand {
        // SAFETY: passed on from the caller.
        unsafe {
            if (*param).paramkind != pg_sys::ParamKind::PARAM_SUBLINK {
                return Operand {
                    fixed: true,
                    ..Operand::default()
                };
            }
            match self.sublinks.last() {
                Some(&inner) => Operand {
                    fixed: false,
                    ..self.output(inner, (*param).paramid as i16)
                },
                None => Operand::default(),
            }
        }
    }

    /// `ordered`: an array's elements can be told apart by their place.
    unsafe fn sublink_operand(
        &mut self,
        scope: ScopeId,
        sublink: *mut pg_sys::SubLink,
        ordered: bool,
    ) -> Operand {
        // SAFETY: passed on from the caller; after parse analysis subselect is a Query.
        unsafe {
            let kind = (*sublink).subLinkType;
            if ![
                pg_sys::SubLinkType::EXPR_SUBLINK,
                pg_sys::SubLinkType::ARRAY_SUBLINK,
            ]
            .contains(&kind)
            {
                return self.computed(scope, sublink.cast());
            }
            let inner = self.enter((*sublink).subselect.cast(), scope, false);
            let mut value = self.output(inner, 1);
            // Subqueries in subqueries would each be gone through to the innermost.
            value.fixed = kind == pg_sys::SubLinkType::EXPR_SUBLINK
                && !self.overflow
                && !names_columns(sublink.cast());
            value.bodies.push(self.scopes[inner].body);
            if ordered && kind == pg_sys::SubLinkType::ARRAY_SUBLINK {
                let order = self.row_order(inner);
                value.reads.extend(order.reads);
                value.bodies.extend(order.bodies);
            }
            value
        }
    }
}

/// The operands together, as one that may be any of them.
pub fn merged(parts: Vec<Operand>) -> Operand {
    let mut all = Operand {
        fixed: true,
        ..Operand::default()
    };
    for part in parts {
        all.bare.extend(part.bare);
        all.fields.extend(part.fields);
        all.reads.extend(part.reads);
        all.kin.extend(part.kin);
        all.bodies.extend(part.bodies);
        all.series |= part.series;
        all.fixed &= part.fixed;
        all.volatile |= part.volatile;
    }
    all
}

/// One of the operands: no series of digits put together, but no bare column either.
fn picked(parts: Vec<Operand>) -> Operand {
    let mut pick = merged(parts);
    pick.kin.extend(&pick.bare);
    pick.reads.append(&mut pick.bare);
    pick.reads.append(&mut pick.fields);
    pick
}

/// # Safety
/// `node` is a valid FuncExpr.
pub unsafe fn is_unnest(node: Node) -> bool {
    // SAFETY: the caller vouches for it.
    unsafe { (*node.cast::<pg_sys::FuncExpr>()).funcid.to_u32() == pg_sys::F_UNNEST_ANYARRAY }
}
