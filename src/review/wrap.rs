//! Text in lines of a terminal's width.

/// What psql shows without wrapping or paging sideways on the narrowest usual terminal.
pub const WIDTH: usize = 80;

/// Text on one line: runs of white space become one space, control characters are escaped.
pub fn flat(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            word.chars()
                .flat_map(|c| -> Box<dyn Iterator<Item = char>> {
                    if c.is_control() {
                        Box::new(c.escape_default())
                    } else {
                        Box::new(std::iter::once(c))
                    }
                })
                .collect()
        })
        .collect();
    words.join(" ")
}

/// Lays `text` out after `first`, further lines after `rest`; a word longer than a line is broken.
pub fn wrap(first: &str, rest: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count() + usize::from(!empty);
        if !empty && used + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        // A prefix that fills the line leaves one character to each.
        while line.chars().count() + word.len() > WIDTH && word.len() > 1 {
            let room = WIDTH.saturating_sub(line.chars().count()).max(1);
            let rest_of_word = word.split_off(room.min(word.len() - 1));
            line.extend(word);
            word = rest_of_word;
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
        }
        line.extend(word);
        empty = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// At most `limit` characters, with the whole length when some are left out.
pub fn shortened(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit).collect();
    format!("{} ... ({length} characters)", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_lost() {
        let text = format!("some words {} and more words after it", "x".repeat(300));
        let lines = wrap("statement:  ", "            ", &text);
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{lines:#?}"
        );
        let kept: String = lines
            .iter()
            .map(|line| &line[12..])
            .flat_map(str::chars)
            .filter(|c| *c != ' ')
            .collect();
        assert_eq!(kept, text.replace(' ', ""));
    }

    #[test]
    fn a_line_break_in_a_name_is_no_line_break() {
        assert_eq!(flat("a\u{1b}[2J  b\n\tc"), "a\\u{1b}[2J b c");
    }

    #[test]
    fn a_prefix_as_wide_as_the_terminal_still_ends() {
        let wide = "|".repeat(90);
        assert_eq!(wrap(&wide, &wide, "abc").len(), 3);
    }
}
