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
const MOST_SCOPES: usize = 400;

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
        let mut nullable = Vec::new();
        // SAFETY: the caller vouches for the query; its join tree is made of join nodes.
        unsafe { nullable_members((*query).jointree.cast(), false, &mut nullable) };
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
            pg_sys::check_stack_depth();
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
        if self.scopes.len() > MOST_SCOPES {
            self.overflow = true;
            return;
        }
        let body = self.scopes[scope].body;
        // SAFETY: passed on from the caller.
        let predicate = unsafe { self.body(scope, exists) };
        self.statement.bodies[body].predicate = predicate;
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
