//! Dates and times.

use super::PAIRS;

/// Fills `text`, of an even length, with a number's last digits, zeros in front.
fn digits(text: &mut [u8], number: i64) {
    let mut rest = number as u32;
    for pair in text.rchunks_exact_mut(2) {
        pair.copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
}

/// Fills in `0000-00-00`.
fn ymd(text: &mut [u8], year: i64, month: i64, day: i64) {
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
}

const DAY_US: i64 = 86_400_000_000;

/// Year, month and day of a day counted from 2000-01-01 (Howard Hinnant's civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 10_957 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// Appends a timestamp, in microseconds since 2000-01-01, and its zone. `false`, with nothing appended, for the
/// infinities and for years that ISO 8601 does not write.
pub fn timestamp(out: &mut Vec<u8>, at: i64, zone: &[u8]) -> bool {
    let (year, month, day) = civil(at.div_euclid(DAY_US));
    if at == i64::MIN || at == i64::MAX || !(1..=9999).contains(&year) {
        return false;
    }
    let of_day = at.rem_euclid(DAY_US);
    let seconds = of_day / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = *b"\"0000-00-00 00:00:00.000000";
    ymd(&mut text[1..11], year, month, day);
    digits(&mut text[12..14], hour);
    digits(&mut text[15..17], minute);
    digits(&mut text[18..20], second);
    let fraction = of_day % 1_000_000;
    digits(&mut text[21..27], fraction);
    out.extend_from_slice(&text[..if fraction == 0 { 20 } else { 27 }]);
    out.extend_from_slice(zone);
    out.push(b'"');
    true
}

/// Appends a date, in days since 2000-01-01; `false` as for a timestamp.
pub fn date(out: &mut Vec<u8>, days: i32) -> bool {
    let (year, month, day) = civil(i64::from(days));
    if days == i32::MIN || days == i32::MAX || !(1..=9999).contains(&year) {
        return false;
    }
    let mut text = *b"\"0000-00-00\"";
    ymd(&mut text[1..11], year, month, day);
    out.extend_from_slice(&text);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (2000, 1, 1));
        assert_eq!(civil(-1), (1999, 12, 31));
        assert_eq!(civil(59), (2000, 2, 29));
        assert_eq!(civil(9821), (2026, 11, 21));
        assert_eq!(civil(-730_119), (1, 1, 1));
    }
}
