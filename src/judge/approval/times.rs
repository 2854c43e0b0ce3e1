//! Points in time as people write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// RFC 3339, or the way PostgreSQL prints a timestamptz, to microseconds since the Unix epoch.
pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    OffsetDateTime::parse(&rfc3339(text), &Rfc3339)
        .map(|time| (time.unix_timestamp_nanos() / 1000) as i64)
        .map_err(|_| {
            format!(
                "The member \"expires\" is not a time like \"2026-11-21T12:00:00Z\": \"{text}\"."
            )
        })
}

/// `2026-11-21 12:00:00.5+00`, which is how `now() + interval '10 minutes'` becomes text, as RFC 3339 wants it.
fn rfc3339(text: &str) -> String {
    let mut time = text.to_owned();
    if time.as_bytes().get(10) == Some(&b' ') {
        time.replace_range(10..11, "T");
    }
    if let Some(sign) = time.rfind(['+', '-']).filter(|sign| *sign > 10)
        && time[sign + 1..].bytes().all(|digit| digit.is_ascii_digit())
    {
        match time.len() - sign {
            3 => time.push_str(":00"),
            5 => time.insert(sign + 3, ':'),
            _ => {}
        }
    }
    time
}
