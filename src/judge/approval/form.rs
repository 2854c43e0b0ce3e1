//! The members of a statement of intent, each by itself.

use super::words;
use serde_json::Value;

/// Refuses a member that is unknown or of the wrong type.
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
        unknown => return Err(format!("The member \"{unknown}\" is unknown.")),
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "The member \"{member}\" must be {wanted}, not {value}."
        ))
    }
}
