//! Which part of what a client sent is the statement.

/// A statement's own text. The first statement's begins where the client's text does: from PostgreSQL 18 on the parser
/// leaves out the comments before a statement, and they say who sent it.
pub fn own(text: &[u8], location: i32, length: i32) -> &[u8] {
    let parsed = usize::try_from(location).unwrap_or(0).min(text.len());
    let end = match usize::try_from(length) {
        Ok(length) if length > 0 => text.len().min(parsed + length),
        _ => text.len(),
    };
    let start = if is_blank(&text[..parsed]) { 0 } else { parsed };
    text[start..end].trim_ascii()
}

/// Whether there is nothing but white space and comments in a text.
fn is_blank(mut text: &[u8]) -> bool {
    loop {
        text = text.trim_ascii_start();
        text = match text {
            [] => return true,
            [b'-', b'-', rest @ ..] => after_line(rest),
            [b'/', b'*', rest @ ..] => match after_comment(rest) {
                Some(rest) => rest,
                None => return false,
            },
            _ => return false,
        };
    }
}

fn after_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(&[], |end| &text[end..])
}

/// What follows a comment that has been opened; comments nest.
fn after_comment(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 1;
    while depth > 0 {
        text = match text {
            [] => return None,
            [b'*', b'/', rest @ ..] => {
                depth -= 1;
                rest
            }
            [b'/', b'*', rest @ ..] => {
                depth += 1;
                rest
            }
            [_, rest @ ..] => rest,
        };
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::own;

    fn of(text: &str, location: i32, length: i32) -> &str {
        std::str::from_utf8(own(text.as_bytes(), location, length)).expect("is UTF-8")
    }

    #[test]
    fn the_first_statement_keeps_the_comments_before_it() {
        for before in ["/* app:web */ ", " -- who\n", "/* a /* b */ ; */\n--;\r\n"] {
            let text = format!("{before}DELETE FROM t; SELECT 1");
            let parsed = i32::try_from(before.len()).expect("is short");
            let whole = format!("{before}DELETE FROM t");
            assert_eq!(of(&text, parsed, 13), whole.trim());
            assert_eq!(of(&text, 0, parsed + 13), whole.trim());
        }
    }

    #[test]
    fn a_later_statement_begins_where_the_parser_says() {
        let text = "SELECT 1; /* x */ DELETE FROM t";
        assert_eq!(of(text, 9, 0), "/* x */ DELETE FROM t");
        assert_eq!(of(text, 18, 0), "DELETE FROM t");
        assert_eq!(of("/* open DELETE", 8, 0), "DELETE");
        assert_eq!(of("'--' DELETE", 5, 0), "DELETE");
    }

    #[test]
    fn places_outside_the_text_do_no_harm() {
        assert_eq!(of("x", -1, -1), "x");
        assert_eq!(of("x", 7, 9), "");
        assert_eq!(of("", 0, 5), "");
    }
}
