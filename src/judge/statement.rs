//! The facts of one statement, as gathered: what it names, what selects its rows, what it does to which target.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::predicate::{BodyId, ColumnId, ExprId, InstanceId, Predicate};
use crate::model::ProtectedTarget;

/// What an instance is, as far as the judge cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceKind {
    /// Stored rows.
    Relation,
    /// VALUES, a function, a subquery's computed output, a recursive reference.
    Computed,
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub kind: InstanceKind,
    /// The relation's OID; instances with the same one hold the same rows. 0 when there is none.
    pub relid: u32,
    pub target: Option<Rc<ProtectedTarget>>,
    /// Nesting depth of the query it belongs to; 0 is the statement's own.
    pub depth: usize,
    pub body: BodyId,
}

#[derive(Clone, Debug)]
pub struct ColumnFacts {
    pub instance: InstanceId,
    /// 0 = the whole row.
    pub attno: i16,
    /// An output of UNION and its like: the value of one of these.
    pub sources: Vec<ColumnId>,
    /// A computed output: computed from these.
    pub reads: Vec<ColumnId>,
    /// Those of `reads` that are of its own type.
    pub kin: Vec<ColumnId>,
    /// A generated column: what the table computes it from.
    pub generated_from: Vec<ColumnId>,
    pub series: bool,
}

#[derive(Clone, Debug)]
pub struct Body {
    pub parent: Option<BodyId>,
    pub depth: usize,
    pub predicate: Predicate,
}

/// What a destructive statement, or one action of a MERGE (which 14 does not have), does.
#[cfg_attr(feature = "pg14", allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Update,
    Delete,
    MergeUpdate,
    MergeDelete,
    /// A MERGE action that destroys nothing itself but keeps rows from the actions after it.
    MergeNothing,
    Upsert,
    /// A cursor's query: only its reading of keys is judged.
    Cursor,
}

/// A column that an UPDATE assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub attno: i16,
    /// To NULL, the default, or an empty value.
    pub clears: bool,
}

#[derive(Clone, Debug)]
pub struct Action {
    pub verb: Verb,
    pub predicate: Predicate,
    pub assigned: Vec<Assignment>,
}

/// One destructive statement on one protected target.
#[derive(Clone, Debug)]
pub struct Target {
    pub instance: InstanceId,
    pub actions: Vec<Action>,
    /// ON CONFLICT DO UPDATE: the arbiter's columns.
    pub arbiter: Option<Vec<i16>>,
    /// MERGE with WHEN MATCHED UPDATE and WHEN NOT MATCHED INSERT: its ON.
    pub merge_upsert_on: Option<Predicate>,
}

#[derive(Clone, Debug, Default)]
pub struct Statement {
    pub instances: Vec<Instance>,
    pub columns: Vec<ColumnFacts>,
    pub bodies: Vec<Body>,
    pub targets: Vec<Target>,
    /// Conditions that may hold although a column in them is null.
    pub lenient: HashSet<ExprId>,
    by_position: HashMap<(InstanceId, i16), ColumnId>,
}

impl Statement {
    /// The column of that instance, entered when new.
    pub fn column(&mut self, instance: InstanceId, attno: i16) -> ColumnId {
        if let Some(&known) = self.by_position.get(&(instance, attno)) {
            return known;
        }
        let id = self.columns.len();
        self.columns.push(ColumnFacts {
            instance,
            attno,
            sources: Vec::new(),
            reads: Vec::new(),
            kin: Vec::new(),
            generated_from: Vec::new(),
            series: false,
        });
        self.by_position.insert((instance, attno), id);
        id
    }

    /// The column of that instance, if the statement uses it.
    pub fn find_column(&self, instance: InstanceId, attno: i16) -> Option<ColumnId> {
        self.by_position.get(&(instance, attno)).copied()
    }

    pub fn target_of(&self, column: ColumnId) -> Option<&Rc<ProtectedTarget>> {
        self.instances[self.columns[column].instance]
            .target
            .as_ref()
    }

    /// Is this column itself a protected key column (or the whole row, which holds the key)?
    pub fn is_key(&self, column: ColumnId) -> bool {
        let attno = self.columns[column].attno;
        self.target_of(column)
            .is_some_and(|t| attno == 0 || t.key.iter().any(|k| k.attnum == attno))
    }

    /// The stored columns a column's value may come from: itself, unless it is an output of UNION and its like.
    pub fn origins(&self, column: ColumnId) -> Vec<ColumnId> {
        let mut found = Vec::new();
        let mut todo = vec![column];
        let mut seen = vec![column];
        while let Some(c) = todo.pop() {
            if self.columns[c].sources.is_empty() {
                found.push(c);
            }
            for &s in &self.columns[c].sources {
                if !seen.contains(&s) {
                    seen.push(s);
                    todo.push(s);
                }
            }
        }
        found
    }

    /// Every column that using `columns` computes with, through computed outputs of subqueries.
    pub fn computed_from(&self, columns: &[ColumnId]) -> Vec<ColumnId> {
        let mut found: Vec<ColumnId> = Vec::new();
        let mut todo: Vec<ColumnId> = columns.to_vec();
        let mut seen: Vec<ColumnId> = columns.to_vec();
        while let Some(c) = todo.pop() {
            let facts = &self.columns[c];
            for (&next, computed) in facts
                .sources
                .iter()
                .map(|s| (s, false))
                .chain(facts.reads.iter().map(|r| (r, true)))
            {
                if computed && !found.contains(&next) {
                    found.push(next);
                }
                if !seen.contains(&next) {
                    seen.push(next);
                    todo.push(next);
                }
            }
        }
        found
    }

    /// Does the value of that column come from a series, or from something computed from one, however deep?
    pub fn counts(&self, column: ColumnId) -> bool {
        let mut todo = vec![column];
        let mut seen = vec![column];
        while let Some(c) = todo.pop() {
            let facts = &self.columns[c];
            if facts.series {
                return true;
            }
            for &next in facts.sources.iter().chain(&facts.reads) {
                if !seen.contains(&next) {
                    seen.push(next);
                    todo.push(next);
                }
            }
        }
        false
    }

    /// Is `body` the given one or nested in it?
    pub fn within(&self, mut body: BodyId, outer: BodyId) -> bool {
        loop {
            if body == outer {
                return true;
            }
            match self.bodies[body].parent {
                Some(parent) => body = parent,
                None => return false,
            }
        }
    }
}
