//! Expressions as operands: which columns an expression is, and which it is computed from.

use pgrx::{pg_guard, pg_sys};

use super::node::{Node, is_series, items, strip, tag};
use super::scope::{Gatherer, ScopeId, Source};
use crate::judge::predicate::{BodyId, ColumnId, Operand};

impl Gatherer<'_> {
    /// One side of an equality.
    ///
    /// # Safety
    /// `node` is a valid expression of that scope's query.
    pub unsafe fn operand(&mut self, scope: ScopeId, node: Node) -> Operand {
        // SAFETY: the tag says which struct the node is; the caller vouches for the rest.
        unsafe {
            let inner = strip(node);
            match tag(inner) {
                pg_sys::NodeTag::T_Var => self.var(scope, inner.cast()),
                pg_sys::NodeTag::T_Param => self.parameter(inner.cast()),
                pg_sys::NodeTag::T_Const => Operand {
                    fixed: true,
                    ..Operand::default()
                },
                pg_sys::NodeTag::T_SubLink => self.sublink_operand(scope, inner.cast()),
                pg_sys::NodeTag::T_RowExpr => {
                    let parts = self.parts(scope, &items((*inner.cast::<pg_sys::RowExpr>()).args));
                    let mut row = merged(parts);
                    row.fields.append(&mut row.bare);
                    row
                }
                pg_sys::NodeTag::T_CoalesceExpr => {
                    // It picks one of them, so it is no series of digits, but no bare column either.
                    let mut pick = merged(
                        self.parts(scope, &items((*inner.cast::<pg_sys::CoalesceExpr>()).args)),
                    );
                    pick.reads.append(&mut pick.bare);
                    pick.reads.append(&mut pick.fields);
                    pick
                }
                pg_sys::NodeTag::T_FuncExpr if is_unnest(inner) => {
                    let args = items::<pg_sys::Node>((*inner.cast::<pg_sys::FuncExpr>()).args);
                    match args.as_slice() {
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
                        ..self.sublink_operand(scope, inner.cast())
                    }
                }
                pg_sys::NodeTag::T_ArrayExpr => {
                    let elements =
                        items::<pg_sys::Node>((*inner.cast::<pg_sys::ArrayExpr>()).elements);
                    let mut list = merged(self.parts(scope, &elements));
                    list.reads.append(&mut list.bare);
                    list.reads.append(&mut list.fields);
                    list
                }
                _ => {
                    let mut list = self.computed(scope, inner);
                    let several =
                        !list.bodies.is_empty() || pg_sys::contain_mutable_functions(inner);
                    list.fixed &= !several;
                    list
                }
            }
        }
    }

    unsafe fn parts(&mut self, scope: ScopeId, nodes: &[Node]) -> Vec<Operand> {
        // SAFETY: passed on from the caller.
        nodes
            .iter()
            .map(|&n| unsafe { self.operand(scope, n) })
            .collect()
    }

    unsafe fn parameter(&mut self, param: *mut pg_sys::Param) -> Operand {
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

    unsafe fn sublink_operand(&mut self, scope: ScopeId, sublink: *mut pg_sys::SubLink) -> Operand {
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
            value.fixed = kind == pg_sys::SubLinkType::EXPR_SUBLINK
                && !self.names_columns(scope, sublink.cast());
            value.bodies.push(self.scopes[inner].body);
            value
        }
    }

    /// Does the expression name a column of any query around it?
    unsafe fn names_columns(&self, scope: ScopeId, node: Node) -> bool {
        let levels = self.scopes[scope].depth as i32 + 1;
        // SAFETY: passed on from the caller; the walk only reads.
        (0..=levels).any(|level| unsafe { pg_sys::contain_vars_of_level(node, level) })
    }

    /// An expression that is computed: every column in it.
    ///
    /// # Safety
    /// As for `operand`.
    pub unsafe fn computed(&mut self, scope: ScopeId, node: Node) -> Operand {
        let mut walk = Walk {
            gatherer: (self as *mut Self).cast(),
            scope,
            reads: Vec::new(),
            bodies: Vec::new(),
            series: false,
            aggregated: false,
        };
        // SAFETY: the walker reads the expression; `walk` outlives the call, and `self` is reached through it only
        // while this borrow rests.
        unsafe {
            collect(node, (&raw mut walk).cast());
            let Walk {
                reads,
                bodies,
                series,
                aggregated,
                ..
            } = walk;
            let mut instances: Vec<_> = reads
                .iter()
                .map(|&c| self.statement.columns[c].instance)
                .collect();
            instances.sort_unstable();
            instances.dedup();
            let series = series || instances.len() > 1;
            let fixed = !series
                && !aggregated
                && !pg_sys::expression_returns_set(node)
                && self.sublinks.is_empty()
                && !self.names_columns(scope, node);
            Operand {
                reads,
                bodies,
                series,
                fixed,
                ..Operand::default()
            }
        }
    }

    /// How many columns the query gives out.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn width(&self, scope: ScopeId) -> i16 {
        // SAFETY: passed on from the caller.
        unsafe { outputs(self.scopes[scope].query).len() as i16 }
    }

    /// The query's output column of that number.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn output(&mut self, scope: ScopeId, number: i16) -> Operand {
        let query = self.scopes[scope].query;
        // SAFETY: a Query's output lists hold TargetEntry nodes, its set operations SetOperationStmt and RangeTblRef.
        unsafe {
            if !(*query).setOperations.is_null() {
                return self.arm_output(scope, (*query).setOperations, number);
            }
            match outputs(query).into_iter().find(|&t| (*t).resno == number) {
                Some(entry) => {
                    let resting = std::mem::take(&mut self.sublinks);
                    let value = self.operand(scope, (*entry).expr.cast());
                    self.sublinks = resting;
                    value
                }
                None => Operand::default(),
            }
        }
    }

    /// The same of one arm of its set operations.
    ///
    /// # Safety
    /// `node` is that query's set operation or an arm of it.
    pub unsafe fn arm_output(&mut self, scope: ScopeId, node: Node, number: i16) -> Operand {
        // SAFETY: as in `output`; a leaf's range-table entry is a subquery.
        unsafe {
            if tag(node) == pg_sys::NodeTag::T_RangeTblRef {
                return match self.source(scope, (*node.cast::<pg_sys::RangeTblRef>()).rtindex) {
                    Source::Query(inner, _) => self.output(inner, number),
                    _ => Operand::default(),
                };
            }
            let operation = node.cast::<pg_sys::SetOperationStmt>();
            let mut value = self.arm_output(scope, (*operation).larg, number);
            if (*operation).op == pg_sys::SetOperation::SETOP_EXCEPT {
                return value;
            }
            let right = self.arm_output(scope, (*operation).rarg, number);
            let counts = self.scopes[scope].recursive && !right.reads.is_empty();
            value = merged(vec![value, right]);
            value.series |= counts;
            value
        }
    }

    /// A column of a function, VALUES or other computed range-table entry.
    ///
    /// # Safety
    /// The scope's query is valid and has such an entry.
    pub unsafe fn entry_column(&mut self, scope: ScopeId, rtindex: i32, attno: i16) -> Operand {
        // SAFETY: the kind says which fields of the entry are set (parsenodes.h).
        unsafe {
            let rte = self.rte(scope, rtindex);
            let resting = std::mem::take(&mut self.sublinks);
            let mut parts = Vec::new();
            match (*rte).rtekind {
                pg_sys::RTEKind::RTE_FUNCTION => {
                    let functions = items::<pg_sys::RangeTblFunction>((*rte).functions);
                    let columns: i32 = functions.iter().map(|&f| (*f).funccolcount).sum();
                    if (*rte).funcordinality && i32::from(attno) > columns {
                        parts.push(Operand {
                            series: true,
                            ..Operand::default()
                        });
                    }
                    let mut first = 0;
                    for function in functions {
                        let own = i32::from(attno) > first
                            && i32::from(attno) <= first + (*function).funccolcount;
                        if own || attno == 0 {
                            parts.push(self.operand(scope, (*function).funcexpr));
                        }
                        first += (*function).funccolcount;
                    }
                }
                pg_sys::RTEKind::RTE_VALUES => {
                    for row in items::<pg_sys::List>((*rte).values_lists) {
                        let cells = items::<pg_sys::Node>(row);
                        let range = if attno > 0 {
                            attno as usize - 1..attno as usize
                        } else {
                            0..cells.len()
                        };
                        for &cell in cells.get(range).unwrap_or_default() {
                            // Most cells are constants; a long list of them is quickly passed over.
                            if tag(cell) != pg_sys::NodeTag::T_Const {
                                parts.push(self.operand(scope, cell));
                            }
                        }
                    }
                }
                pg_sys::RTEKind::RTE_TABLEFUNC => {
                    parts.push(self.computed(scope, (*rte).tablefunc.cast()))
                }
                _ => {}
            }
            self.sublinks = resting;
            merged(parts)
        }
    }
}

