//! The first rows of a step, for a person to look at.

use super::seen::Step;
use crate::pg::encoding;
use crate::pg::memory;
use crate::record::format::RowFormat;
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
        .filter_map(|(format, image)| object(format, image))
        .collect();
    format!("[{}]", objects.join(","))
}

fn object(format: &RowFormat, image: &[u8]) -> Option<String> {
    let mut text = String::from("[0");
    let decoded = encoding::decode(image);
    memory::room_in(&mut text, decoded.len());
    text.push_str(&decoded);
    drop(decoded);
    let values: Vec<&RawValue> = serde_json::from_str(&text).ok()?;
    let columns = &format.columns;
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
        members(usize::from(format.key_count.unsigned_abs()))?,
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
    let is_text = value.starts_with('"');
    match cut(value) {
        Some((end, bytes)) if is_text => {
            Cow::Owned(format!("{}... ({bytes} bytes)\"", &value[..end]))
        }
        _ => Cow::Borrowed(value),
    }
}

/// Where a JSON string is cut, and how many bytes its text has; `None` for one that is shown whole. It may be large, so
/// it is walked through, and copied nowhere.
fn cut(value: &str) -> Option<(usize, usize)> {
    if value.len() <= LONGEST {
        return None;
    }
    let (mut characters, mut bytes, mut end) = (0, 0, None);
    let mut rest = value.char_indices().skip(1);
    while let Some((at, character)) = rest.next() {
        if character == '"' {
            break;
        }
        if characters == LONGEST {
            end = Some(at);
        }
        characters += 1;
        // The record escapes what is one byte: a quote, a backslash, a control character.
        bytes += match character {
            '\\' => {
                if matches!(rest.next(), Some((_, 'u'))) {
                    rest.nth(3);
                }
                1
            }
            other => other.len_utf8(),
        };
    }
    end.map(|end| (end, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_escapes() {
        assert_eq!(shown("\"short\""), "\"short\"");
        let numbers = format!("[{}]", "1,".repeat(2000));
        assert_eq!(shown(&numbers), numbers);
        for (piece, bytes) in [
            ("x", 1),
            ("\\n", 1),
            ("\\u0001", 1),
            ("\\\"", 1),
            ("č", 2),
            ("🙂", 4),
        ] {
            let value = format!("\"{}\"", piece.repeat(1500));
            let told = format!("\"{}... ({} bytes)\"", piece.repeat(LONGEST), bytes * 1500);
            assert_eq!(shown(&value), told);
            let short = format!("\"{}\"", piece.repeat(LONGEST));
            assert_eq!(shown(&short), short);
        }
    }
}
