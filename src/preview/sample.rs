//! The first rows of a step, for a person to look at.

use super::seen::Step;
use crate::pg::encoding;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;

/// Longer values are cut in a sample; `backstop.request_rows` shows them whole.
const LONGEST: usize = 1000;

/// A JSON array of objects: key, old_row, new_values.
pub fn of(step: &Step) -> String {
    let objects: Vec<String> = step
        .sample
        .iter()
        .filter_map(|image| object(step, image))
        .collect();
    format!("[{}]", objects.join(","))
}

fn object(step: &Step, image: &[u8]) -> Option<String> {
    let text = format!("[0{}", encoding::decode(image));
    let values: Vec<&RawValue> = serde_json::from_str(&text).ok()?;
    let columns = &step.format.columns;
    let members = |count: usize| {
        let mut out = String::from("{");
        for (n, column) in columns.iter().take(count).enumerate() {
            if n > 0 {
                out.push(',');
            }
            let name = serde_json::to_string(&column.fact.name).unwrap_or_default();
            let value = shown(values.get(n + 1)?.get());
            write!(out, "{name}:{value}").ok()?;
        }
        out.push('}');
        Some(out)
    };
    let changes = match values.get(columns.len() + 1) {
        Some(changes) => shown_members(changes.get())?,
        None => "null".to_owned(),
    };
    Some(format!(
        "{{\"key\":{},\"old_row\":{},\"new_values\":{changes}}}",
        members(usize::from(step.format.key_count.unsigned_abs()))?,
        members(columns.len())?,
    ))
}

fn shown_members(object: &str) -> Option<String> {
    let members: std::collections::BTreeMap<Cow<str>, &RawValue> =
        serde_json::from_str(object).ok()?;
    let parts: Vec<String> = members
        .iter()
        .map(|(name, value)| {
            let name = serde_json::to_string(name).unwrap_or_default();
            format!("{name}:{}", shown(value.get()))
        })
        .collect();
    Some(format!("{{{}}}", parts.join(",")))
}

/// A value, cut when it is long.
fn shown(value: &str) -> Cow<'_, str> {
    if value.len() <= LONGEST {
        return Cow::Borrowed(value);
    }
    let Ok(text) = serde_json::from_str::<String>(value) else {
        return Cow::Borrowed(value);
    };
    let cut: String = text.chars().take(LONGEST).collect();
    let cut = format!("{cut}... ({} bytes)", text.len());
    Cow::Owned(serde_json::to_string(&cut).unwrap_or_default())
}
