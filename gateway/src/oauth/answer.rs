//! What a token endpoint answers. Source: RFC 6749 sections 5.1 and 5.2.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::client::Token;
use crate::model::BearerToken;

/// How long a token is good of which the server does not say it.
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(300);

/// An answer that has no token in it. Nothing of it is quoted but a code that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It refused.
    #[error("it answered with status {0}")]
    Status(StatusCode),
    /// It refused, and says why.
    #[error("it answered with status {0}: `{1}`")]
    Refused(StatusCode, RefusalCode),
    /// It is no JSON object.
    #[error("its answer is no JSON object")]
    Syntax,
    /// A token of another type.
    #[error("`token_type` is not `Bearer`")]
    Type,
    /// No token, or one that cannot stand in a header.
    #[error("`access_token` is not a text of 1 to 16384 visible ASCII characters")]
    Token,
    /// A lifetime that is none.
    #[error("`expires_in` is no whole number of seconds")]
    Lifetime,
}

/// Why a server refuses, as RFC 6749 section 5.2 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCode(&'static str);

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Others might hold anything.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// The token in an answer to a question of `asked_at` (seconds since 1970).
pub(super) fn read(status: StatusCode, body: &[u8], asked_at: u64) -> Result<Token, AnswerError> {
    let answer = serde_json::from_slice::<Value>(body);
    if status != StatusCode::OK {
        let code = answer
            .as_ref()
            .ok()
            .and_then(|it| it.get("error")?.as_str());
        let known = CODES.into_iter().find(|known| Some(*known) == code);
        return Err(match known {
            None => AnswerError::Status(status),
            Some(code) => AnswerError::Refused(status, RefusalCode(code)),
        });
    }
    let Ok(Value::Object(answer)) = answer else {
        return Err(AnswerError::Syntax);
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(AnswerError::Type);
    }
    let token = text("access_token").and_then(|token| BearerToken::new(token.as_bytes()));
    let seconds = match answer.get("expires_in") {
        None | Some(Value::Null) => LIFETIME_DEFAULT.as_secs(),
        // Some servers write numbers as texts.
        Some(Value::String(digits)) => digits.parse().map_err(|_error| AnswerError::Lifetime)?,
        Some(number) => number.as_u64().ok_or(AnswerError::Lifetime)?,
    };
    Ok(Token {
        bearer: token.ok_or(AnswerError::Token)?,
        expires_at: asked_at.saturating_add(seconds),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(answer: &Value, expected: Result<u64, AnswerError>) {
        let read = read(StatusCode::OK, answer.to_string().as_bytes(), 1000);
        assert_eq!(read.map(|token| token.expires_at), expected, "{answer}");
    }

    #[test]
    fn a_token_is_good_for_as_long_as_the_server_says() {
        for (expires_in, expected) in [
            (json!(3600), Ok(4600)),
            (json!("3600"), Ok(4600)),
            (json!(0), Ok(1000)),
            (json!(null), Ok(1300)),
            (json!(u64::MAX), Ok(u64::MAX)),
            (json!(-1), Err(AnswerError::Lifetime)),
            (json!(1.5), Err(AnswerError::Lifetime)),
            (json!("soon"), Err(AnswerError::Lifetime)),
            (json!([3600]), Err(AnswerError::Lifetime)),
        ] {
            let answer =
                json!({"access_token": "abc", "token_type": "bEaReR", "expires_in": expires_in});
            check(&answer, expected);
        }
        check(
            &json!({"access_token": "abc", "token_type": "Bearer"}),
            Ok(1300),
        );
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        for (answer, expected) in [
            (json!([]), AnswerError::Syntax),
            (json!({"access_token": "abc"}), AnswerError::Type),
            (
                json!({"access_token": "abc", "token_type": "mac"}),
                AnswerError::Type,
            ),
            (json!({"token_type": "Bearer"}), AnswerError::Token),
            (
                json!({"access_token": "", "token_type": "Bearer"}),
                AnswerError::Token,
            ),
            (
                json!({"access_token": "a\r\nb", "token_type": "Bearer"}),
                AnswerError::Token,
            ),
            (
                json!({"access_token": ["abc"], "token_type": "Bearer"}),
                AnswerError::Token,
            ),
        ] {
            check(&answer, Err(expected));
        }
        let read = |status, body: &str| read(status, body.as_bytes(), 0).unwrap_err().to_string();
        assert_eq!(
            read(StatusCode::OK, "<html>"),
            "its answer is no JSON object"
        );
        let unauthorized = StatusCode::UNAUTHORIZED;
        assert_eq!(
            read(unauthorized, r#"{"error": "invalid_client"}"#),
            "it answered with status 401 Unauthorized: `invalid_client`"
        );
        for unknown in [r#"{"error": "hidden"}"#, "hidden", r#"{"error": ["x"]}"#] {
            assert_eq!(
                read(unauthorized, unknown),
                "it answered with status 401 Unauthorized"
            );
        }
    }
}
