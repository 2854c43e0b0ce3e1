//! The kinds of destructive DDL: their words, what makes them destructive, and whether an approval lets them through.

use crate::model::Operation;

/// What DDL does to a protected table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Truncate,
    DropTable,
    DropColumn,
    AlterColumnType,
    /// Of the composite type that a typed table is of, or that values of the table's columns are made of.
    DropAttribute,
    /// The same of a table that is no protected one's child, but takes part in its cascades.
    DropFollowersAttribute,
    AlterAttributeType,
    SetUnlogged,
    AttachPartition,
    DetachPartition,
    /// PostgreSQL runs it outside a transaction block only.
    DetachPartitionConcurrently,
    Inherit,
    NoInherit,
    RenameTable,
    RenameColumn,
    /// A column that the registration names: the rules would lose it.
    RenameRegisteredColumn,
    RenameSchema,
    SetSchema,
    ChangeOwner,
    DisableTrigger,
    /// ALL or USER: takes the guard's own triggers along.
    SwitchAllTriggers,
    DropTrigger,
    DropKey,
    ReplicaIdentity,
    CreateRule,
    SwitchRule,
    DropRule,
    /// Of something that the registration's `expendable` is built of.
    ChangeExpendable,
}

/// What an approval can do for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approvable {
    Yes,
    /// It destroys rows, each of which the approval must cover, and which are captured first.
    Captured,
    Never,
}

impl Kind {
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Truncate => "TRUNCATE",
            Kind::DropTable => "DROP TABLE",
            Kind::DropColumn => "DROP COLUMN",
            Kind::AlterColumnType => "ALTER COLUMN TYPE",
            Kind::DropAttribute | Kind::DropFollowersAttribute => "DROP ATTRIBUTE",
            Kind::AlterAttributeType => "ALTER ATTRIBUTE TYPE",
            Kind::SetUnlogged => "SET UNLOGGED",
            Kind::AttachPartition => "ATTACH PARTITION",
            Kind::DetachPartition => "DETACH PARTITION",
            Kind::DetachPartitionConcurrently => "DETACH PARTITION CONCURRENTLY",
            Kind::Inherit => "INHERIT",
            Kind::NoInherit => "NO INHERIT",
            Kind::RenameTable | Kind::RenameSchema => "RENAME",
            Kind::RenameColumn | Kind::RenameRegisteredColumn => "RENAME COLUMN",
            Kind::SetSchema => "SET SCHEMA",
            Kind::ChangeOwner => "OWNER TO",
            Kind::DisableTrigger => "DISABLE TRIGGER",
            Kind::SwitchAllTriggers => "switching all triggers",
            Kind::DropTrigger => "DROP TRIGGER",
            Kind::DropKey => "dropping the key",
            Kind::ReplicaIdentity => "REPLICA IDENTITY",
            Kind::CreateRule => "CREATE RULE",
            Kind::SwitchRule => "ENABLE or DISABLE RULE",
            Kind::DropRule => "DROP RULE",
            Kind::ChangeExpendable => "change",
        }
    }

    /// The word that an approval's `operations` must list.
    pub fn operation(self) -> Operation {
        match self {
            Kind::Truncate => Operation::Truncate,
            Kind::DropTable => Operation::Drop,
            _ => Operation::Alter,
        }
    }

    /// Whether the command goes down to the children of the table it names.
    pub fn reaches_children(self) -> bool {
        matches!(
            self,
            Kind::Truncate
                | Kind::DropTable
                | Kind::DropColumn
                | Kind::AlterColumnType
                | Kind::DropAttribute
                | Kind::AlterAttributeType
                | Kind::RenameColumn
                | Kind::RenameRegisteredColumn
                | Kind::DisableTrigger
                | Kind::SwitchAllTriggers
                | Kind::DropTrigger
                | Kind::DropKey
        )
    }

    /// What an approval can do for it.
    pub fn approvable(self) -> Approvable {
        match self {
            Kind::Truncate | Kind::DropTable | Kind::DropColumn | Kind::AlterColumnType => {
                Approvable::Captured
            }
            Kind::DropAttribute
            | Kind::DropFollowersAttribute
            | Kind::AlterAttributeType
            | Kind::SwitchAllTriggers
            | Kind::RenameRegisteredColumn
            | Kind::ChangeExpendable => Approvable::Never,
            _ => Approvable::Yes,
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Kind::Truncate => "It would remove every row.",
            Kind::DropTable => "It would remove the table with every row.",
            Kind::DropColumn => "It would remove the column's value from every row.",
            Kind::AlterColumnType => "It would rewrite the column's value in every row.",
            Kind::DropAttribute => {
                "It would remove a part of stored values, which could not be given back: no approval covers it."
            }
            Kind::DropFollowersAttribute => {
                "It would remove or rewrite a part of stored values, which could not be given back: no approval covers it."
            }
            Kind::AlterAttributeType => {
                "It would rewrite a part of stored values, which could not be given back: no approval covers it."
            }
            Kind::SetUnlogged => "An unlogged table loses its rows when the server crashes.",
            Kind::AttachPartition
            | Kind::DetachPartition
            | Kind::DetachPartitionConcurrently
            | Kind::Inherit
            | Kind::NoInherit => {
                "It would change which rows belong to the table and are protected with it."
            }
            Kind::RenameTable | Kind::RenameColumn | Kind::RenameSchema | Kind::SetSchema => {
                "Applications, approvals and the record know the table by its names."
            }
            Kind::RenameRegisteredColumn => {
                "The table's registration names this column: its rules would no longer apply to it."
            }
            Kind::ChangeOwner => "The new owner could alter the table.",
            Kind::DisableTrigger | Kind::DropTrigger => {
                "Rows would be changed without what the trigger does."
            }
            Kind::SwitchAllTriggers => {
                "It would switch the triggers of pg_backstop too, which count and record the table's rows."
            }
            Kind::DropKey => {
                "The key tells the table's rows apart: rules and restore depend on it."
            }
            Kind::ReplicaIdentity => {
                "It would change which rows subscribers of the table take a change for."
            }
            Kind::CreateRule | Kind::SwitchRule | Kind::DropRule => {
                "A rule turns statements on the table into others, or into nothing."
            }
            Kind::ChangeExpendable => {
                "The table's expendable expression uses it: other rows would be expendable than those that were meant, or \
                 the expression could not be read any more."
            }
        }
    }
}
