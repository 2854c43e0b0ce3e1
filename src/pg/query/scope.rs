//! Where names lead: each query of the statement, as often as it is referenced, with its range table resolved down to
//! stored columns.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys;

use super::Protection;
use super::node::{Node, tag};
use super::sources::{Source, nullable_members};
use crate::judge::predicate::{BodyId, ColumnId, ExprId, InstanceId, Predicate, Reading};
use crate::judge::statement::{Body, Instance, InstanceKind, Statement};
use crate::model::ProtectedTarget;
use crate::pg::stack::check_stack;

pub type ScopeId = usize;

/// One use of one query.
pub struct Scope {
    pub query: *mut pg_sys::Query,
    /// The query whose columns it may name with varlevelsup = 1.
    pub parent: Option<ScopeId>,
    pub depth: usize,
    pub body: BodyId,
    /// A WITH RECURSIVE query that names itself.
    pub recursive: bool,
    pub sources: HashMap<i32, Source>,
    nullable: Vec<i32>,
}

/// More uses of queries than this, and the statement is called unreadable rather than judged slowly.
const MOST_PARTS: usize = 400;

pub struct Gatherer<'a> {
    pub statement: Statement,
    pub scopes: Vec<Scope>,
    pub exprs: Vec<(ScopeId, Node)>,
    /// The subqueries whose outputs the PARAM_SUBLINK parameters of the expression at hand stand for.
    pub sublinks: Vec<ScopeId>,
    /// The queries whose row the conditions around the one at hand name by its key.
    pub pinned: Vec<ScopeId>,
    /// How deep in conditions the one at hand is.
    pub nested: usize,
    /// The values of types that have few.
    pub values: HashMap<u32, Option<Vec<Node>>>,
    /// Subqueries met where no condition could take them in yet.
    pub pending: Vec<BodyId>,
    pub overflow: bool,
    /// How many uses of queries have been read.
    parts: usize,
    protection: &'a dyn Protection,
    protected: HashMap<(u32, bool), Option<Rc<ProtectedTarget>>>,
    pub resolved: HashMap<(InstanceId, i16), ColumnId>,
}

impl<'a> Gatherer<'a> {
    pub fn new(protection: &'a dyn Protection) -> Self {
        Gatherer {
            statement: Statement::default(),
            scopes: Vec::new(),
            exprs: Vec::new(),
            sublinks: Vec::new(),
            pinned: Vec::new(),
            nested: 0,
            values: HashMap::new(),
            pending: Vec::new(),
            overflow: false,
            parts: 0,
            protection,
            protected: HashMap::new(),
            resolved: HashMap::new(),
        }
    }

    pub fn expr(&mut self, scope: ScopeId, node: Node) -> ExprId {
        let id = self.exprs.len();
        self.exprs.push((scope, node));
        // SAFETY: what is shown is an expression of a valid query, and the tag says which struct it is.
        unsafe {
            let listed = tag(node) == pg_sys::NodeTag::T_ScalarArrayOpExpr
                && (*node.cast::<pg_sys::ScalarArrayOpExpr>()).useOr;
            if !listed && pg_sys::contain_nonstrict_functions(node) {
                self.statement.lenient.insert(id);
            }
        }
        id
    }

    /// A new use of `query`, its conditions not yet read.
    ///
    /// # Safety
    /// `query` is a valid, rewritten Query that outlives the gatherer.
    pub unsafe fn open(
        &mut self,
        query: *mut pg_sys::Query,
        parent: Option<ScopeId>,
        depth: usize,
        user: Option<BodyId>,
    ) -> ScopeId {
        let body = self.statement.bodies.len();
        self.statement.bodies.push(Body {
            parent: user,
            depth,
            predicate: Predicate::And(Vec::new()),
        });
        // SAFETY: the caller vouches for the query; its join tree is made of join nodes.
        let nullable = unsafe { nullable_members((*query).jointree.cast()) };
        self.scopes.push(Scope {
            query,
            parent,
            depth,
            body,
            recursive: false,
            sources: HashMap::new(),
            nullable,
        });
        self.scopes.len() - 1
    }

