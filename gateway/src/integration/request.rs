//! An admitted request, ready for its integration.

use std::borrow::Cow;
use std::rc::Rc;

use http::{HeaderMap, Method, Uri};

use crate::body::{BodyProgress, UpstreamBody};
use crate::step::proof::Permit;

/// An admitted request, ready to be sent.
#[derive(Debug)]
pub struct IntegrationRequest {
    /// Method as received.
    pub method: Method,
    /// Path and query of the request as received.
    pub uri: Uri,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Body as the route's plan wants it.
    pub body: UpstreamBody,
    /// What the body came to, where it is read while it is sent.
    pub progress: Option<Rc<BodyProgress>>,
    /// Proof that it was admitted.
    _permit: Permit,
}

impl IntegrationRequest {
    /// From the parts of a request that holds a permit.
    #[must_use]
    pub fn new(
        permit: Permit,
        head: http::request::Parts,
        body: UpstreamBody,
        progress: Option<Rc<BodyProgress>>,
    ) -> Self {
        let http::request::Parts {
            method,
            uri,
            headers,
            ..
        } = head;
        Self {
            method,
            uri,
            headers,
            body,
            progress,
            _permit: permit,
        }
    }
}

/// Where a request was found to lead.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its path, without the stage, as it arrived.
    pub path: &'a str,
    /// The parameters of its path: decoded, but for a greedy one, which is raw.
    pub parameters: &'a [(&'a str, Cow<'a, str>)],
}
