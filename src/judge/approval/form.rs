//! The members of a statement of intent, each by itself.

use super::words;
use serde_json::Value;

/// Refuses a member that is unknown, of the wrong type, or of text that PostgreSQL could not hold.
pub(super) fn well_formed(member: &str, value: &Value) -> Result<(), String> {
    let texts = |value: &Value| {
        value
            .as_array()
            .is_some_and(|all| all.iter().all(Value::is_string))
    };
    let (fits, wanted) = match member {
        "reason" => (value.is_string(), "a string"),
        "max_rows" => (value.is_i64(), "a whole number"),
        "relations" => (texts(value), "an array of strings"),
        "operations" => {
            for word in value.as_array().into_iter().flatten() {
                if word.as_str().and_then(words::operation).is_none() {
                    return Err(format!(
                        "The member \"operations\" knows no operation {word}: use {}.",
                        words::known()
                    ));
                }
            }
            (texts(value), "an array of strings")
        }
        "expires" => (value.is_string(), "a string"),
        // As JSON writes it: a NUL would end the sentence.
        unknown => {
            return Err(format!("The member {} is unknown.", Value::from(unknown)));
        }
    };
    // The record keeps an approval as jsonb: every statement that it covers would fail.
    if has_nul(value) {
        return Err(format!(
            "The member \"{member}\" holds a NUL character (\\u0000): PostgreSQL's text cannot."
        ));
    }
    if fits {
        Ok(())
    } else {
        Err(format!(
            "The member \"{member}\" must be {wanted}, not {value}."
        ))
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(all) => all.iter().any(has_nul),
        _ => false,
    }
}
