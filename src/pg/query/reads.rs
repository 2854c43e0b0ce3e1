//! What a computed expression reads: every column in it, its subqueries, its windows.

use pgrx::pg_sys;

use super::node::{Node, items, tag};
use super::order::keeps_order;
use super::scope::{Gatherer, ScopeId};
use super::series::{counts_rows, is_one_value, is_series, numbers_rows};
use super::strict::base_type;
use super::walk::{self, Step, names_columns};
use crate::judge::predicate::{BodyId, ColumnId, InstanceId, Operand};
use crate::judge::statement::InstanceKind;
use crate::pg::stack::check_stack;

/// The type of an array's elements, as `comparable`; none of any other type.
fn element(oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a catalog lookup that takes any OID.
    comparable(unsafe { pg_sys::get_element_type(base_type(oid)) })
}

/// One type for all integers, base types for domains.
fn comparable(oid: pg_sys::Oid) -> pg_sys::Oid {
    match base_type(oid) {
        pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::NUMERICOID => pg_sys::INT8OID,
        base => base,
    }
}

struct Walk {
    scope: ScopeId,
    reads: Vec<ColumnId>,
    /// The type of the whole expression, and the columns of that type.
    like: pg_sys::Oid,
    /// Where it is a list: the type of its elements.
    element: pg_sys::Oid,
    kin: Vec<ColumnId>,
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

unsafe fn counts_column(args: *mut pg_sys::List) -> bool {
    // SAFETY: an Aggref's arguments are TargetEntry nodes.
    unsafe {
        let args = items::<pg_sys::TargetEntry>(args);
        matches!(args.as_slice(), [one] if tag((**one).expr.cast()) == pg_sys::NodeTag::T_Var)
    }
}

impl Gatherer<'_> {
    /// An expression that is computed: every column in it.
    ///
    /// # Safety
    /// As for `operand`.
    pub unsafe fn computed(&mut self, scope: ScopeId, node: Node) -> Operand {
        // SAFETY: the caller vouches for the expression; an XMLTABLE or JSON_TABLE is none, and has no type.
        let of = unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_TableFunc => pg_sys::InvalidOid,
                _ => pg_sys::exprType(node),
            }
        };
        // SAFETY: passed on from the caller.
        unsafe { self.computed_of(scope, node, comparable(of), element(of)) }
    }

    /// The same of a list whose elements are what counts, not the list as such.
    ///
    /// # Safety
    /// As for `operand`.
    pub unsafe fn computed_list(&mut self, scope: ScopeId, node: Node) -> Operand {
        // SAFETY: passed on from the caller.
        unsafe {
            let of = element(pg_sys::exprType(node));
            self.computed_of(scope, node, pg_sys::InvalidOid, of)
        }
    }

    unsafe fn computed_of(
        &mut self,
        scope: ScopeId,
        node: Node,
        like: pg_sys::Oid,
        element: pg_sys::Oid,
    ) -> Operand {
        let mut walk = Walk {
            scope,
            reads: Vec::new(),
            like,
            element,
            kin: Vec::new(),
            bodies: Vec::new(),
            series: false,
            aggregated: false,
        };
        // SAFETY: passed on from the caller.
        unsafe {
            check_stack();
            self.collect(&mut walk, node);
            let Walk {
                reads,
                kin,
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
            // Columns of several lists put together, digit by digit. Those of stored rows are what is stored.
            let listed =
                |&i: &InstanceId| self.statement.instances[i].kind == InstanceKind::Computed;
            let series = series || (instances.len() > 1 && instances.iter().any(listed));
            let fixed = !series
                && !aggregated
                && !pg_sys::expression_returns_set(node)
                && self.sublinks.is_empty()
                && !self.overflow
                && !names_columns(node);
            Operand {
                reads,
                kin,
                bodies,
                series,
                fixed,
                volatile: pg_sys::contain_volatile_functions(node),
                ..Operand::default()
            }
        }
    }

    /// Takes in what the expression and its parts read.
    unsafe fn collect(&mut self, walk: &mut Walk, node: Node) {
        // SAFETY: the callers pass NULL or a valid expression of the walk's query.
        unsafe {
            walk::walk(node, |part| self.collect_part(walk, part));
        }
    }

    unsafe fn collect_part(&mut self, walk: &mut Walk, node: Node) -> Step {
        // SAFETY: passed on from `collect`; the tag says which struct the node is.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_Var => {
                    let column = self.var(walk.scope, node.cast());
                    let of = pg_sys::exprType(node);
                    let like = [walk.like, walk.element].contains(&comparable(of));
                    if like && of != pg_sys::InvalidOid {
                        walk.kin.extend(&column.bare);
                    }
                    // What was put into a list is still in it.
                    if walk.element != pg_sys::InvalidOid && element(of) == walk.element {
                        let all = column.bare.iter();
                        walk.kin
                            .extend(all.flat_map(|&c| &self.statement.columns[c].kin));
                    }
                    walk.take(column);
                    // Where a row lies, and who wrote it when, are numbers of the server's.
                    let attno = i32::from((*node.cast::<pg_sys::Var>()).varattno);
                    walk.series |= attno < 0 && attno != pg_sys::TableOidAttributeNumber;
                    return Step::Over;
                }
                pg_sys::NodeTag::T_Param => {
                    let parameter = self.parameter(node.cast());
                    walk.take(parameter);
                    return Step::Over;
                }
                pg_sys::NodeTag::T_SubLink => {
                    self.sublink_reads(walk, node.cast());
                    return Step::Over;
                }
                pg_sys::NodeTag::T_ScalarArrayOpExpr
                    if self.looks_back(walk.scope, node.cast()) =>
                {
                    return Step::Over;
                }
                pg_sys::NodeTag::T_NullTest => {
                    if let Some(partner) = self.asks_for_partner(walk.scope, node.cast()) {
                        walk.reads.extend(partner);
                        return Step::Over;
                    }
                }
                pg_sys::NodeTag::T_GroupingFunc => walk.series = true,
                pg_sys::NodeTag::T_FuncExpr => walk.series |= is_series(node),
                pg_sys::NodeTag::T_Aggref => {
                    walk.aggregated = true;
                    let aggregate = node.cast::<pg_sys::Aggref>();
                    walk.series |= counts_rows(aggregate);
                    if keeps_order((*aggregate).aggfnoid) {
                        let home = self.up(walk.scope, (*aggregate).agglevelsup);
                        let order = self.given_order(home);
                        walk.take(order);
                    }
                    if (*aggregate).aggfnoid.to_u32() == pg_sys::F_COUNT_ANY
                        && counts_column((*aggregate).args)
                    {
                        // count(column) looks at nothing but whether there is a value.
                        self.collect(walk, (*aggregate).aggfilter.cast());
                        return Step::Over;
                    }
                }
                pg_sys::NodeTag::T_WindowFunc => {
                    walk.aggregated = true;
                    self.window_reads(walk, node.cast());
                }
                _ => {}
            }
            Step::Into
        }
    }

    unsafe fn sublink_reads(&mut self, walk: &mut Walk, sublink: *mut pg_sys::SubLink) {
        // SAFETY: passed on from `collect_part`; after parse analysis subselect is a Query.
        unsafe {
            let kind = (*sublink).subLinkType;
            let exists = kind == pg_sys::SubLinkType::EXISTS_SUBLINK;
            let inner = self.enter((*sublink).subselect.cast(), walk.scope, exists);
            walk.bodies.push(self.scopes[inner].body);
            if exists {
                return;
            }
            let mut output = self.output(inner, 1);
            if walk.element != pg_sys::InvalidOid
                && element(pg_sys::exprType(sublink.cast())) == walk.element
            {
                walk.kin.extend(output.bare.iter().chain(&output.kin));
            }
            output.series &= !is_one_value(sublink);
            walk.take(output);
            if kind == pg_sys::SubLinkType::ARRAY_SUBLINK {
                let order = self.row_order(inner);
                walk.take(order);
            }
            if !(*sublink).testexpr.is_null() {
                self.sublinks.push(inner);
                self.collect(walk, (*sublink).testexpr);
                self.sublinks.pop();
            }
        }
    }

    /// A window function reads the order of its window, and most of them number the rows.
    unsafe fn window_reads(&mut self, walk: &mut Walk, function: *mut pg_sys::WindowFunc) {
        // SAFETY: passed on from `collect_part`; winref names a window clause of the query that holds the function.
        unsafe {
            walk.series |= numbers_rows((*function).winfnoid);
            let query = self.scopes[walk.scope].query;
            for clause in items::<pg_sys::WindowClause>((*query).windowClause) {
                if (*clause).winref != (*function).winref {
                    continue;
                }
                let summed = (*function).winagg
                    && !keeps_order((*function).winfnoid)
                    && (*clause).frameOptions as u32 & pg_sys::FRAMEOPTION_NONDEFAULT == 0;
                let order = self.window_order(walk.scope, clause, !summed);
                walk.take(order);
                for sort in items::<pg_sys::SortGroupClause>((*clause).partitionClause) {
                    let entry = pg_sys::get_sortgroupclause_tle(sort, (*query).targetList);
                    let value = self.operand(walk.scope, (*entry).expr.cast());
                    // A partition by the column itself is equality.
                    walk.take(Operand {
                        bare: Vec::new(),
                        fields: Vec::new(),
                        ..value
                    });
                }
                for offset in [(*clause).startOffset, (*clause).endOffset] {
                    self.collect(walk, offset);
                }
            }
        }
    }
}
