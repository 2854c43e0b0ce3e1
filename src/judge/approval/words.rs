//! The words of an approval's `operations`.

use crate::model::Operation;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const APPROVABLE: [Operation; 6] = [
    Operation::Update,
    Operation::Delete,
    Operation::Truncate,
    Operation::Drop,
    Operation::Alter,
    Operation::Setval,
];

/// The operation of a word, in any letter case: the record prints them in capitals.
pub fn operation(word: &str) -> Option<Operation> {
    APPROVABLE
        .into_iter()
        .find(|known| known.approval_name().eq_ignore_ascii_case(word))
}

/// Every word there is, for a hint.
pub fn known() -> String {
    APPROVABLE.map(Operation::approval_name).join(", ")
}

pub(super) fn serialize<S: Serializer>(
    operations: &Option<Vec<Operation>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let names = |all: &Vec<Operation>| -> Vec<&str> {
        all.iter()
            .map(|operation| operation.approval_name())
            .collect()
    };
    operations.as_ref().map(names).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Operation>>, D::Error> {
    let known = |word: String| {
        operation(&word).ok_or_else(|| D::Error::custom(format!("unknown operation \"{word}\"")))
    };
    Option::<Vec<String>>::deserialize(deserializer)?
        .map(|all| all.into_iter().map(known).collect())
        .transpose()
}