    /// A subquery used by `user`, with its conditions.
    ///
    /// # Safety
    /// As for `open`.
    pub unsafe fn enter(
        &mut self,
        query: *mut pg_sys::Query,
        user: ScopeId,
        exists: bool,
    ) -> ScopeId {
        let (depth, body) = (self.scopes[user].depth + 1, self.scopes[user].body);
        // SAFETY: passed on from the caller.
        unsafe {
            let scope = self.open(query, Some(user), depth, Some(body));
            self.read_body(scope, exists);
            scope
        }
    }

    /// Reads the conditions of an opened scope into its body.
    ///
    /// # Safety
    /// The scope's query is valid.
    pub unsafe fn read_body(&mut self, scope: ScopeId, exists: bool) {
        // SAFETY: passed on from the caller.
        unsafe {
            check_stack();
            // Lists written as `SELECT 1 UNION ALL SELECT 2 ...` are long.
            if is_one_row(self.scopes[scope].query) || self.is_one_more_part() {
                return;
            }
            let predicate = self.body(scope, exists);
            let body = self.scopes[scope].body;
            self.statement.bodies[body].predicate = predicate;
        }
    }

    /// Counts what takes time to read; is it too much for the whole statement?
    pub fn is_one_more_part(&mut self) -> bool {
        self.parts += 1;
        self.overflow |= self.parts > MOST_PARTS;
        self.overflow
    }

    /// The scope that `levels` varlevelsup lead to.
    pub fn up(&self, mut scope: ScopeId, levels: u32) -> ScopeId {
        for _ in 0..levels {
            scope = self.scopes[scope].parent.unwrap_or(scope);
        }
        scope
    }

    pub fn is_nullable(&self, scope: ScopeId, rtindex: i32) -> bool {
        self.scopes[scope].nullable.contains(&rtindex)
    }

    pub fn instance(&mut self, scope: ScopeId, kind: InstanceKind, relid: u32) -> InstanceId {
        let Scope { depth, body, .. } = self.scopes[scope];
        self.statement.instances.push(Instance {
            kind,
            relid,
            target: None,
            depth,
            body,
        });
        self.statement.instances.len() - 1
    }

    /// An instance of a protected relation that was not come to.
    pub fn stand_in(
        &mut self,
        scope: ScopeId,
        relid: pg_sys::Oid,
        target: Rc<ProtectedTarget>,
    ) -> InstanceId {
        let instance = self.instance(scope, InstanceKind::Relation, relid.to_u32());
        self.statement.instances[instance].target = Some(target);
        instance
    }

    /// What is protected about that relation.
    pub fn target(&mut self, relid: pg_sys::Oid, inh: bool) -> Option<Rc<ProtectedTarget>> {
        let protection = self.protection;
        self.protected
            .entry((relid.to_u32(), inh))
            .or_insert_with(|| protection.target(relid, inh))
            .clone()
    }

    /// The command that registers that relation as it is, but for these columns of its key.
    pub fn registered_without(&self, relid: pg_sys::Oid, columns: &[String]) -> Option<String> {
        self.protection.registered_without(relid, columns)
    }

    /// An `Other` condition for subqueries that were met outside any condition.
    pub fn take_pending(&mut self) -> Option<Predicate> {
        let bodies = std::mem::take(&mut self.pending);
        (!bodies.is_empty()).then_some(Predicate::Other {
            reads: Vec::new(),
            bodies,
            why: Reading::Compared,
            expr: None,
        })
    }
}

/// Does the query give out one row, come what may, of values that it computes by itself?
unsafe fn is_one_row(query: *mut pg_sys::Query) -> bool {
    // SAFETY: the caller passes a valid Query.
    unsafe {
        let tree = (*query).jointree;
        (*query).commandType == pg_sys::CmdType::CMD_SELECT
            && !tree.is_null()
            && (*tree).fromlist.is_null()
            && (*tree).quals.is_null()
            && (*query).setOperations.is_null()
            && (*query).havingQual.is_null()
            && (*query).limitCount.is_null()
            && (*query).limitOffset.is_null()
            && (*query).groupClause.is_null()
            && (*query).groupingSets.is_null()
            && (*query).distinctClause.is_null()
            && !(*query).hasSubLinks
            && !(*query).hasAggs
            && !(*query).hasWindowFuncs
            && !(*query).hasTargetSRFs
    }
}
