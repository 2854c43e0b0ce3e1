//! Between which whole numbers a value lies, whatever is stored: a count is never negative, that of a group never zero, a
//! length has no sign, an integer ends where its type does.

use pgrx::pg_sys;

use super::lossless::strip;
use super::node::{Node, btree_strategy, items, tag};
use super::scope::{Gatherer, ScopeId};
use crate::judge::bounds::{Bounds, Comparison};
use crate::pg::stack::check_stack;

impl Gatherer<'_> {
    /// What a comparison comes to, where its sides' bounds say so and neither can be null.
    ///
    /// # Safety
    /// `op` is a valid OpExpr of that scope's query.
    pub unsafe fn decided(&mut self, scope: ScopeId, op: *mut pg_sys::OpExpr) -> Option<bool> {
        // SAFETY: an OpExpr's arguments are expressions.
        unsafe {
            let args = items::<pg_sys::Node>((*op).args);
            let [left, right] = args.as_slice() else {
                return None;
            };
            let types = [pg_sys::exprType(*left), pg_sys::exprType(*right)];
            let negator = pg_sys::get_negator((*op).opno);
            let (strategy, negated) = match btree_strategy((*op).opno, types) {
                0 if negator != pg_sys::InvalidOid => (btree_strategy(negator, types), true),
                own => (own, false),
            };
            let how = comparison(strategy)?;
            let (a, b) = (self.bounds(scope, *left), self.bounds(scope, *right));
            // No whole number is one with a fraction.
            let apart = is_whole(*left) && is_fraction(b, *right)
                || is_whole(*right) && is_fraction(a, *left);
            let holds = match how {
                Comparison::Equal if apart => false,
                _ => a.compared(how, b)?,
            };
            let known = self.never_null(scope, *left) && self.never_null(scope, *right);
            known.then_some(holds != negated)
        }
    }

    /// Between which numbers the expression lies where it is not null.
    unsafe fn bounds(&mut self, scope: ScopeId, node: Node) -> Bounds {
        // SAFETY: passed on from `decided`: the parts of an expression are expressions of the same query.
        unsafe {
            check_stack();
            let node = strip(node);
            let of_type = of_type(pg_sys::exprType(node));
            let known = match tag(node) {
                pg_sys::NodeTag::T_Const => constant(node.cast()),
                pg_sys::NodeTag::T_Var => match self.behind(scope, node.cast()) {
                    Some((inner, expr)) => self.bounds(inner, expr),
                    None => of_type,
                },
                pg_sys::NodeTag::T_FuncExpr
                    if is_measure((*node.cast::<pg_sys::FuncExpr>()).funcid) =>
                {
                    Bounds::from(0)
                }
                pg_sys::NodeTag::T_CoalesceExpr => {
                    self.any_of(scope, (*node.cast::<pg_sys::CoalesceExpr>()).args)
                }
                pg_sys::NodeTag::T_MinMaxExpr => {
                    self.any_of(scope, (*node.cast::<pg_sys::MinMaxExpr>()).args)
                }
                pg_sys::NodeTag::T_Aggref => {
                    let aggregate = node.cast::<pg_sys::Aggref>();
                    let Some(counted) = numbers_rows((*aggregate).aggfnoid) else {
                        return of_type;
                    };
                    let query = self.scopes[scope].query;
                    // A group has a row; a filter and a null leave it uncounted.
                    let whole = !(*query).groupClause.is_null()
                        && (*query).groupingSets.is_null()
                        && (*aggregate).agglevelsup == 0
                        && (*aggregate).aggfilter.is_null();
                    let args = items::<pg_sys::TargetEntry>((*aggregate).args);
                    let every = args
                        .into_iter()
                        .all(|a| self.never_null(scope, (*a).expr.cast()));
                    Bounds::from(counted.min(i128::from(whole && every)))
                }
                pg_sys::NodeTag::T_WindowFunc => {
                    let function = node.cast::<pg_sys::WindowFunc>();
                    match numbers_rows((*function).winfnoid) {
                        Some(least) if !(*function).winagg => Bounds::from(least),
                        Some(_) => Bounds::from(i128::from(self.counts_itself(scope, function))),
                        None => of_type,
                    }
                }
                pg_sys::NodeTag::T_SubLink => self
                    .rows_counted(scope, node.cast())
                    .unwrap_or(Bounds::NONE),
                _ => of_type,
            };
            known.and(of_type)
        }
    }

    unsafe fn any_of(&mut self, scope: ScopeId, list: *mut pg_sys::List) -> Bounds {
        // SAFETY: passed on from `bounds`.
        unsafe {
            let args = items::<pg_sys::Node>(list).into_iter();
            let all = args.map(|a| self.bounds(scope, a));
            all.reduce(Bounds::or).unwrap_or(Bounds::NONE)
        }
    }

    /// Is the row at hand among those that a count over a window counts?
    unsafe fn counts_itself(&mut self, scope: ScopeId, function: *mut pg_sys::WindowFunc) -> bool {
        // SAFETY: passed on from `bounds`; winref names a window clause of the query that holds the function.
        unsafe {
            let query = self.scopes[scope].query;
            let windows = items::<pg_sys::WindowClause>((*query).windowClause);
            let framed = windows.into_iter().any(|w| {
                (*w).winref == (*function).winref
                    && (*w).frameOptions as u32 & pg_sys::FRAMEOPTION_NONDEFAULT != 0
            });
            let args = items::<pg_sys::Node>((*function).args);
            !framed
                && (*function).aggfilter.is_null()
                && args.into_iter().all(|a| self.never_null(scope, a))
        }
    }
}

