//! Services that are asked in JSON: one path, the operation in a header, and a JSON object either way.
//! Source: the protocol `json`, version 1.0, of the service models of AWS.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::InvalidUri;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::{Map, Value};

use super::{CallError, Calling, Client, Fault};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The path of the endpoint cannot stand in a request.
    #[error("the path of the endpoint cannot be sent")]
    BasePath(#[from] InvalidUri),
    /// The service gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The service did not do it.
    #[error("the service answered {0}")]
    Fault(#[from] Fault),
    /// The answer is not of the form that the service has for it.
    #[error("the answer of the service is not usable: {0}")]
    Answer(&'static str),
}

/// Asks `operation` (such as `DynamoDB_20120810.GetItem`) and gives the members of the answer.
pub(super) async fn ask(
    client: &Client,
    operation: &'static str,
    question: Map<String, Value>,
    calling: Calling<'_>,
) -> Result<Map<String, Value>, AskError> {
    let question = Bytes::from(Value::Object(question).to_string());
    ask_written(client, operation, question, calling).await
}

/// As [`ask`], of a question that is written already.
pub(super) async fn ask_written(
    client: &Client,
    operation: &'static str,
    question: Bytes,
    calling: Calling<'_>,
) -> Result<Map<String, Value>, AskError> {
    let request = request(client.base_path(), operation, question)?;
    answer(client.call(request, calling).await?)
}

/// An object of these members.
pub(super) fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn request(
    base_path: &str,
    operation: &'static str,
    question: Bytes,
) -> Result<Request<Bytes>, InvalidUri> {
    let mut request = Request::new(question);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(format!("{base_path}/"))?;
    let headers = request.headers_mut();
    headers.insert(TARGET, HeaderValue::from_static(operation));
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(CONTENT_TYPE, json);
    Ok(request)
}

fn answer(answer: Response<Bytes>) -> Result<Map<String, Value>, AskError> {
    let (head, body) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(Fault::of(head.status, &head.headers, &body).into());
    }
    let members = serde_json::from_slice(&body);
    members.map_err(|_may_quote_it| AskError::Answer("it is no JSON object"))
}
