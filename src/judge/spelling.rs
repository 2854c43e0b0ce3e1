//! Texts and names as SQL spells them, for the commands that hints show: what is printed can be run as it is.

/// A string constant. A backslash means itself, whatever standard_conforming_strings says.
pub fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

/// An array of texts: `'{public.users}'`, or `ARRAY['public."User"']` where braces would ask for quotes within quotes.
pub fn array(texts: &[&str]) -> String {
    if texts.iter().all(|text| is_plain(text)) {
        return format!("'{{{}}}'", texts.join(","));
    }
    let literals: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]", literals.join(", "))
}

/// Whether array_in() takes the text for itself without quotes.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
    !text.is_empty() && !text.eq_ignore_ascii_case("null") && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_string_constant_must_escape_is_escaped() {
        assert_eq!(literal("public.users"), "'public.users'");
        assert_eq!(literal("public.\"it's\""), "'public.\"it''s\"'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }

    #[test]
    fn braces_hold_simple_texts_only() {
        assert_eq!(array(&["public.users"]), "'{public.users}'");
        assert_eq!(array(&["id", "día"]), "'{id,día}'");
        assert_eq!(
            array(&["id", "public.\"User\""]),
            "ARRAY['id', 'public.\"User\"']"
        );
        for odd in ["", "NULL", "a,b", "a{b", "a b", "it's", "a\\b"] {
            assert!(array(&[odd]).starts_with("ARRAY["), "{odd}");
        }
    }
}
