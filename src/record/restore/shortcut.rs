//! Values that are read without PostgreSQL's input functions: the common types, as `record::text` writes them.

/// A plain decimal integer that fits; anything else is left to the input function.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

/// A uuid as `encode` writes it.
pub fn uuid(bytes: &[u8]) -> Option<[u8; 16]> {
    let digit = |place: usize| (bytes[place] as char).to_digit(16).map(|digit| digit as u8);
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|place| bytes[*place] != b'-') {
        return None;
    }
    let mut value = [0; 16];
    let mut place = 0;
    for byte in &mut value {
        if matches!(place, 8 | 13 | 18 | 23) {
            place += 1;
        }
        *byte = digit(place)? << 4 | digit(place + 1)?;
        place += 2;
    }
    Some(value)
}

/// A `"char"` as `encode` writes it: nothing, a byte, or one in octal.
pub fn char_byte(bytes: &[u8]) -> Option<i8> {
    let octal = |digit: u8| matches!(digit, b'0'..=b'7').then(|| u32::from(digit - b'0'));
    match bytes {
        [] => Some(0),
        [byte] => Some(*byte as i8),
        [b'\\', a, b, c] => Some((octal(*a)? * 64 + octal(*b)? * 8 + octal(*c)?) as u8 as i8),
        _ => None,
    }
}

/// Bytes as `encode` writes those of types without a readable text.
pub fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x")?;
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| {
            pairs
                .iter()
                .map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?))
        })?
        .collect()
}

/// `YYYY-MM-DD` as `encode` writes it, in days since 2000-01-01; anything else is left to the input function.
pub fn date(bytes: &[u8]) -> Option<i32> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |from: usize, to: usize| integer(&bytes[from..to]).filter(|n| *n >= 0);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Howard Hinnant's days_from_civil, counted from 2000-01-01.
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let yoe = shifted.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468 - 10_957;
    i32::try_from(days).ok()
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff][+00]` as `encode` writes it, in microseconds since 2000-01-01; anything else is left to
/// the input function.
pub fn timestamp(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.strip_suffix(b"+00").unwrap_or(bytes);
    if bytes.len() < 19 || bytes[10] != b' ' || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let days = i64::from(date(&bytes[..10])?);
    let number = |from: usize, to: usize| integer(&bytes[from..to]).filter(|n| *n >= 0);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fraction = match bytes.len() {
        19 => 0,
        26 if bytes[19] == b'.' => number(20, 26)?,
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_they_are_written() {
        assert_eq!(timestamp(b"2000-01-01 00:00:00"), Some(0));
        assert_eq!(timestamp(b"2000-01-01 00:00:00.000001+00"), Some(1));
        assert_eq!(timestamp(b"1999-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(
            timestamp(b"2026-11-21 06:00:00+00"),
            Some((9821 * 86_400 + 6 * 3600) * 1_000_000)
        );
        assert_eq!(
            timestamp(b"0001-01-01 00:00:00"),
            Some(-730_119 * 86_400 * 1_000_000)
        );
        assert_eq!(
            timestamp(b"2000-03-01 00:00:00"),
            Some(60 * 86_400 * 1_000_000)
        );
        for other in [
            "infinity",
            "0044-03-15 00:00:00 BC",
            "2000-01-01 00:00:00.5",
            "10000-01-01 00:00:00",
        ] {
            assert_eq!(timestamp(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn uuids_are_read_as_they_are_written() {
        let text = b"c4ca4238-a0b9-2382-0dcc-509a6f75849b";
        assert_eq!(uuid(text).map(|u| (u[0], u[15])), Some((0xc4, 0x9b)));
        assert_eq!(uuid(b"c4ca4238a0b923820dcc509a6f75849b"), None);
        assert_eq!(uuid(b"c4ca4238-a0b9-2382-0dcc-509a6f75849g"), None);
    }

    #[test]
    fn integers_that_fit_are_read() {
        assert_eq!(integer(b"-42"), Some(-42));
        assert_eq!(
            integer(b"999999999999999999"),
            Some(999_999_999_999_999_999)
        );
        for other in ["", "-", "1.0", "9223372036854775807", "1e5"] {
            assert_eq!(integer(other.as_bytes()), None, "{other}");
        }
    }
}
