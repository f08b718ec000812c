//! Asking the server of a container or of an instance.
//!
//! Each question has its own connection and a short time; a redirect is never followed, because any
//! status but 200 is a failure. Sources: Amazon ECS Developer Guide, "Task IAM role"; Amazon EC2 User
//! Guide, "Use the Instance Metadata Service" (version 2, with a session; version 1 is not asked).

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::uri::InvalidUri;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

use super::document::{self, DocumentError};
use super::source::{Authorization, Server};
use super::{Credentials, text_of};
use crate::body::BodyBudget;
use crate::upstream::{CallBounds, CallError, Pool, UpstreamPlan, call};

/// Longest time for one question; the instance is asked three.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a session with the instance is to last. It is for three questions.
const SESSION_SECONDS: HeaderValue = HeaderValue::from_static("60");

const SESSION_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const SESSION: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Longest name of a role, and longest token in a file.
const NAME_BYTES_MAX: usize = 256;
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

/// Why a server gave no credentials.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It did not answer.
    #[error("it gave no answer to `{0}`")]
    Call(&'static str, #[source] CallError),
    /// It refused.
    #[error("it answered `{0}` with status {1}")]
    Status(&'static str, StatusCode),
    /// It has another word for what was asked for.
    #[error("its answer to `{0}` is not usable")]
    Answer(&'static str),
    /// The file with what it wants to be shown cannot be used.
    #[error("the token in `{}` cannot be used", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What it gave is no credentials.
    #[error("what it gave cannot be used")]
    Document(#[from] DocumentError),
    /// Its URL cannot be asked.
    #[error(transparent)]
    Url(#[from] InvalidUri),
}

/// Asks `server`, to which `plan` leads, once. Has to run where tasks can be spawned locally.
pub(super) async fn ask(server: &Server, plan: &UpstreamPlan) -> Result<Credentials, ServerError> {
    let asking = Asking { plan };
    match server {
        Server::Container { url, authorization } => {
            let mut request = get(&url.path)?;
            if let Some(authorization) = authorization {
                let value = shown(authorization)?;
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Ok(document::read(&asking.once("credentials", request).await?)?)
        }
        Server::Instance { url } => {
            let base = url.path.trim_end_matches('/');
            let mut request = get(&format!("{base}/latest/api/token"))?;
            *request.method_mut() = Method::PUT;
            request.headers_mut().insert(SESSION_TTL, SESSION_SECONDS);
            let session = asking.once("session", request).await?;
            let session = HeaderValue::from_bytes(&session);
            let mut session = session.map_err(|_may_quote_it| ServerError::Answer("session"))?;
            session.set_sensitive(true);

            let mut request = get(&format!("{base}{ROLES}"))?;
            request.headers_mut().insert(SESSION, session.clone());
            let roles = asking.once("role", request).await?;
            let role = role_of(&roles).ok_or(ServerError::Answer("role"))?;

            let mut request = get(&format!("{base}{ROLES}{role}"))?;
            request.headers_mut().insert(SESSION, session);
            Ok(document::read(&asking.once("credentials", request).await?)?)
        }
    }
}

struct Asking<'a> {
    plan: &'a UpstreamPlan,
}

impl Asking<'_> {
    async fn once(
        &self,
        what: &'static str,
        request: Request<Bytes>,
    ) -> Result<Bytes, ServerError> {
        let bounds = CallBounds {
            timeout: TIMEOUT,
            bytes_max: document::BYTES_MAX,
        };
        let budget = BodyBudget::new(document::BYTES_MAX as u64);
        let pool = Rc::new(Pool::default());
        // Boxed: a handshake's state is large, and this runs rarely.
        let answer = Box::pin(call(&pool, self.plan, request, bounds, &budget)).await;
        let answer = answer.map_err(|error| ServerError::Call(what, error))?;
        if answer.status() != StatusCode::OK {
            return Err(ServerError::Status(what, answer.status()));
        }
        Ok(answer.into_body())
    }
}

fn get(path: &str) -> Result<Request<Bytes>, InvalidUri> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::try_from(path)?;
    Ok(request)
}

/// The first role, which is the only one there is.
fn role_of(roles: &[u8]) -> Option<&str> {
    let role = std::str::from_utf8(roles).ok()?.lines().next()?.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte);
    let is_name = (1..=NAME_BYTES_MAX).contains(&role.len()) && role.bytes().all(allowed);
    is_name.then_some(role)
}

fn shown(authorization: &Authorization) -> Result<HeaderValue, ServerError> {
    let path = match authorization {
        Authorization::Token(value) => return Ok(value.clone()),
        Authorization::File(path) => path,
    };
    let failed = |source| ServerError::Token {
        path: path.clone(),
        source,
    };
    let text = text_of(path, TOKEN_BYTES_MAX).map_err(failed)?;
    let token = text.trim();
    let value = HeaderValue::from_str(token).ok();
    let value = value.filter(|value| !value.is_empty());
    let mut value = value.ok_or_else(|| failed(io::Error::other("it is no token")))?;
    value.set_sensitive(true);
    Ok(value)
}
