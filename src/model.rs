//! The plain types every room shares. Nothing here knows PostgreSQL's nodes, and nothing here decides.

use serde::{Deserialize, Serialize};

/// A rule of the contract. The order of the variants is the order in which violations are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    ApprovalRefused,
    ApprovalMismatch,
    KeyRange,
    Unqualified,
    KeyUpsert,
    KeyUpdate,
    MixedUpstreams,
    SequenceGuard,
    DestructiveDdl,
    RowLimit,
    TransactionLimit,
    NotLoaded,
    Tamper,
}

impl Rule {
    const ALL: [Rule; 13] = [
        Rule::ApprovalRefused,
        Rule::ApprovalMismatch,
        Rule::KeyRange,
        Rule::Unqualified,
        Rule::KeyUpsert,
        Rule::KeyUpdate,
        Rule::MixedUpstreams,
        Rule::SequenceGuard,
        Rule::DestructiveDdl,
        Rule::RowLimit,
        Rule::TransactionLimit,
        Rule::NotLoaded,
        Rule::Tamper,
    ];

    /// The rule of a SQLSTATE.
    pub fn of_sqlstate(sqlstate: &str) -> Option<Rule> {
        Rule::ALL
            .into_iter()
            .find(|rule| rule.sqlstate() == sqlstate)
    }

    /// The rule's name in the contract, as `backstop.check()` and the record print it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ApprovalRefused => "approval_refused",
            Rule::ApprovalMismatch => "approval_mismatch",
            Rule::KeyRange => "key_range",
            Rule::Unqualified => "unqualified",
            Rule::KeyUpsert => "key_upsert",
            Rule::KeyUpdate => "key_update",
            Rule::MixedUpstreams => "mixed_upstreams",
            Rule::SequenceGuard => "sequence_guard",
            Rule::DestructiveDdl => "destructive_ddl",
            Rule::RowLimit => "row_limit",
            Rule::TransactionLimit => "transaction_limit",
            Rule::NotLoaded => "not_loaded",
            Rule::Tamper => "tamper",
        }
    }

    /// The rule's SQLSTATE.
    pub fn sqlstate(self) -> &'static str {
        match self {
            Rule::KeyRange => "SF001",
            Rule::Unqualified => "SF002",
            Rule::KeyUpsert => "SF003",
            Rule::KeyUpdate => "SF004",
            Rule::RowLimit => "SF005",
            Rule::TransactionLimit => "SF006",
            Rule::SequenceGuard => "SF007",
            Rule::DestructiveDdl => "SF008",
            Rule::MixedUpstreams => "SF009",
            Rule::ApprovalRefused => "SF010",
            Rule::ApprovalMismatch => "SF011",
            Rule::NotLoaded => "SF012",
            Rule::Tamper => "SF013",
        }
    }
}

/// What a refusal says: everything `report` needs to raise one ERROR, in plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub rule: Rule,
    /// PostgreSQL's error style: lower case, no full stop, object kind and quoted name.
    pub message: String,
    /// Sentences: what was found.
    pub detail: String,
    /// Sentences: the next step, with the SQL that would pass.
    pub hint: String,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
}

/// The kinds of destructive work, in the words approvals and the record use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Update,
    Delete,
    /// A row that a restore put back; its undo removes it again.
    Insert,
    Truncate,
    Drop,
    Alter,
    Setval,
    /// What the record calls DDL; approvals say `drop` and `alter`.
    DropTable,
    DropColumn,
    AlterColumnType,
    DetachPartition,
    /// What a restore made again.
    CreateTable,
    AddColumn,
    AttachPartition,
}

impl Operation {
    /// The upper-case word the record uses.
    pub fn record_name(self) -> &'static str {
        match self {
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Insert => "INSERT",
            Operation::Truncate => "TRUNCATE",
            Operation::Drop => "DROP",
            Operation::Alter => "ALTER",
            Operation::Setval => "SETVAL",
            Operation::DropTable => "DROP TABLE",
            Operation::DropColumn => "DROP COLUMN",
            Operation::AlterColumnType => "ALTER COLUMN TYPE",
            Operation::DetachPartition => "DETACH PARTITION",
            Operation::CreateTable => "CREATE TABLE",
            Operation::AddColumn => "ADD COLUMN",
            Operation::AttachPartition => "ATTACH PARTITION",
        }
    }

    /// The lower-case word an approval's `operations` uses.
    pub fn approval_name(self) -> &'static str {
        match self {
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Insert => "insert",
            Operation::Truncate => "truncate",
            Operation::Drop | Operation::DropTable => "drop",
            Operation::Alter
            | Operation::DropColumn
            | Operation::AlterColumnType
            | Operation::DetachPartition
            | Operation::CreateTable
            | Operation::AddColumn
            | Operation::AttachPartition => "alter",
            Operation::Setval => "setval",
        }
    }
}

/// A column as the judge needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub attnum: i16,
    pub name: String,
    pub not_null: bool,
}

/// A protected column and the pipeline that feeds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedColumn {
    pub attnum: i16,
    pub name: String,
    pub upstream: String,
}

/// What the judge has to know of a relation that a statement names and that is protected: itself, through an
/// ancestor, or (when it is addressed with its children) through a descendant. Attribute numbers are the named
/// relation's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedTarget {
    pub schema: String,
    pub table: String,
    /// The protected key columns.
    pub key: Vec<Column>,
    /// The primary key's columns, empty when there is none.
    pub primary_key: Vec<i16>,
    /// Sets of columns, equality on all of which names the row: the protected key, and a key that holds of everything
    /// protected that is reached under this name. A primary key of a plain inheritance parent says nothing of the
    /// children's rows.
    pub naming: Vec<Vec<i16>>,
    pub fed_columns: Vec<FedColumn>,
}
