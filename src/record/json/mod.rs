//! Reads the images of a chunk: an array with one array per row, `[number, value, ..., {changed columns}]`. A row's ordinal
//! is its number and the rows before it in the chunk: where a chunk's rows follow each other, as most do, the numbers are all
//! the same, and compress to nothing.
//!
//! The text is PostgreSQL's, in the server's encoding: only ASCII bytes mean something here, all others pass. Nothing is
//! copied; a value is a span of the chunk's text.

mod scanner;

use crate::pg::memory;
use scanner::Reader;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    True,
    False,
    Number,
    /// A string without escapes: its bytes are its value.
    Plain,
    /// A string with escapes.
    Escaped,
    Object,
}

/// A value's place in the chunk: a string without its quotes, an object with its braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
    pub kind: Kind,
}

impl Span {
    /// SQL NULL, written nowhere.
    pub const NULL: Span = Span {
        start: 0,
        end: 0,
        kind: Kind::Null,
    };

    /// The bytes of the span.
    pub fn bytes<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..self.end as usize]
    }

    /// The value as it stands in the text, quotes included.
    pub fn raw<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match self.kind {
            Kind::Plain | Kind::Escaped => &text[self.start as usize - 1..self.end as usize + 1],
            Kind::Null => b"null",
            _ => self.bytes(text),
        }
    }
}

/// One row of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub ordinal: i64,
    /// Where the row's text begins behind its number, and where it ends: `,value,...]`.
    pub body: (u32, u32),
    /// Where its spans begin, and how many it has.
    pub spans: (u32, u32),
}

/// All rows of a chunk.
#[derive(Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    pub spans: Vec<Span>,
}

impl Rows {
    /// The spans of row `n`.
    pub fn of(&self, n: usize) -> &[Span] {
        let (start, count) = self.rows[n].spans;
        &self.spans[start as usize..(start + count) as usize]
    }
}

/// Where a text stopped making sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub usize);

pub type Parsed<T> = Result<T, Malformed>;

/// The rows of `text`.
pub fn rows(text: &[u8]) -> Parsed<Rows> {
    let mut reader = Reader { text, at: 0 };
    let mut all = Rows::default();
    reader.expect(b'[')?;
    if reader.peek() == Some(b']') {
        return Ok(all);
    }
    loop {
        reader.expect(b'[')?;
        let number = reader.integer()?;
        let ordinal = number
            .checked_add(all.rows.len() as i64)
            .ok_or(Malformed(reader.at))?;
        let (body, first) = (reader.at as u32, all.spans.len() as u32);
        while reader.peek() == Some(b',') {
            reader.at += 1;
            let value = reader.value()?;
            memory::push(&mut all.spans, value);
        }
        reader.expect(b']')?;
        let row = Row {
            ordinal,
            body: (body, reader.at as u32),
            spans: (first, all.spans.len() as u32 - first),
        };
        memory::push(&mut all.rows, row);
        match reader.next()? {
            b',' => {}
            b']' => return Ok(all),
            _ => return Err(Malformed(reader.at)),
        }
    }
}

/// The members of an object, as (name, value).
pub fn members(text: &[u8], object: Span, into: &mut Vec<(Span, Span)>) -> Parsed<()> {
    into.clear();
    let mut reader = Reader {
        text,
        at: object.start as usize,
    };
    reader.expect(b'{')?;
    if reader.peek() == Some(b'}') {
        return Ok(());
    }
    loop {
        let name = reader.value()?;
        reader.expect(b':')?;
        let value = reader.value()?;
        into.push((name, value));
        match reader.next()? {
            b',' => {}
            b'}' => return Ok(()),
            _ => return Err(Malformed(reader.at)),
        }
    }
}

/// The ordinal of the first row.
pub fn first_ordinal(text: &[u8]) -> Parsed<i64> {
    let mut reader = Reader { text, at: 0 };
    reader.expect(b'[')?;
    reader.expect(b'[')?;
    reader.integer()
}

/// The ordinal of the last of so many rows, read from the end: outside strings, the last `[` opens it.
pub fn last_ordinal(text: &[u8], rows: i64) -> Parsed<i64> {
    let (mut at, mut quoted) = (text.len(), false);
    while at > 0 {
        at -= 1;
        match text[at] {
            b'"' => {
                let escapes = text[..at].iter().rev().take_while(|b| **b == b'\\').count();
                if escapes % 2 == 0 {
                    quoted = !quoted;
                }
            }
            b'[' if !quoted => {
                let number = Reader { text, at: at + 1 }.integer()?;
                return number.checked_add(rows - 1).ok_or(Malformed(at));
            }
            _ => {}
        }
    }
    Err(Malformed(0))
}

/// Appends the value of a string's bytes with its escapes resolved.
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) -> Parsed<()> {
    let mut at = 0;
    while at < escaped.len() {
        let run = escaped[at..]
            .iter()
            .position(|byte| *byte == b'\\')
            .unwrap_or(escaped.len() - at);
        memory::append(out, &escaped[at..at + run]);
        at += run;
        if at == escaped.len() {
            break;
        }
        let code = *escaped.get(at + 1).ok_or(Malformed(at))?;
        at += 2;
        out.push(match code {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => code,
            b'u' => {
                // The record escapes control characters only.
                let digits = escaped.get(at..at + 4).ok_or(Malformed(at))?;
                let digits = std::str::from_utf8(digits).map_err(|_| Malformed(at))?;
                at += 4;
                match u32::from_str_radix(digits, 16) {
                    Ok(code @ 1..0x80) => code as u8,
                    _ => return Err(Malformed(at)),
                }
            }
            _ => return Err(Malformed(at)),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
