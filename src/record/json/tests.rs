use super::*;

const CHUNK: &[u8] = br#"[[1,5,"a \"b\" [c],[9,",null],[22,-1.5e3,"\\",{"x \"y\"":null,"z":[true]}],[23,true,"\u0007"]]"#;

#[test]
fn rows_have_their_values_in_order() {
    let all = rows(CHUNK).expect("well formed");
    assert_eq!(
        all.rows.iter().map(|row| row.ordinal).collect::<Vec<_>>(),
        [1, 23, 25]
    );
    let kinds: Vec<Kind> = all.of(0).iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [Kind::Number, Kind::Escaped, Kind::Null]);
    assert_eq!(all.of(1)[0].bytes(CHUNK), b"-1.5e3");
    assert_eq!(all.of(1)[1].raw(CHUNK), br#""\\""#);
    let (start, end) = all.rows[0].body;
    assert_eq!(
        &CHUNK[start as usize..end as usize],
        br#",5,"a \"b\" [c],[9,",null]"#
    );
}

#[test]
fn the_first_ordinal_is_found_in_the_first_bytes() {
    assert_eq!(first_ordinal(b"[[9223372036854775807,"), Ok(i64::MAX));
    assert_eq!(first_ordinal(b"[]"), Err(Malformed(2)));
}

#[test]
fn the_last_ordinal_is_found_from_the_end() {
    assert_eq!(last_ordinal(CHUNK, 3), Ok(25));
    assert_eq!(last_ordinal(br#"[[7,"[[8,\\\"[9,"]]"#, 1), Ok(7));
}

#[test]
fn changed_columns_are_read_as_members() {
    let text = br#"{"a \"b\"":null,"c":1.0,"d":"x"}"#;
    let object = Span {
        start: 0,
        end: text.len() as u32,
        kind: Kind::Object,
    };
    let mut found = Vec::new();
    members(text, object, &mut found).expect("well formed");
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].0.bytes(text), br#"a \"b\""#);
    assert_eq!(found[1].1.bytes(text), b"1.0");
}

#[test]
fn what_the_record_writes_is_read_back() {
    for text in [
        "",
        "plain",
        "q\"uo\\te",
        "line\nfeed\ttab\r",
        "\u{1}\u{1f}\u{7f}",
        "ünï © 😀",
    ] {
        let mut json = b"[[1,".to_vec();
        crate::record::text::string(&mut json, text.as_bytes());
        json.extend_from_slice(b"]]");
        let all = rows(&json).expect("well formed");
        let mut value = Vec::new();
        unescape(all.of(0)[0].bytes(&json), &mut value).expect("well formed");
        assert_eq!(value, text.as_bytes());
    }
}

#[test]
fn nonsense_is_refused() {
    for text in ["", "[", "[[", "[[1,]]", "[[1,\"x]]", "[[1,nul]]", "[[1]"] {
        assert!(rows(text.as_bytes()).is_err(), "{text}");
    }
}
