//! What a statement row says of the approvals that its rows were destroyed under.

use crate::ledger::Root;
use serde_json::{Map, Value};

/// The approval as JSON text, `None` where none covered anything. Nearly always it is one that covers everything, and
/// stands as it was given. Otherwise it says how many rows it covered, `covered_rows`; of several it is the first, and the
/// rest are its `others`: who reads `approval ->> 'reason'` reads an approval of that statement in any case.
pub fn json(root: &Root) -> Option<String> {
    let mut approvals: Vec<(u64, String, i64)> = root
        .approvals()
        .iter()
        .map(|approved| (approved.serial, approved.json.to_string(), approved.rows))
        .collect();
    for (serial, json) in &root.sequence_approvals {
        if !approvals.iter().any(|(known, _, _)| known == serial) {
            approvals.push((*serial, json.to_string(), 0));
        }
    }
    if approvals.len() < 2 && root.sums().counted == 0 {
        return approvals.pop().map(|(_, json, _)| json);
    }
    let mut approvals = approvals.into_iter().map(|(_, json, rows)| {
        let mut members: Map<String, Value> = serde_json::from_str(&json).unwrap_or_default();
        members.insert("covered_rows".to_owned(), rows.into());
        members
    });
    let mut first = approvals.next()?;
    let others: Vec<Value> = approvals.map(Value::from).collect();
    if !others.is_empty() {
        first.insert("others".to_owned(), others.into());
    }
    Some(Value::from(first).to_string())
}
