//! Calling a function of AWS Lambda and waiting for what it returns.
//!
//! An answer with status 200 tells by a header whether the function returned or failed; any other
//! status is the service's, and the function did not run or did not end. Source: AWS Lambda API
//! Reference, `Invoke`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::InvalidUri;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CallError, Calling, Client, Fault};
use crate::model::FunctionName;

/// As signatures name the service.
pub const SERVICE: &str = "lambda";

/// Largest event, and largest result, of a call that is waited for.
/// Source: AWS Lambda Developer Guide, "Lambda quotas".
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The header of an answer that says that the function failed.
pub const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");

/// A function cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The event is larger than any function takes.
    #[error("the event has {bytes} bytes, and a function takes at most {PAYLOAD_BYTES_MAX}")]
    EventTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// The path of the endpoint cannot stand in a request.
    #[error("the path of the endpoint cannot be sent")]
    BasePath(#[from] InvalidUri),
}

/// Why a function gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// It ran and failed: it raised an error, ran out of time or memory, or its process ended. Holds what
    /// is said of that, JSON that nobody has looked at, which may repeat anything of the event.
    #[error("the function failed")]
    Function(Bytes),
    /// The service did not run it.
    #[error("AWS Lambda answered {0}")]
    Service(#[from] Fault),
}

/// Why a function could not be called.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such call.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The service gave no answer.
    #[error("calling AWS Lambda: {0}")]
    Call(#[from] CallError),
}

impl Failure {
    /// Whether the service was not even asked.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        match self {
            Self::Request(_) | Self::Call(CallError::Credentials(_) | CallError::Sign(_)) => true,
            Self::Call(CallError::Call(_)) => false,
        }
    }
}

/// Calls `function` with `event` and gives the answer, whatever it is: see [`result`].
///
/// # Errors
/// See [`Failure`].
///
/// # Cancel safety
/// Dropping the future closes the connection; the function may run to its end all the same.
pub async fn invoke(
    client: &Client,
    function: &FunctionName,
    event: Bytes,
    calling: Calling<'_>,
) -> Result<Response<Bytes>, Failure> {
    let request = request(client.base_path(), function, event)?;
    Ok(client.call(request, calling).await?)
}

/// The request, not signed yet, that calls `function` with `event`. `base_path` is what the URL of the
/// endpoint has before it; empty or starting with `/` and not ending with it.
///
/// # Errors
/// See [`RequestError`].
pub fn request(
    base_path: &str,
    function: &FunctionName,
    event: Bytes,
) -> Result<Request<Bytes>, RequestError> {
    if event.len() > PAYLOAD_BYTES_MAX {
        let bytes = event.len();
        return Err(RequestError::EventTooLarge { bytes });
    }
    let name = utf8_percent_encode(function.as_str(), ESCAPED);
    let target = format!("{base_path}/2015-03-31/functions/{name}/invocations");
    let mut request = Request::new(event);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(target)?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(INVOCATION_TYPE, HeaderValue::from_static("RequestResponse"));
    Ok(request)
}

/// What the function returned, as JSON that nobody has looked at.
///
/// # Errors
/// See [`InvokeError`].
pub fn result(answer: Response<Bytes>) -> Result<Bytes, InvokeError> {
    let (head, body) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(Fault::of(head.status, &head.headers, &body).into());
    }
    if head.headers.contains_key(FUNCTION_ERROR) {
        return Err(InvokeError::Function(body));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from(body.to_owned()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some((name, value)) = header {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        answer
    }

    #[test]
    fn a_call_names_its_function_in_one_segment() {
        for (written, base_path, expected) in [
            ("who", "", "/2015-03-31/functions/who/invocations"),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:who:$LATEST",
                "/aws",
                "/aws/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3A\
                 function%3Awho%3A%24LATEST/invocations",
            ),
        ] {
            let name = FunctionName::parse(written).unwrap();
            let request = request(base_path, &name, Bytes::from_static(b"{}")).unwrap();
            assert_eq!(request.uri(), expected);
            assert_eq!(request.method(), Method::POST);
            assert_eq!(
                request.headers()["x-amz-invocation-type"],
                "RequestResponse"
            );
        }
    }

    #[test]
    fn an_event_that_no_function_takes_is_not_sent() {
        let name = FunctionName::parse("who").unwrap();
        let fits = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX]);
        assert!(request("", &name, fits).is_ok());
        let event = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX + 1]);
        let refused = request("", &name, event);
        assert!(
            matches!(refused, Err(RequestError::EventTooLarge { bytes }) if bytes > PAYLOAD_BYTES_MAX)
        );
    }

    #[test]
    fn results_are_told_from_failures_and_from_faults_of_the_service() {
        assert_eq!(result(answer(200, None, "{\"a\":1}")).unwrap(), "{\"a\":1}");
        assert_eq!(result(answer(200, None, "null")).unwrap(), "null");

        let failed = Some(("x-amz-function-error", "Unhandled"));
        for body in [
            r#"{"errorType":"ValueError","errorMessage":"none"}"#,
            "[]",
            "",
        ] {
            let said = Bytes::from(body);
            let refused = result(answer(200, failed, body));
            assert_eq!(refused, Err(InvokeError::Function(said)));
        }

        let kind = Some(("x-amzn-errortype", "AccessDeniedException"));
        for status in [202, 204, 302, 403, 404, 500] {
            let refused = result(answer(status, kind, r#"{"Message":"no"}"#));
            let Err(InvokeError::Service(fault)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(
                (fault.status.as_u16(), fault.message.as_str()),
                (status, "no")
            );
        }
    }
}