/// The output list: a SELECT's target list, what a data-modifying CTE returns.
///
/// # Safety
/// `query` is a valid Query.
pub unsafe fn outputs(query: *mut pg_sys::Query) -> Vec<*mut pg_sys::TargetEntry> {
    // SAFETY: passed on from the caller.
    unsafe {
        let list = match (*query).commandType {
            pg_sys::CmdType::CMD_SELECT => (*query).targetList,
            _ => (*query).returningList,
        };
        items::<pg_sys::TargetEntry>(list)
            .into_iter()
            .filter(|&t| !(*t).resjunk)
            .collect()
    }
}

fn merged(parts: Vec<Operand>) -> Operand {
    let mut all = Operand {
        fixed: true,
        ..Operand::default()
    };
    for part in parts {
        all.bare.extend(part.bare);
        all.fields.extend(part.fields);
        all.reads.extend(part.reads);
        all.bodies.extend(part.bodies);
        all.series |= part.series;
        all.fixed &= part.fixed;
    }
    all
}

unsafe fn is_unnest(node: Node) -> bool {
    // SAFETY: the caller passes a FuncExpr.
    unsafe { (*node.cast::<pg_sys::FuncExpr>()).funcid.to_u32() == pg_sys::F_UNNEST_ANYARRAY }
}

