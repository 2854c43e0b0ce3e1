//! The judge's predicate language: what a condition does to the columns it reads, never how PostgreSQL writes it.

/// A relation as it appears once in a statement; two references to one table are two instances.
pub type InstanceId = usize;
/// A column of one instance.
pub type ColumnId = usize;
/// The row-selecting conditions of one (sub)query.
pub type BodyId = usize;
/// An expression of the statement, kept by whoever gathered it so that a refusal can show it.
pub type ExprId = usize;

/// One side of an equality, or what a condition computes with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operand {
    /// It is the value of one of these columns, unchanged.
    pub bare: Vec<ColumnId>,
    /// It is a row made of these columns, compared one by one.
    pub fields: Vec<ColumnId>,
    /// It is computed from these columns.
    pub reads: Vec<ColumnId>,
    /// Those of `reads` that it is of one type with, so that a range on them is nearly one on it (`user_id + 0`).
    pub kin: Vec<ColumnId>,
    /// It counts through a series (generate_series, row_number, digits put together from several relations).
    pub series: bool,
    /// It names particular values: constants, parameters, an uncorrelated scalar subquery.
    pub fixed: bool,
    /// It may answer anew for every row, though it reads none (`random()`).
    pub volatile: bool,
    /// Subqueries whose result it takes in.
    pub bodies: Vec<BodyId>,
}

impl Operand {
    /// Is it the same for every row, whatever is stored: constants, parameters, what is computed from those alone?
    pub fn is_given(&self) -> bool {
        let columns = [&self.bare, &self.fields, &self.reads];
        self.fixed
            && !self.series
            && !self.volatile
            && self.bodies.is_empty()
            && columns.iter().all(|c| c.is_empty())
    }
}

/// Why a condition that is no equality reads its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// An operator, function or expression other than equality.
    Compared,
    /// `ORDER BY` together with `LIMIT`, `OFFSET` or `DISTINCT ON`.
    Ordered,
    /// `EXCEPT`: all rows but those.
    Excepted,
    /// A node this version cannot read: refused rather than guessed.
    Unreadable,
    /// A statement that is too large to be read, or nested too deep.
    TooLarge,
}

/// A row-selecting condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// True, false, or (None) unknown.
    Const(Option<bool>),
    /// Depends on nothing in any relation (parameters, now(), random()).
    Free,
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    /// Equal by the type's own equality; a list on the right means "one of".
    Equal {
        left: Operand,
        right: Operand,
        expr: ExprId,
    },
    /// `IS NULL`. `never`: the column is NOT NULL and not on an outer join's nullable side. `stored`: some row may hold the
    /// null; otherwise nothing but an outer join that found no partner makes it.
    Null {
        operand: Operand,
        never: bool,
        stored: bool,
        expr: ExprId,
    },
    /// Anything else.
    Other {
        reads: Vec<ColumnId>,
        bodies: Vec<BodyId>,
        why: Reading,
        expr: Option<ExprId>,
    },
    /// A subquery that feeds this condition, or EXISTS.
    Feeds(BodyId),
    /// The arms of a UNION that feeds this condition.
    Union(Vec<BodyId>),
    /// An outer join's ON, and the instances it may null out.
    OuterOn {
        on: Box<Predicate>,
        nullable: Vec<InstanceId>,
    },
    /// `LIMIT`/`OFFSET` over that subquery's rows, or a choice by how many of them there are.
    Limit(BodyId),
    /// `WHERE CURRENT OF`: names one row.
    Current,
}

impl Predicate {
    /// The same, known to hold for every row: it selects none, and still reads what it reads.
    pub fn tautological(self) -> Predicate {
        Predicate::Or(vec![Predicate::Const(Some(true)), self])
    }

    /// Is it known to hold for every row?
    pub fn is_tautology(&self) -> bool {
        match self {
            Predicate::Const(value) => *value == Some(true),
            Predicate::And(parts) => parts.iter().all(Predicate::is_tautology),
            Predicate::Or(arms) => arms.iter().any(Predicate::is_tautology),
            _ => false,
        }
    }

    pub fn negated(self) -> Predicate {
        match self {
            Predicate::Not(inner) => *inner,
            other => Predicate::Not(Box::new(other)),
        }
    }
}
