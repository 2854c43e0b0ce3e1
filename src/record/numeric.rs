//! A numeric's decimal text, straight from how it is stored (`utils/adt/numeric.c`: NumericData, get_str_from_var).

const SIGN_MASK: u16 = 0xC000;
const SHORT: u16 = 0x8000;
const NEGATIVE: u16 = 0x4000;
const SPECIAL: u16 = 0xC000;

/// Digits of one stored digit.
const WIDTH: usize = 4;

/// Appends a stored numeric (without its varlena header) as `numeric_out` prints it. `false`, with nothing appended,
/// for NaN and the infinities, and for one that ends within its own header.
pub fn finite(out: &mut Vec<u8>, stored: &[u8]) -> bool {
    let word = |n: usize| match stored.get(2 * n..2 * n + 2) {
        Some(bytes) => u16::from_ne_bytes([bytes[0], bytes[1]]),
        None => 0,
    };
    let header = word(0);
    let (negative, scale, weight, first) = match header & SIGN_MASK {
        SPECIAL => return false,
        SHORT => {
            let low = (header & 0x3F) as i16;
            let weight = if header & 0x40 == 0 { low } else { low | !0x3F };
            (header & 0x2000 != 0, (header & 0x1F80) >> 7, weight, 1)
        }
        sign => (sign == NEGATIVE, header & !SIGN_MASK, word(1) as i16, 2),
    };
    let Some(count) = (stored.len() / 2).checked_sub(first) else {
        return false;
    };
    // Places count stored digits from the first one; those outside are zeros.
    let digit = |place: i32| match usize::try_from(place) {
        Ok(place) if place < count => word(first + place),
        _ => 0,
    };
    let weight = i32::from(weight);
    let whole = usize::try_from(weight).unwrap_or(0) * WIDTH;
    crate::pg::memory::make_room(out, whole + usize::from(scale) + super::text::FIXED);
    if negative {
        out.push(b'-');
    }
    super::text::integer(out, i64::from(if weight < 0 { 0 } else { digit(0) }));
    for place in 1..=weight {
        out.extend_from_slice(&decimal(digit(place)));
    }
    let mut left = usize::from(scale);
    if left > 0 {
        out.push(b'.');
    }
    let mut place = weight + 1;
    while left > 0 {
        let shown = left.min(WIDTH);
        out.extend_from_slice(&decimal(digit(place))[..shown]);
        left -= shown;
        place += 1;
    }
    true
}

fn decimal(digit: u16) -> [u8; WIDTH] {
    let (high, low) = (super::text::pair(digit / 100), super::text::pair(digit));
    [high[0], high[1], low[0], low[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A numeric in the long form, or in the short one when it fits.
    fn stored(negative: bool, scale: u16, weight: i16, digits: &[u16], short: bool) -> Vec<u8> {
        let mut words = if short {
            let sign = if negative { 0x2000 } else { 0 };
            vec![SHORT | sign | scale << 7 | (weight as u16 & 0x7F)]
        } else {
            vec![if negative { NEGATIVE } else { 0 } | scale, weight as u16]
        };
        words.extend(digits);
        words.into_iter().flat_map(u16::to_ne_bytes).collect()
    }

    #[test]
    fn numbers_are_written_with_their_scale() {
        let cases: &[(bool, u16, i16, &[u16], &str)] = &[
            (false, 0, 0, &[], "0"),
            (false, 2, 0, &[], "0.00"),
            (false, 5, 0, &[1, 5000], "1.50000"),
            (true, 2, 0, &[936, 6049], "-936.60"),
            (false, 2, 1, &[9, 3660, 4900], "93660.49"),
            (false, 0, 2, &[1], "100000000"),
            (false, 3, -1, &[10], "0.001"),
            (false, 9, -3, &[1], "0.000000000"),
            (false, 12, -3, &[1], "0.000000000001"),
            (true, 6, -2, &[1200], "-0.000012"),
        ];
        for (negative, scale, weight, digits, text) in cases {
            for short in [false, true] {
                let mut out = Vec::new();
                let bytes = stored(*negative, *scale, *weight, digits, short);
                assert!(finite(&mut out, &bytes));
                assert_eq!(
                    String::from_utf8(out).as_deref(),
                    Ok(*text),
                    "short: {short}"
                );
            }
        }
    }

    #[test]
    fn nan_and_the_infinities_are_left_to_postgresql() {
        for header in [0xC000u16, 0xD000, 0xF000] {
            assert!(!finite(&mut Vec::new(), &header.to_ne_bytes()));
        }
    }

    #[test]
    fn a_numeric_that_ends_within_its_header_is_left_to_postgresql() {
        let long = 0u16.to_ne_bytes();
        for stored in [&[][..], &[0x80], &long] {
            let mut out = Vec::new();
            assert!(!finite(&mut out, stored) && out.is_empty(), "{stored:?}");
        }
    }
}
