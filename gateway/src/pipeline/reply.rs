//! The one place that writes responses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::exchange::{Exchange, GatewayResponse, Reason, Rejection, RequestId};
use crate::integration::{IntegrationResponse, body_rejection};
use crate::model::ApiKind;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::{OpenRecord, REASON_UPSTREAM_BROKE_OFF};
use crate::telemetry::metrics::WorkerMetrics;
use crate::upstream::PooledBody;

/// The request's name, for the client to quote: of HTTP APIs, and two of REST APIs.
const APIGW_REQUESTID: HeaderName = HeaderName::from_static("apigw-requestid");
const X_AMZ_APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// What kind of error a REST API answered.
const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Turns the outcome of a pipeline into a response whose end writes the log record.
pub(crate) fn respond(
    outcome: Result<IntegrationResponse, Rejection>,
    exchange: Exchange,
    metrics: &WorkerMetrics,
    snapshot: Arc<Snapshot>,
) -> Response<ReplyBody> {
    let Exchange {
        id,
        kind,
        mut record,
        ..
    } = exchange;
    let (mut response, source) = match outcome {
        Ok(IntegrationResponse {
            response,
            silence_max,
        }) => {
            let (head, body) = response.into_parts();
            (
                Response::from_parts(head, ()),
                Source::Upstream {
                    body,
                    silence_max,
                    silence: None,
                },
            )
        }
        Err(rejection) => {
            metrics.rejection(rejection.reason as usize);
            record.record.reason = Some(rejection.reason.name());
            record.record.detail.clone_from(&rejection.detail);
            let (mut response, body) = write_rejection(&rejection, kind);
            // HTTP/2 would send the body of an answer to HEAD, which a client takes for an attack.
            let source = if record.record.method.as_deref() == Some("HEAD") {
                response
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                Source::Whole(None)
            } else {
                Source::Whole(Some(body))
            };
            (response, source)
        }
    };
    name(response.headers_mut(), id, kind, &record);
    record.record.status = Some(response.status().as_u16());
    let mut body = ReplyBody {
        source,
        record,
        _snapshot: snapshot,
    };
    // An answer without body is never asked for one.
    if body.is_end_stream() {
        body.record.complete();
    }
    response.map(|()| body)
}

/// Names the request in the way of its API's type, over anything that an upstream called it.
fn name(headers: &mut HeaderMap, id: RequestId, kind: ApiKind, record: &OpenRecord) {
    let short = match kind {
        ApiKind::Http => APIGW_REQUESTID,
        ApiKind::Rest => X_AMZ_APIGW_ID,
    };
    // Both are ASCII, and one that is not would only be missing.
    if let Ok(value) = HeaderValue::from_bytes(&id.short()) {
        headers.insert(short, value);
    }
    let long = record.record.amzn_request_id.as_deref();
    if let Some(Ok(value)) = long.map(HeaderValue::from_str) {
        headers.insert(X_AMZN_REQUESTID, value);
    }
}

/// The response to a rejection, and its body.
fn write_rejection(rejection: &Rejection, kind: ApiKind) -> (Response<()>, Bytes) {
    let (mut response, body) = match kind {
        ApiKind::Http => write_http(rejection),
        ApiKind::Rest => write_rest(rejection),
    };
    let headers = response.headers_mut();
    if let Some(seconds) = rejection.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if rejection.reason == Reason::BadFraming {
        // Nobody can be sure where the next request would begin.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    (response, body)
}

/// The fixed answers of HTTP APIs.
fn write_http(rejection: &Rejection) -> (Response<()>, Bytes) {
    let answer = rejection.reason.response_type();
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let challenge = rejection.challenge.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(challenge)) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    (response, Bytes::from_static(answer.body().as_bytes()))
}

/// The gateway responses of REST APIs, as they are by default.
fn write_rest(rejection: &Rejection) -> (Response<()>, Bytes) {
    let (answer, otherwise) = (
        rejection.reason.gateway_response(),
        rejection.reason.response_type(),
    );
    let message = rejection.message.as_deref().or(answer.message());
    let message = message.unwrap_or(otherwise.message());
    let mut response = Response::new(());
    *response.status_mut() = answer.status().unwrap_or(otherwise.status());
    let headers = response.headers_mut();
    if answer == GatewayResponse::RequestTooLarge {
        // Documented so: neither JSON nor a gateway response that could be customized.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return (response, Bytes::copy_from_slice(message.as_bytes()));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let error_type = HeaderValue::from_static(answer.error_type());
    headers.insert(X_AMZN_ERRORTYPE, error_type);
    let body = serde_json::json!({ "message": message });
    (response, Bytes::from(body.to_string()))
}

/// A response body; the request ends with it.
#[derive(Debug)]
pub struct ReplyBody {
    source: Source,
    record: OpenRecord,
    /// The snapshot that the request runs by, pinned to its last byte.
    _snapshot: Arc<Snapshot>,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Upstream {
        body: PooledBody,
        silence_max: Duration,
        silence: Option<Pin<Box<Sleep>>>,
    },
}

/// The upstream broke off within its response.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// The connection failed.
    #[error("the upstream broke off: {0}")]
    Broken(hyper::Error),
    /// Nothing came for the integration's time-out.
    #[error("the upstream fell silent for {0:?}")]
    Silent(Duration),
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplyError>>> {
        let (body, silence_max, silence) = match self {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(Ok)),
            Self::Upstream {
                body,
                silence_max,
                silence,
            } => (body, *silence_max, silence),
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(ReplyError::Broken(error)))),
            Poll::Ready(Some(Ok(frame))) => {
                *silence = None;
                // Trailers end here, as they do on the way in.
                frame
                    .into_data()
                    .map_or(Poll::Ready(None), |data| Poll::Ready(Some(Ok(data))))
            }
            Poll::Pending => {
                let timer =
                    silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence_max)));
                timer
                    .as_mut()
                    .poll(cx)
                    .map(|()| Some(Err(ReplyError::Silent(silence_max))))
            }
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let this = &mut *self;
        let piece = std::task::ready!(this.source.poll(cx));
        let record = &mut this.record;
        match piece {
            None => {
                record.complete();
                Poll::Ready(None)
            }
            Some(Ok(data)) => {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                record.record.response_bytes = record.record.response_bytes.saturating_add(length);
                if this.source.is_end_stream() {
                    record.complete();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => {
                // An upstream breaks off too when what it was being sent does.
                let fault = record.body.as_ref().and_then(|body| body.fault());
                record.record.reason = Some(match fault {
                    Some(fault) => body_rejection(fault).reason.name(),
                    None => REASON_UPSTREAM_BROKE_OFF,
                });
                record.record.detail = Some(error.to_string().into());
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(
                bytes
                    .as_ref()
                    .and_then(|bytes| u64::try_from(bytes.len()).ok())
                    .unwrap_or(0),
            ),
            Source::Upstream { body, .. } => body.size_hint(),
        }
    }
}

impl Source {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Upstream { body, .. } => body.is_end_stream(),
        }
    }
}
