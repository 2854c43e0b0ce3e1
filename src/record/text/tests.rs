use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn integers_are_written_whole() {
    for value in [
        0,
        1,
        -1,
        9,
        10,
        42,
        99,
        100,
        -100,
        12_345,
        i64::MAX,
        i64::MIN,
    ] {
        assert_eq!(written(|out| integer(out, value)), value.to_string());
    }
}

#[test]
fn strings_come_back_from_a_json_parser() {
    for text in [
        "",
        "plain",
        "q\"uo\\te",
        "line\nfeed\ttab\r",
        "\u{1}\u{1f}\u{7f}",
        "ünï © 😀",
        "a text of more than thirty-two bytes, with nothing special at first; then \"quotes\" and \\ and",
        "thirty-two bytes without one ....\n",
        "seven \"",
        "eight \u{7f}\u{1f}",
        "\u{ff}\u{80} \u{20}\u{21}\u{23}\u{5b}\u{5d}",
    ] {
        let json = written(|out| string(out, text.as_bytes()));
        assert_eq!(
            serde_json::from_str::<String>(&json).expect("valid JSON"),
            text
        );
    }
}

#[test]
fn a_word_is_checked_as_its_bytes_are() {
    for byte in 0..=u8::MAX {
        for place in 0..WORD {
            for around in [b' ', 0x7f, 0x80, 0xff] {
                let mut bytes = [around; WORD];
                bytes[place] = byte;
                let word = u64::from_ne_bytes(bytes);
                assert_eq!(any_special(word), special(byte), "{byte} among {around}");
            }
        }
    }
}

#[test]
fn bytes_are_written_in_hexadecimal() {
    let bytes: [u8; 16] = std::array::from_fn(|n| (n * 17) as u8);
    assert_eq!(
        written(|out| uuid(out, &bytes)),
        "\"00112233-4455-6677-8899-aabbccddeeff\""
    );
    assert_eq!(written(|out| hexadecimal(out, &[0, 0xa1])), "\"\\\\x00a1\"");
}

#[test]
fn numbers_json_cannot_say_are_strings() {
    assert_eq!(written(|out| number(out, b"1.10")), "1.10");
    assert_eq!(written(|out| number(out, b"NaN")), "\"NaN\"");
    assert_eq!(written(|out| number(out, b"-Infinity")), "\"-Infinity\"");
    assert_eq!(written(|out| number(out, b"-0")), "\"-0\"");
    assert_eq!(written(|out| number(out, b"1e+300")), "1e+300");
}
