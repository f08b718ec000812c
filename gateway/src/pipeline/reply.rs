//! The one place that writes responses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::refused;
use crate::concurrency::Seat;
use crate::exchange::{Exchange, Refused, Rejection, UnderWay};
use crate::integration::{IntegrationResponse, ResponseBody, body_rejection};
use crate::model::ApiKind;
use crate::snapshot::Snapshot;
use crate::step::compress::{EncodeError, Encoder};
use crate::step::cors;
use crate::telemetry::access_log::{OpenRecord, REASON_UPSTREAM_BROKE_OFF};
use crate::telemetry::execution_log::Step;
use crate::telemetry::metrics::WorkerMetrics;
use crate::upstream::PooledBody;

/// The request's name, for the client to quote: of HTTP APIs, and two of REST APIs.
const APIGW_REQUESTID: HeaderName = HeaderName::from_static("apigw-requestid");
const X_AMZ_APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Turns the outcome of a pipeline into a response whose end writes the log record.
pub(crate) fn respond(
    outcome: Result<IntegrationResponse, Rejection>,
    mut exchange: Exchange,
    metrics: &WorkerMetrics,
    snapshot: Arc<Snapshot>,
) -> Response<ReplyBody> {
    let (mut response, body) = match outcome {
        Ok(IntegrationResponse { head, body }) => {
            note(&mut exchange, head.status(), None);
            (head, body)
        }
        Err(rejection) => {
            metrics.rejection(rejection.reason as usize);
            let (head, body) = refused::write(&rejection, &exchange);
            let told = refused::told(&rejection, exchange.kind, head.status());
            note(&mut exchange, head.status(), Some(told));
            let record = &mut exchange.record.record;
            record.reason = Some(rejection.reason.name());
            record.detail = rejection.detail;
            (head, ResponseBody::Whole(body))
        }
    };
    let has_none = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let source = match body {
        // A backend may have been sent another method than the client did.
        ResponseBody::Upstream { body, .. }
            if exchange.head.method == Method::HEAD && !body.is_end_stream() =>
        {
            Source::Whole(None)
        }
        ResponseBody::Whole(_) | ResponseBody::Encoded { .. } if has_none => Source::Whole(None),
        // HTTP/2 would send the body of an answer to HEAD, which a client takes for an attack.
        ResponseBody::Whole(body) if exchange.head.method == Method::HEAD => {
            // Of what a backend was asked for by HEAD nobody knows the length.
            if !body.is_empty() {
                let length = HeaderValue::from(body.len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            Source::Whole(None)
        }
        body => Source::new(body),
    };
    if let Some(said) = exchange.cors.take() {
        cors::replace(response.headers_mut(), said);
    }
    if let Some(rate_limit) = exchange.rate_limit.take() {
        rate_limit.write(response.headers_mut());
    }
    name(response.headers_mut(), &exchange);
    if let Some(follower) = exchange.record.follower() {
        follower.show(Step::ResponseHeaders, |message, masks| {
            message.push(format_args!("Method response headers: "));
            message.pairs(masks.told_answer(response.headers()));
        });
    }
    let mut body = ReplyBody {
        source,
        record: exchange.record,
        seats: exchange.seats,
        under_way: exchange.under_way,
        _snapshot: snapshot,
    };
    // An answer without body is never asked for one.
    if body.is_end_stream() {
        body.complete();
    }
    response.map(|()| body)
}

/// Keeps what the log says of the answer: behind this only its body is still to come.
fn note(exchange: &mut Exchange, status: StatusCode, refused: Option<Refused<'_>>) {
    exchange.record.record.status = Some(status.as_u16());
    exchange.word_line(refused);
}

/// Names the request in the way of its API's type, over anything that an upstream called it.
fn name(headers: &mut HeaderMap, exchange: &Exchange) {
    let short = match exchange.kind {
        ApiKind::Http => APIGW_REQUESTID,
        ApiKind::Rest => X_AMZ_APIGW_ID,
    };
    // Both are ASCII, and one that is not would only be missing.
    if let Ok(value) = HeaderValue::from_bytes(&exchange.id.short()) {
        headers.insert(short, value);
    }
    let long = exchange.record.record.amzn_request_id.as_deref();
    if let Some(Ok(value)) = long.map(HeaderValue::from_str) {
        headers.insert(X_AMZN_REQUESTID, value);
    }
}

/// A response body; the request ends with it.
#[derive(Debug)]
pub struct ReplyBody {
    source: Source,
    record: OpenRecord,
    seats: Vec<Seat>,
    under_way: Option<UnderWay>,
    /// The snapshot that the request runs by, pinned to its last byte.
    _snapshot: Arc<Snapshot>,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Upstream {
        first: Option<Bytes>,
        body: PooledBody,
        silence_max: Duration,
        silence: Option<Pin<Box<Sleep>>>,
    },
    Encoded {
        source: Box<Source>,
        /// `None` once the end is made.
        encoder: Option<Encoder>,
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
    /// The compressor failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Source {
    fn new(body: ResponseBody) -> Self {
        match body {
            ResponseBody::Upstream {
                body,
                silence_max,
                first,
            } => Self::Upstream {
                first: first.filter(|first| !first.is_empty()),
                body,
                silence_max,
                silence: None,
            },
            ResponseBody::Whole(body) => Self::Whole(Some(body).filter(|body| !body.is_empty())),
            ResponseBody::Encoded { body, encoder } => Self::Encoded {
                source: Box::new(Self::new(*body)),
                encoder: Some(encoder),
            },
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplyError>>> {
        let (body, silence_max, silence) = match self {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(Ok)),
            Self::Encoded { source, encoder } => return poll_encoded(source, encoder, cx),
            Self::Upstream {
                first,
                body,
                silence_max,
                silence,
            } => {
                if let Some(first) = first.take() {
                    return Poll::Ready(Some(Ok(first)));
                }
                (body, *silence_max, silence)
            }
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

/// What the compressor has made of what has arrived.
fn poll_encoded(
    source: &mut Source,
    encoder: &mut Option<Encoder>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, ReplyError>>> {
    while let Some(running) = encoder {
        let made = match std::task::ready!(source.poll(cx)) {
            Some(Ok(piece)) => running.write(&piece),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {
                let rest = encoder.take().map(Encoder::finish);
                rest.unwrap_or(Ok(Bytes::new()))
            }
        };
        match made {
            Ok(made) if made.is_empty() => {}
            made => return Poll::Ready(Some(made.map_err(ReplyError::from))),
        }
    }
    Poll::Ready(None)
}

impl ReplyBody {
    fn complete(&mut self) {
        self.record.complete();
        self.seats.clear();
        self.under_way = None;
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
        match piece {
            None => {
                this.complete();
                Poll::Ready(None)
            }
            Some(Ok(data)) => {
                this.record.answers(&data);
                if this.source.is_end_stream() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => {
                let record = &mut this.record;
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
            Source::Upstream { first, body, .. } => with_first(first.as_ref(), body.size_hint()),
            Source::Encoded { .. } => SizeHint::default(),
        }
    }
}

/// The size of a body of which `first` goes before what `rest` tells of.
fn with_first(first: Option<&Bytes>, rest: SizeHint) -> SizeHint {
    let Some(first) = first else {
        return rest;
    };
    let first = u64::try_from(first.len()).unwrap_or(u64::MAX);
    match rest.exact() {
        Some(rest) => SizeHint::with_exact(first.saturating_add(rest)),
        None => SizeHint::default(),
    }
}

impl Source {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Upstream { first, body, .. } => first.is_none() && body.is_end_stream(),
            Self::Encoded { encoder, .. } => encoder.is_none(),
        }
    }
}
