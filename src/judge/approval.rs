//! What an approval says and whether it covers a statement. Pure: times are microseconds of one clock, whichever.

mod form;
mod times;
mod words;

use crate::model::{Operation, Rule};
use form::well_formed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use times::parse_time;

pub use words::{known as known_operations, operation};

/// The kinds of approval, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Session,
    Preview,
    SecondPerson,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Session => "session",
            Kind::Preview => "preview",
            Kind::SecondPerson => "second_person",
        }
    }

    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Session, Kind::Preview, Kind::SecondPerson]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Why an approval does not let a statement run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SF010, or SF011 when the statement is not the one that was approved.
    pub rule: Rule,
    /// A sentence for DETAIL.
    pub why: String,
}

impl Refusal {
    pub fn approval(why: String) -> Refusal {
        Refusal {
            rule: Rule::ApprovalRefused,
            why,
        }
    }

    pub fn mismatch(why: String) -> Refusal {
        Refusal {
            rule: Rule::ApprovalMismatch,
            why,
        }
    }
}

/// A statement of intent: what `backstop.approval` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    pub reason: String,
    pub max_rows: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relations: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "words")]
    pub operations: Option<Vec<Operation>>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// An approval as it stands when a statement asks for it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub intent: Intent,
    /// Rows already spent from its budget.
    pub spent: i64,
    /// Microseconds since the Unix epoch at which it was set.
    pub set_at: i64,
}

/// What a statement asks an approval to cover.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Qualified names under which the approval may list the relation.
    pub names: &'a [String],
    pub operation: Operation,
    /// The weakest kind the relation accepts.
    pub kind: Kind,
    /// Microseconds since the Unix epoch.
    pub now: i64,
    pub ttl: i64,
}

impl Intent {
    /// Reads a statement of intent; the error is a sentence for DETAIL.
    pub fn parse(text: &str) -> Result<Intent, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("It is not valid JSON: {error}."))?;
        let Value::Object(members) = value else {
            return Err("It is not a JSON object.".to_owned());
        };
        // Member by member, because serde's own messages do not name the member they are about.
        for (member, value) in &members {
            well_formed(member, value)?;
        }
        for required in ["reason", "max_rows"] {
            if !members.contains_key(required) {
                return Err(format!("The member \"{required}\" is missing."));
            }
        }
        // From the text: of a member that is there twice, an object keeps the last, and the reader may have seen the first.
        let intent: Intent =
            serde_json::from_str(text).map_err(|error| format!("It is ambiguous: {error}."))?;
        if intent.reason.trim().is_empty() {
            return Err("The member \"reason\" is empty.".to_owned());
        }
        if intent.max_rows < 1 {
            return Err(format!(
                "The member \"max_rows\" must be at least 1, not {}.",
                intent.max_rows
            ));
        }
        if let Some(expires) = &intent.expires {
            parse_time(expires)?;
        }
        if intent.relations.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "The member \"relations\" is empty: leave it out to cover every relation."
                    .to_owned(),
            );
        }
        if intent.operations.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "The member \"operations\" is empty: leave it out to cover every operation."
                    .to_owned(),
            );
        }
        Ok(intent)
    }
}

impl Standing {
    /// Whether time is up: a sentence saying why, or `None`.
    pub fn ended(&self, now: i64, ttl: i64) -> Option<String> {
        if now.saturating_sub(self.set_at) > ttl {
            return Some(format!(
                "The approval is older than backstop.approval_ttl ({} s).",
                ttl / 1_000_000
            ));
        }
        let expires = self.intent.expires.as_ref()?;
        match parse_time(expires) {
            Ok(at) if now >= at => Some(format!("The approval expired at {expires}.")),
            Ok(_) => None,
            Err(problem) => Some(problem),
        }
    }

    /// Why this approval does not cover the request, as a sentence; `None` when it does. The budget is counted row by
    /// row, by the caller; here only a budget that is spent already counts.
    pub fn refusal(&self, request: &Request) -> Option<String> {
        if let Some(why) = self.ended(request.now, request.ttl) {
            return Some(why);
        }
        if self.spent >= self.intent.max_rows {
            return Some(match self.intent.max_rows {
                1 => "The approval's one row is spent.".to_owned(),
                rows => format!("The approval's {rows} rows are spent."),
            });
        }
        if request.kind > Kind::Session {
            return Some(weaker_kind(request.kind, Kind::Session));
        }
        if let Some(relations) = &self.intent.relations
            && !relations
                .iter()
                .any(|relation| request.names.contains(relation))
        {
            let name = request.names.first().map_or("", String::as_str);
            let why = format!("The approval covers {}, not {name}.", relations.join(", "));
            let unqualified = relations.iter().any(|relation| !relation.contains('.'));
            return Some(match unqualified {
                true => format!(
                    "{why} Relations are named with their schema: \"relations\": {}.",
                    Value::from(vec![name])
                ),
                false => why,
            });
        }
        if let Some(operations) = &self.intent.operations
            && !operations
                .iter()
                .any(|operation| operation.approval_name() == request.operation.approval_name())
        {
            let names: Vec<&str> = operations
                .iter()
                .map(|operation| operation.approval_name())
                .collect();
            return Some(format!(
                "The approval covers {}, not {}.",
                names.join(", "),
                request.operation.approval_name()
            ));
        }
        None
    }
}

/// Why an approval is not enough for a table that asks for more.
pub fn weaker_kind(asked: Kind, held: Kind) -> String {
    let what = match held {
        Kind::Session => "a statement of intent",
        _ => "the token",
    };
    format!(
        "The table asks for an approval of kind \"{}\"; {what} is of kind \"{}\".",
        asked.name(),
        held.name()
    )
}

#[cfg(test)]
mod tests;
