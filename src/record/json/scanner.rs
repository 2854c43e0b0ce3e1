//! Reads the tokens of the record's JSON.

use super::{Kind, Malformed, Parsed, Span};

/// A text and where reading it has come to.
pub struct Reader<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl Reader<'_> {
    /// The next byte that is not white space, not taken.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    pub fn next(&mut self) -> Parsed<u8> {
        let byte = self.peek().ok_or(Malformed(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    pub fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.next()? == byte {
            Ok(())
        } else {
            Err(Malformed(self.at))
        }
    }

    pub fn integer(&mut self) -> Parsed<i64> {
        let start = {
            self.peek();
            self.at
        };
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(Malformed(start))
    }

    pub fn value(&mut self) -> Parsed<Span> {
        let first = self.peek().ok_or(Malformed(self.at))?;
        let start = self.at;
        let kind = match first {
            b'"' => return self.string(),
            b'{' => return self.object(),
            b'n' => self.word(b"null", Kind::Null)?,
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            _ => {
                while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') =
                    self.text.get(self.at)
                {
                    self.at += 1;
                }
                if self.at == start {
                    return Err(Malformed(start));
                }
                Kind::Number
            }
        };
        Ok(Span {
            start: start as u32,
            end: self.at as u32,
            kind,
        })
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Parsed<Kind> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(Malformed(self.at))
        }
    }

    fn string(&mut self) -> Parsed<Span> {
        self.at += 1;
        let start = self.at;
        let mut kind = Kind::Plain;
        loop {
            self.at += quote_or_backslash(&self.text[self.at..]).ok_or(Malformed(start))?;
            if self.text[self.at] == b'"' {
                let end = self.at;
                self.at += 1;
                return Ok(Span {
                    start: start as u32,
                    end: end as u32,
                    kind,
                });
            }
            kind = Kind::Escaped;
            self.at += 2;
            if self.at > self.text.len() {
                return Err(Malformed(start));
            }
        }
    }

    fn object(&mut self) -> Parsed<Span> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek().ok_or(Malformed(start))? {
                b'"' => {
                    self.string()?;
                }
                b'}' => {
                    self.at += 1;
                    return Ok(Span {
                        start: start as u32,
                        end: self.at as u32,
                        kind: Kind::Object,
                    });
                }
                _ => self.at += 1,
            }
        }
    }
}

/// The place of the first `"` or `\`, eight bytes at a time.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The high bit of every byte that is zero (and perhaps of bytes above one that is: the lowest is right).
    let zeroes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, rest) = text.as_chunks::<8>();
    for (n, bytes) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let hits =
            zeroes(word ^ (ONES * u64::from(b'"'))) | zeroes(word ^ (ONES * u64::from(b'\\')));
        if hits != 0 {
            return Some(n * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    rest.iter()
        .position(|byte| matches!(byte, b'"' | b'\\'))
        .map(|place| words.len() * 8 + place)
}