struct Walk {
    gatherer: *mut core::ffi::c_void,
    scope: ScopeId,
    reads: Vec<ColumnId>,
    bodies: Vec<BodyId>,
    series: bool,
    aggregated: bool,
}

impl Walk {
    fn take(&mut self, operand: Operand) {
        self.reads.extend(operand.bare);
        self.reads.extend(operand.fields);
        self.reads.extend(operand.reads);
        self.bodies.extend(operand.bodies);
        self.series |= operand.series;
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn collect(node: Node, context: *mut core::ffi::c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: `computed` passes its own Walk, whose gatherer it has lent; expression_tree_walker passes valid nodes.
    unsafe {
        let walk = &mut *context.cast::<Walk>();
        let gatherer = &mut *walk.gatherer.cast::<Gatherer<'_>>();
        match tag(node) {
            pg_sys::NodeTag::T_Var => {
                let column = gatherer.var(walk.scope, node.cast());
                walk.take(column);
                return false;
            }
            pg_sys::NodeTag::T_Param => {
                let parameter = gatherer.parameter(node.cast());
                walk.take(parameter);
                return false;
            }
            pg_sys::NodeTag::T_SubLink => {
                gatherer.sublink_reads(walk, node.cast());
                return false;
            }
            pg_sys::NodeTag::T_FuncExpr => {
                walk.series |= is_series((*node.cast::<pg_sys::FuncExpr>()).funcid)
            }
            pg_sys::NodeTag::T_Aggref => {
                walk.aggregated = true;
                let aggregate = node.cast::<pg_sys::Aggref>();
                if (*aggregate).aggfnoid.to_u32() == pg_sys::F_COUNT_ANY
                    && counts_column((*aggregate).args)
                {
                    // count(column) looks at nothing but whether there is a value.
                    return collect((*aggregate).aggfilter.cast(), context);
                }
            }
            pg_sys::NodeTag::T_WindowFunc => {
                walk.aggregated = true;
                gatherer.window_reads(walk, node.cast());
            }
            _ => {}
        }
        pg_sys::expression_tree_walker(node, Some(collect), context)
    }
}

unsafe fn counts_column(args: *mut pg_sys::List) -> bool {
    // SAFETY: an Aggref's arguments are TargetEntry nodes.
    unsafe {
        let args = items::<pg_sys::TargetEntry>(args);
        matches!(args.as_slice(), [one] if tag((**one).expr.cast()) == pg_sys::NodeTag::T_Var)
    }
}

impl Gatherer<'_> {
    unsafe fn sublink_reads(&mut self, walk: &mut Walk, sublink: *mut pg_sys::SubLink) {
        // SAFETY: passed on from `collect`; after parse analysis subselect is a Query.
        unsafe {
            let kind = (*sublink).subLinkType;
            let exists = kind == pg_sys::SubLinkType::EXISTS_SUBLINK;
            let inner = self.enter((*sublink).subselect.cast(), walk.scope, exists);
            walk.bodies.push(self.scopes[inner].body);
            if exists {
                return;
            }
            let output = self.output(inner, 1);
            walk.take(output);
            if !(*sublink).testexpr.is_null() {
                self.sublinks.push(inner);
                collect((*sublink).testexpr, (walk as *mut Walk).cast());
                self.sublinks.pop();
            }
        }
    }

    /// A window function reads the order of its window, and most of them number the rows.
    unsafe fn window_reads(&mut self, walk: &mut Walk, function: *mut pg_sys::WindowFunc) {
        // SAFETY: passed on from `collect`; winref names a window clause of the query that holds the function.
        unsafe {
            walk.series |= ![
                pg_sys::F_LAG_ANYELEMENT,
                pg_sys::F_LAG_ANYELEMENT_INT4,
                pg_sys::F_LEAD_ANYELEMENT,
                pg_sys::F_LEAD_ANYELEMENT_INT4,
                pg_sys::F_FIRST_VALUE,
                pg_sys::F_LAST_VALUE,
                pg_sys::F_NTH_VALUE,
            ]
            .contains(&(*function).winfnoid.to_u32());
            let query = self.scopes[walk.scope].query;
            for clause in items::<pg_sys::WindowClause>((*query).windowClause) {
                if (*clause).winref != (*function).winref {
                    continue;
                }
                for sort in items::<pg_sys::SortGroupClause>((*clause).orderClause) {
                    let entry = pg_sys::get_sortgroupclause_tle(sort, (*query).targetList);
                    collect((*entry).expr.cast(), (walk as *mut Walk).cast());
                }
            }
        }
    }
}