fn comparison(strategy: i32) -> Option<Comparison> {
    Some(match strategy as u32 {
        pg_sys::BTLessStrategyNumber => Comparison::Less,
        pg_sys::BTLessEqualStrategyNumber => Comparison::LessOrEqual,
        pg_sys::BTEqualStrategyNumber => Comparison::Equal,
        pg_sys::BTGreaterEqualStrategyNumber => Comparison::GreaterOrEqual,
        pg_sys::BTGreaterStrategyNumber => Comparison::Greater,
        _ => return None,
    })
}

/// The least that a function which counts or numbers rows gives a row or group; None for any other.
pub fn numbers_rows(function: pg_sys::Oid) -> Option<i128> {
    match function.to_u32() {
        pg_sys::F_COUNT_
        | pg_sys::F_COUNT_ANY
        | pg_sys::F_ROW_NUMBER
        | pg_sys::F_RANK_
        | pg_sys::F_DENSE_RANK_ => Some(1),
        _ => None,
    }
}

/// Does the function measure what it is given, as a number without a sign, and null for a null alone?
pub fn is_measure(function: pg_sys::Oid) -> bool {
    matches!(
        function.to_u32(),
        pg_sys::F_LENGTH_TEXT
            | pg_sys::F_LENGTH_BPCHAR
            | pg_sys::F_LENGTH_BYTEA
            | pg_sys::F_LENGTH_BIT
            | pg_sys::F_LENGTH_TSVECTOR
            | pg_sys::F_CHAR_LENGTH_TEXT
            | pg_sys::F_CHAR_LENGTH_BPCHAR
            | pg_sys::F_CHARACTER_LENGTH_TEXT
            | pg_sys::F_CHARACTER_LENGTH_BPCHAR
            | pg_sys::F_OCTET_LENGTH_TEXT
            | pg_sys::F_OCTET_LENGTH_BPCHAR
            | pg_sys::F_OCTET_LENGTH_BYTEA
            | pg_sys::F_OCTET_LENGTH_BIT
            | pg_sys::F_BIT_LENGTH_TEXT
            | pg_sys::F_BIT_LENGTH_BYTEA
            | pg_sys::F_BIT_LENGTH_BIT
            | pg_sys::F_CARDINALITY
            | pg_sys::F_STRPOS
            | pg_sys::F_POSITION_TEXT_TEXT
            | pg_sys::F_ABS_INT2
            | pg_sys::F_ABS_INT4
            | pg_sys::F_ABS_INT8
            | pg_sys::F_ABS_NUMERIC
            | pg_sys::F_ABS_FLOAT4
            | pg_sys::F_ABS_FLOAT8
    )
}

fn of_type(oid: pg_sys::Oid) -> Bounds {
    let ends = |least: i64, most: i64| Bounds {
        least: least.into(),
        most: most.into(),
    };
    // SAFETY: a catalog look-up that takes any OID.
    match unsafe { pg_sys::getBaseType(oid) } {
        pg_sys::INT2OID => ends(i16::MIN.into(), i16::MAX.into()),
        pg_sys::INT4OID => ends(i32::MIN.into(), i32::MAX.into()),
        pg_sys::INT8OID => ends(i64::MIN, i64::MAX),
        pg_sys::OIDOID => ends(0, u32::MAX.into()),
        _ => Bounds::NONE,
    }
}

/// The whole numbers next to a number. A large one has been rounded, a still larger one lies beyond all that are counted.
fn around(number: f64) -> Bounds {
    const BEYOND: f64 = 1e37;
    if number.abs() >= BEYOND {
        let (positive, end) = (number > 0.0, BEYOND as i128);
        return Bounds {
            least: if positive { end } else { i128::MIN },
            most: if positive { i128::MAX } else { -end },
        };
    }
    let slack = match number.abs() < 1e15 {
        true => 0.0,
        false => number.abs() * 1e-9,
    };
    Bounds {
        least: (number - slack).floor() as i128,
        most: (number + slack).ceil() as i128,
    }
}

/// A number; one with a fraction lies between two whole ones.
unsafe fn constant(value: *mut pg_sys::Const) -> Bounds {
    // SAFETY: the caller passes a Const; a number's output function prints its datum.
    unsafe {
        let base = pg_sys::getBaseType((*value).consttype);
        let datum = (*value).constvalue;
        match base {
            _ if (*value).constisnull => Bounds::NONE,
            pg_sys::INT2OID => Bounds::exactly((datum.value() as i16).into()),
            pg_sys::INT4OID => Bounds::exactly((datum.value() as i32).into()),
            pg_sys::INT8OID => Bounds::exactly((datum.value() as i64).into()),
            pg_sys::OIDOID => Bounds::exactly((datum.value() as u32).into()),
            pg_sys::NUMERICOID | pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => {
                let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(base, &mut output, &mut varlena);
                let printed = pg_sys::OidOutputFunctionCall(output, datum);
                let printed = core::ffi::CStr::from_ptr(printed).to_str();
                printed
                    .ok()
                    .and_then(|text| text.parse::<f64>().ok())
                    .filter(|number| !number.is_nan())
                    .map_or(Bounds::NONE, around)
            }
            _ => Bounds::NONE,
        }
    }
}

/// Is the expression a whole number, as the type says of it?
unsafe fn is_whole(node: Node) -> bool {
    // SAFETY: the caller passes a valid expression.
    let base = unsafe { pg_sys::getBaseType(pg_sys::exprType(strip(node))) };
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&base)
}

/// Is it a constant that lies between two whole numbers?
unsafe fn is_fraction(bounds: Bounds, node: Node) -> bool {
    // SAFETY: the caller passes a valid expression.
    unsafe {
        tag(strip(node)) == pg_sys::NodeTag::T_Const
            && bounds.most.saturating_sub(bounds.least) == 1
    }
}
