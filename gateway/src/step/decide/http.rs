//! Servers that decide over HTTP: a document goes in, and a value of the answer says yes or no.
//!
//! What is not plainly a yes or a no decides nothing: another status than 200, no JSON, nothing where
//! the answer should be, no answer in time.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{InvalidUri, PathAndQuery};
use http::{Method, Request, StatusCode};
use serde_json::Value;

use super::question::Asked;
use super::remote::{Decider, Said, Unanswered};
use super::server::{JSON, Means, NoAnswer, Server};
use crate::exchange::Refusal;
use crate::language::document::Document;
use crate::language::json_path::{Found, JsonPath};
use crate::model::HttpEngine;
use crate::oauth::Shown;
use crate::step::attempt::Attempt;
use crate::upstream::{CallBounds, UpstreamPlan};

/// Largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a server is asked, and what its answer means.
#[derive(Debug)]
pub struct HttpDecider {
    server: Server,
    path: PathAndQuery,
    request: Document,
    answer_at: JsonPath,
    allowed: Value,
}

impl HttpDecider {
    /// As `engine` says; `plan` leads to the server, which is shown `authorization`.
    ///
    /// # Errors
    /// Where its path cannot be asked for.
    pub fn new(
        engine: &HttpEngine,
        plan: Arc<UpstreamPlan>,
        authorization: Option<Shown>,
    ) -> Result<Self, InvalidUri> {
        Ok(Self {
            server: Server::new(
                plan,
                authorization,
                CallBounds {
                    timeout: engine.timeout,
                    bytes_max: ANSWER_BYTES_MAX,
                },
            ),
            path: engine.remote.path.parse()?,
            request: engine.request.clone(),
            answer_at: engine.answer_at.clone(),
            allowed: engine.allowed.clone(),
        })
    }
}

impl Decider for HttpDecider {
    type Question = Bytes;

    async fn question(
        &self,
        asked: &Asked<'_>,
        _attempt: &Attempt<'_>,
        _token: Option<&str>,
    ) -> Result<Bytes, Refusal> {
        let question = asked.document(&self.request);
        let question = question.ok_or_else(|| Unanswered::NoQuestion.refusal())?;
        Ok(Bytes::from(question.to_string()))
    }

    fn parts(question: &Bytes) -> Vec<&[u8]> {
        vec![question]
    }

    async fn ask(&self, question: Bytes, means: &Means) -> Result<Said, Unanswered> {
        let mut request = Request::new(question);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone().into();
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        let answer = self.server.ask(request, means).await;
        let answer = answer.map_err(|error| match error {
            NoAnswer::Token(error) => Unanswered::Token(error),
            NoAnswer::Call(error) => Unanswered::Call(error.to_string()),
        })?;
        if answer.status() != StatusCode::OK {
            return Err(Unanswered::Status(answer.status()));
        }
        let answer: Value =
            serde_json::from_slice(answer.body()).map_err(|_error| Unanswered::Json)?;
        let is_allowed = match self.answer_at.find(&answer) {
            Some(Found::One(value)) => *value == self.allowed,
            // Of none, nobody can say that all of them are so.
            Some(Found::Many(values)) if !values.is_empty() => {
                values.into_iter().all(|value| *value == self.allowed)
            }
            Some(Found::Many(_)) | None => return Err(Unanswered::Nothing),
        };
        Ok(Said {
            is_allowed,
            policies: None,
            errors: 0,
        })
    }
}
