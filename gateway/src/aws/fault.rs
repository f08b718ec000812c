//! How services of AWS say that they did not do what they were asked.
//!
//! The name of the fault is in a header of the answer (`x-amzn-ErrorType`) or in its body (`__type`),
//! behind the name of a space or before the URL of a page that explains it. What a service says is
//! for the log alone, and shortened.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// Most characters that are kept of what a service says.
const SAID_CHARACTERS_MAX: usize = 300;

/// A fault as the service names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status {status}, {name}: {message}")]
pub struct Fault {
    /// Of the answer.
    pub status: StatusCode,
    /// Such as `ResourceNotFoundException`; `unnamed` where the answer has no name for it.
    pub name: String,
    /// What else is said; may be empty.
    pub message: String,
}

/// What a fault means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The credentials are unknown or over, or they do not permit this.
    Permission,
    /// What was asked for is not there.
    Missing,
    /// It was asked too often.
    Throttled,
    /// Something is wrong with the service.
    Service,
    /// Something is wrong with the request.
    Request,
}

impl Fault {
    /// Reads an answer that is no success.
    #[must_use]
    pub fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let said: Option<Value> = serde_json::from_slice(body).ok();
        let word = |key: &str| said.as_ref()?.get(key)?.as_str();
        let header = headers.get("x-amzn-errortype");
        let name = header
            .and_then(|value| value.to_str().ok())
            .or_else(|| word("__type"))
            .map_or("unnamed", bare);
        let message = word("message").or_else(|| word("Message"));
        // What follows may repeat what was sent: about a wrong signature a service says what it would
        // have signed, session tokens included.
        let message = message.and_then(|message| message.lines().next());
        Self {
            status,
            name: tame(name),
            message: tame(message.unwrap_or_default()),
        }
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self.name.as_str() {
            "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException" => return FaultKind::Permission,
            "ResourceNotFoundException" => return FaultKind::Missing,
            "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingException"
            | "TooManyRequestsException" => return FaultKind::Throttled,
            _ => {}
        }
        match self.status.as_u16() {
            401 | 403 => FaultKind::Permission,
            404 => FaultKind::Missing,
            429 => FaultKind::Throttled,
            400..=499 => FaultKind::Request,
            _ => FaultKind::Service,
        }
    }
}

/// `com.amazonaws.dynamodb.v20120810#Name` and `Name:http://..` are `Name`.
fn bare(name: &str) -> &str {
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

/// Nothing that a log would not show in one line.
fn tame(text: &str) -> String {
    let shown = text.chars().filter(|character| !character.is_control());
    shown.take(SAID_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, header: Option<&str>, body: &str) -> Fault {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert("x-amzn-errortype", name.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Fault::of(status, &headers, body.as_bytes())
    }

    #[test]
    fn faults_are_read_wherever_their_name_stands() {
        for (status, header, body, name, message, kind) in [
            (
                404,
                Some("ResourceNotFoundException:http://internal.amazon.com/"),
                r#"{"Type":"User","Message":"Function not found"}"#,
                "ResourceNotFoundException",
                "Function not found",
                FaultKind::Missing,
            ),
            (
                400,
                None,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#,
                "ResourceNotFoundException",
                "",
                FaultKind::Missing,
            ),
            (
                400,
                None,
                r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"bad"}"#,
                "UnrecognizedClientException",
                "bad",
                FaultKind::Permission,
            ),
            (403, None, "<html>", "unnamed", "", FaultKind::Permission),
            (429, None, "", "unnamed", "", FaultKind::Throttled),
            (
                400,
                None,
                r#"{"__type":"ValidationException"}"#,
                "ValidationException",
                "",
                FaultKind::Request,
            ),
            (503, None, r#"["a"]"#, "unnamed", "", FaultKind::Service),
        ] {
            let fault = fault(status, header, body);
            assert_eq!(
                (fault.name.as_str(), fault.message.as_str()),
                (name, message)
            );
            assert_eq!(fault.kind(), kind, "{fault}");
        }
    }

    #[test]
    fn what_is_said_is_one_short_line() {
        let body = format!(r#"{{"message":"a\tb{}\nd"}}"#, "c".repeat(1000));
        let long = fault(500, Some("Odd"), &body);
        assert_eq!(long.message.chars().count(), SAID_CHARACTERS_MAX);
        assert!(long.message.starts_with("abc"));
        let body = r#"{"message":"not the signature\n\n'POST\nx-amz-security-token:hidden'"}"#;
        let repeated = fault(403, Some("InvalidSignatureException"), body);
        assert_eq!(repeated.message, "not the signature");
    }
}
