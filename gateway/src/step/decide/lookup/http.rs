//! Records that a server has, one under each URL.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, StatusCode};
use serde_json::Value;

use super::{RECORD_BYTES_MAX, RECORD_MEMORY_MAX, Unfound};
use crate::language::parsed_memory;
use crate::model::{HttpLookup, KeyedPath};
use crate::oauth::Shown;
use crate::step::decide::server::{Means, NoAnswer, Server};
use crate::upstream::{CallBounds, UpstreamPlan};

/// A server with records.
#[derive(Debug)]
pub(super) struct HttpRecords {
    server: Server,
    path: KeyedPath,
}

impl HttpRecords {
    /// As `lookup` says; `plan` leads to the server, which is shown `authorization`.
    pub(super) fn new(
        lookup: &HttpLookup,
        plan: Arc<UpstreamPlan>,
        authorization: Option<Shown>,
    ) -> Self {
        let bounds = CallBounds {
            timeout: lookup.timeout,
            bytes_max: RECORD_BYTES_MAX,
        };
        Self {
            server: Server::new(plan, authorization, bounds),
            path: lookup.path.clone(),
        }
    }

    /// The record of `key`, an object; `None` where the server says that there is none.
    pub(super) async fn ask(&self, key: &str, means: &Means) -> Result<Option<Value>, Unfound> {
        let path = self.path.of(key).and_then(|path| path.parse().ok());
        let path: PathAndQuery = path.ok_or(Unfound::Unnameable)?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = path.into();
        let answer = self.server.ask(request, means).await;
        let answer = answer.map_err(|error| match error {
            NoAnswer::Token(error) => Unfound::Token(error),
            NoAnswer::Call(error) => Unfound::Call(error.to_string()),
        })?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(Unfound::Status(status)),
        }
        // Some texts grow a hundredfold when they are read.
        let memory = parsed_memory(answer.body()).map_err(|_may_quote_it| Unfound::NoObject)?;
        if memory > RECORD_MEMORY_MAX {
            return Err(Unfound::TooLarge);
        }
        match serde_json::from_slice(answer.body()) {
            Ok(record @ Value::Object(_)) => Ok(Some(record)),
            Ok(_) | Err(_) => Err(Unfound::NoObject),
        }
    }
}
