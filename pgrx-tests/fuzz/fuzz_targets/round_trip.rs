//! Arbitrary rows, written as the record writes them and read as a restore reads them: every value comes back.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pg_backstop_fuzz::record::json::{self, Kind, Span};
use pg_backstop_fuzz::record::restore::shortcut;
use pg_backstop_fuzz::record::{numeric, text};

#[derive(Arbitrary, Debug)]
enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// Any encoding's bytes; PostgreSQL's texts hold no zero byte.
    Text(Vec<u8>),
    Char(u8),
    Uuid([u8; 16]),
    Bytes(Vec<u8>),
    Date(i32),
    Timestamp(i64),
    Numeric(Decimal),
}

/// A stored numeric: digits are taken modulo 10000.
#[derive(Arbitrary, Debug)]
struct Decimal {
    negative: bool,
    weight: i8,
    digits: Vec<u16>,
    scale: u8,
    short: bool,
}

#[derive(Arbitrary, Debug)]
struct Row {
    ordinal: u32,
    values: Vec<Value>,
    /// Names of columns with their new values.
    changes: Option<Vec<(Vec<u8>, Value)>>,
}

fuzz_target!(|rows: Vec<Row>| {
    let mut chunk = b"[".to_vec();
    for (n, row) in rows.iter().enumerate() {
        chunk.extend_from_slice(if n > 0 { b",[" } else { b"[" });
        text::integer(&mut chunk, i64::from(row.ordinal) - n as i64);
        for value in &row.values {
            chunk.push(b',');
            value.write(&mut chunk);
        }
        if let Some(changes) = &row.changes {
            chunk.extend_from_slice(b",{");
            for (n, (name, value)) in changes.iter().enumerate() {
                if n > 0 {
                    chunk.push(b',');
                }
                text::string(&mut chunk, &without_zeros(name));
                chunk.push(b':');
                value.write(&mut chunk);
            }
            chunk.push(b'}');
        }
        chunk.push(b']');
    }
    chunk.push(b']');
    let all = json::rows(&chunk).expect("what is written is well formed");
    assert_eq!(all.rows.len(), rows.len());
    if let Some(last) = rows.last() {
        assert_eq!(
            json::last_ordinal(&chunk, rows.len() as i64),
            Ok(i64::from(last.ordinal))
        );
    }
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(all.rows[n].ordinal, i64::from(row.ordinal));
        let spans = all.of(n);
        assert_eq!(
            spans.len(),
            row.values.len() + usize::from(row.changes.is_some())
        );
        for (value, span) in row.values.iter().zip(spans) {
            value.check(&chunk, *span);
        }
        if let (Some(changes), Some(object)) = (&row.changes, spans.last()) {
            let mut members = Vec::new();
            json::members(&chunk, *object, &mut members).expect("an object");
            assert_eq!(members.len(), changes.len());
            for ((name, value), (found, span)) in changes.iter().zip(members) {
                assert_eq!(plain(&chunk, found), without_zeros(name));
                value.check(&chunk, span);
            }
        }
    }
});

/// The text behind a span.
fn plain(chunk: &[u8], span: Span) -> Vec<u8> {
    let mut value = Vec::new();
    match span.kind {
        Kind::Escaped => json::unescape(span.bytes(chunk), &mut value).expect("escaped by us"),
        _ => value.extend_from_slice(span.bytes(chunk)),
    }
    value
}

fn without_zeros(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| *byte != 0).collect()
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Integer(value) => text::integer(out, *value),
            Value::Text(value) => text::string(out, &without_zeros(value)),
            Value::Char(value) => text::char(out, *value),
            Value::Uuid(value) => text::uuid(out, value),
            Value::Bytes(value) => text::hexadecimal(out, value),
            // What the encoder leaves to PostgreSQL is written by it.
            Value::Date(days) => {
                if !text::date(out, *days) {
                    text::string(out, b"infinity");
                }
            }
            Value::Timestamp(at) => {
                if !text::timestamp(out, *at, b"+00") {
                    text::string(out, b"infinity");
                }
            }
            Value::Numeric(value) => {
                assert!(numeric::finite(out, &value.stored()), "it is finite");
            }
        }
    }

    fn check(&self, chunk: &[u8], span: Span) {
        let text = plain(chunk, span);
        match self {
            Value::Null => assert_eq!(span.kind, Kind::Null),
            Value::Bool(true) => assert_eq!(span.kind, Kind::True),
            Value::Bool(false) => assert_eq!(span.kind, Kind::False),
            Value::Integer(value) => {
                let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
                assert_eq!(text, value.to_string().as_bytes());
                // Longer ones are left to the input function.
                assert_eq!(shortcut::integer(&text), (digits <= 18).then_some(*value));
            }
            Value::Text(value) => assert_eq!(text, without_zeros(value)),
            Value::Char(value) => assert_eq!(shortcut::char_byte(&text), Some(*value as i8)),
            Value::Uuid(value) => assert_eq!(shortcut::uuid(&text), Some(*value)),
            Value::Bytes(value) => assert_eq!(shortcut::hexadecimal(&text).as_ref(), Some(value)),
            Value::Date(_) if text == b"infinity" => {}
            Value::Date(days) => assert_eq!(shortcut::date(&text), Some(*days)),
            Value::Timestamp(_) if text == b"infinity" => {}
            Value::Timestamp(at) => assert_eq!(shortcut::timestamp(&text), Some(*at)),
            Value::Numeric(value) => assert_eq!(String::from_utf8_lossy(&text), value.text()),
        }
    }
}

impl Decimal {
    fn digits(&self) -> Vec<u16> {
        self.digits.iter().map(|digit| digit % 10_000).collect()
    }

    /// The two forms of utils/adt/numeric.c; the short one where it fits.
    fn stored(&self) -> Vec<u8> {
        let scale = u16::from(self.scale);
        let mut words = if self.short && scale < 64 && (-64..64).contains(&self.weight) {
            let weight = self.weight as u16 & 0x7F;
            vec![0x8000 | u16::from(self.negative) << 13 | scale << 7 | weight]
        } else {
            vec![
                u16::from(self.negative) << 14 | scale,
                i16::from(self.weight) as u16,
            ]
        };
        words.extend(self.digits());
        words.into_iter().flat_map(u16::to_ne_bytes).collect()
    }

    /// The same number written the slow way: a long row of digits with a point put in.
    fn text(&self) -> String {
        let weight = i32::from(self.weight);
        let digits = self.digits();
        let at = |place: i32| {
            let place = usize::try_from(place).ok();
            place
                .and_then(|place| digits.get(place))
                .copied()
                .unwrap_or(0)
        };
        // The digit at place p is worth 10000^(weight - p).
        let whole: String = (0..=weight)
            .map(|place| format!("{:04}", at(place)))
            .collect();
        let whole = match weight {
            ..0 => "0".to_string(),
            // Only the first group loses its zeros.
            _ => at(0).to_string() + &whole[4..],
        };
        let groups = i32::from(self.scale) / 4 + 1;
        let fraction: String = (weight + 1..=weight + groups)
            .map(|place| format!("{:04}", at(place)))
            .collect();
        let sign = if self.negative { "-" } else { "" };
        match usize::from(self.scale) {
            0 => format!("{sign}{whole}"),
            scale => format!("{sign}{whole}.{}", &fraction[..scale]),
        }
    }
}
