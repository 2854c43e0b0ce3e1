//! Tokens: what `backstop.approve` hands out, and why one may not be used.

use super::approval::{Kind, Refusal};
use std::fmt;

const PREFIX: &str = "backstop-";
const SECRET_BYTES: usize = 32;

/// A token as its holder writes it: `backstop-<request>-<64 hexadecimal digits>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub request_id: i64,
    pub secret: [u8; SECRET_BYTES],
}

impl Token {
    /// Whether a text means to be a token.
    pub fn resembles(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads a token; the error is a sentence for DETAIL.
    pub fn parse(text: &str) -> Result<Token, String> {
        const MALFORMED: &str =
            "A token looks like \"backstop-7-\" followed by 64 hexadecimal digits.";
        let rest = text.strip_prefix(PREFIX).ok_or(MALFORMED)?;
        let (id, hex) = rest.split_once('-').ok_or(MALFORMED)?;
        let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let request_id = id.parse().ok().filter(|_| plain).ok_or(MALFORMED)?;
        let mut secret = [0; SECRET_BYTES];
        if hex.len() != 2 * SECRET_BYTES {
            return Err(MALFORMED.to_owned());
        }
        for (byte, digits) in secret.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digit = |place: usize| char::from(digits[place]).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(MALFORMED.to_owned());
            };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Token { request_id, secret })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-", self.request_id)?;
        self.secret
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secret stays out of debug output.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-...", self.request_id)
    }
}

/// Who a statement runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    pub session: String,
    pub current: String,
}

/// What the request says of a token whose secret fits.
#[derive(Clone, Debug)]
pub struct Issued {
    pub request_id: i64,
    pub roles: Roles,
    pub statement: String,
    pub kind: Kind,
    /// When it was used, as text.
    pub used_at: Option<String>,
    pub expired: bool,
}

/// The beginning of a long statement.
fn shortened(statement: &str) -> String {
    const LONGEST: usize = 200;
    match statement.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &statement[..end]),
        None => statement.to_owned(),
    }
}

impl Issued {
    /// Why the token does not let this statement run, or `None`.
    pub fn refusal(&self, roles: &Roles, statement: Option<&str>) -> Option<Refusal> {
        let id = self.request_id;
        if let Some(at) = &self.used_at {
            return Some(Refusal::approval(format!(
                "The token of request {id} was used at {at}."
            )));
        }
        if *roles != self.roles {
            return Some(Refusal::approval(format!(
                "The token of request {id} belongs to role \"{}\" (session \"{}\"), not to \"{}\" (session \"{}\").",
                self.roles.current, self.roles.session, roles.current, roles.session
            )));
        }
        if self.expired {
            return Some(Refusal::approval(format!(
                "The token of request {id} has expired."
            )));
        }
        if statement != Some(self.statement.as_str()) {
            return Some(Refusal::mismatch(format!(
                "Request {id} was approved for another statement: \"{}\".",
                shortened(&self.statement)
            )));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rule;

    #[test]
    fn a_token_reads_back() {
        let token = Token {
            request_id: 7,
            secret: std::array::from_fn(|n| n as u8 * 7),
        };
        assert_eq!(Token::parse(&token.to_string()), Ok(token.clone()));
        assert!(!format!("{token:?}").contains(&token.to_string()[11..]));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = Token {
            request_id: 7,
            secret: [1; SECRET_BYTES],
        }
        .to_string();
        for bad in [
            "backstop-",
            "backstop-7",
            "backstop-7-",
            "backstop--7-00",
            "backstop-x-00",
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.replace('1', "g"),
            &good.replace("-7-", "-+7-"),
            &good.replace("-7-", "-99999999999999999999-"),
        ] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_binding_is_checked() {
        let roles = |session: &str, current: &str| Roles {
            session: session.to_owned(),
            current: current.to_owned(),
        };
        let issued = Issued {
            request_id: 7,
            roles: roles("ann", "ann"),
            statement: "DELETE FROM t".to_owned(),
            kind: Kind::Preview,
            used_at: None,
            expired: false,
        };
        let rule = |issued: &Issued, of: Roles, statement| {
            issued.refusal(&of, statement).map(|refusal| refusal.rule)
        };
        let same = Some("DELETE FROM t");
        assert_eq!(rule(&issued, roles("ann", "ann"), same), None);
        let refused = Some(Rule::ApprovalRefused);
        assert_eq!(rule(&issued, roles("bob", "ann"), same), refused);
        assert_eq!(rule(&issued, roles("ann", "bob"), same), refused);
        let differs = Some(Rule::ApprovalMismatch);
        assert_eq!(rule(&issued, roles("ann", "ann"), None), differs);
        let spaced = Some("DELETE  FROM t");
        assert_eq!(rule(&issued, roles("ann", "ann"), spaced), differs);
        let used = Issued {
            used_at: Some("now".to_owned()),
            ..issued.clone()
        };
        assert_eq!(rule(&used, roles("ann", "ann"), same), refused);
        let expired = Issued {
            expired: true,
            ..issued
        };
        assert_eq!(rule(&expired, roles("ann", "ann"), same), refused);
    }
}
