//! How a backend that is a service of AWS, or speaks like one, named a request.

use http::{HeaderMap, HeaderName, HeaderValue};

const X_AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZ_ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The names that an answer has for its request, for `$context.awsEndpointRequestId` and
/// `$context.awsEndpointRequestId2`.
#[derive(Debug, Default)]
pub struct EndpointIds {
    first: Option<HeaderValue>,
    second: Option<HeaderValue>,
}

impl EndpointIds {
    /// What the headers of a backend's answer say, before any of them is renamed.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let first = headers.get(X_AMZ_REQUEST_ID);
        Self {
            first: first.or_else(|| headers.get(X_AMZN_REQUESTID)).cloned(),
            second: headers.get(X_AMZ_ID_2).cloned(),
        }
    }

    /// `x-amz-request-id` or else `x-amzn-requestid`; `None` where the backend says neither, or what
    /// is no text.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.first.as_ref()?.to_str().ok()
    }

    /// `x-amz-id-2`, likewise.
    #[must_use]
    pub fn second(&self) -> Option<&str> {
        self.second.as_ref()?.to_str().ok()
    }
}
