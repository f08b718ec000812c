//! Keep-alive connections of one worker, newest first.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connect::{Link, connect};
use super::{ConnectError, PlanId, UpstreamPlan};
use crate::body::UpstreamBody;
use crate::concurrency::Seat;

/// A worker's idle connections.
#[derive(Debug, Default)]
pub struct Pool {
    idle: RefCell<HashMap<PlanId, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// As many requests ask it as it may be asked.
    #[error("{0} requests are under way already")]
    Full(u32),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// TLS ended, as where the upstream did not take the certificate that it was shown, or was shown
    /// none: since TLS 1.3 it says so after the handshake.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("{0}")]
    Http(hyper::Error),
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        match tls_fault(&error) {
            Some(fault) => Self::Tls(fault),
            None => Self::Http(error),
        }
    }
}

/// What TLS says of an error that was one of TLS.
fn tls_fault(error: &hyper::Error) -> Option<rustls::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.get_ref()?.downcast_ref::<rustls::Error>().cloned();
        }
        cause = error.source();
    }
    None
}

/// An upstream's answer.
pub type Answer = Response<PooledBody>;

impl Pool {
    /// Sends `request` over an idle connection, or a fresh one.
    ///
    /// A pooled connection may have been closed by the upstream a moment ago. A request of which
    /// nothing was sent goes again over another one; so does one without body and with a safe
    /// method (RFC 9110, section 9.2.1) that got no answer. Nothing else is ever sent twice.
    ///
    /// # Errors
    /// See [`SendError`].
    ///
    /// A seat of the upstream is taken before, and left with the end of the answer: where there is none
    /// nobody waits for one.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection it uses, which ends the upstream's work.
    pub async fn send(
        self: &Rc<Self>,
        plan: &UpstreamPlan,
        mut request: Request<UpstreamBody>,
    ) -> Result<Answer, SendError> {
        let mut seat = plan.enter()?;
        while let Some(link) = self.take(plan) {
            let repeat = repeatable(&request);
            request = match self.try_send(plan, link, request).await {
                Ok(answer) => return Ok(answer.map(|body| body.seated(seat.take()))),
                Err((_stale, Some(unsent))) => unsent,
                Err((error, None)) => match repeat.filter(|_| is_broken_off(&error)) {
                    Some(again) => *again,
                    None => return Err(error.into()),
                },
            };
        }
        // Boxed: a handshake's state would otherwise travel with every request.
        let fresh = Box::pin(connect(plan)).await?;
        match self.try_send(plan, fresh, request).await {
            Ok(answer) => Ok(answer.map(|body| body.seated(seat))),
            Err((error, _)) => Err(error.into()),
        }
    }

    async fn try_send(
        self: &Rc<Self>,
        plan: &UpstreamPlan,
        mut link: Link,
        request: Request<UpstreamBody>,
    ) -> Result<Answer, (hyper::Error, Option<Request<UpstreamBody>>)> {
        match link.sender().try_send_request(request).await {
            Ok(response) => {
                let home = Home {
                    pool: Rc::downgrade(self),
                    upstream: plan.id,
                    idle_max: plan.settings.idle_per_worker_max,
                    link,
                };
                Ok(response.map(|inner| PooledBody::new(inner, home)))
            }
            Err(mut error) => {
                let unsent = error.take_message();
                Err((error.into_error(), unsent))
            }
        }
    }

    /// The newest connection that stands and waits for a request.
    ///
    /// One that an upstream answered before it had the whole request is not waiting yet: its old
    /// request may still be arriving from a slow client. It is passed over, never waited for.
    fn take(&self, plan: &UpstreamPlan) -> Option<Link> {
        let mut pool = self.idle.borrow_mut();
        let connections = pool.get_mut(&plan.id)?;
        let now = Instant::now();
        for index in (0..connections.len()).rev() {
            let idle = connections.get(index)?;
            let is_old = now.duration_since(idle.since) > plan.settings.idle_timeout;
            if is_old || idle.link.is_closed() {
                connections.remove(index);
            } else if idle.link.is_ready() {
                return Some(connections.remove(index).link);
            }
        }
        None
    }

    /// Closes what has been idle too long and what belongs to upstreams that are gone.
    pub fn sweep<'p>(&self, plans: impl Iterator<Item = &'p UpstreamPlan>) {
        let timeouts: HashMap<PlanId, _> = plans
            .map(|plan| (plan.id, plan.settings.idle_timeout))
            .collect();
        self.idle.borrow_mut().retain(|upstream, connections| {
            let Some(&timeout) = timeouts.get(upstream) else {
                return false;
            };
            connections.retain(|idle| !idle.link.is_closed() && idle.since.elapsed() <= timeout);
            true
        });
    }
}

/// Whether a connection ended before an answer began.
fn is_broken_off(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed()
}

/// A copy of a request that may be sent twice: safe and without body.
fn repeatable(request: &Request<UpstreamBody>) -> Option<Box<Request<UpstreamBody>>> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !safe || !matches!(request.body(), UpstreamBody::Empty) {
        return None;
    }
    let mut copy = Request::new(UpstreamBody::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(Box::new(copy))
}

/// Where a connection returns to when its answer has been read.
#[derive(Debug)]
struct Home {
    pool: Weak<Pool>,
    upstream: PlanId,
    idle_max: usize,
    link: Link,
}

impl Home {
    fn go(self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        if self.link.is_closed() {
            return;
        }
        let mut idle = pool.idle.borrow_mut();
        let connections = idle.entry(self.upstream).or_default();
        if connections.len() < self.idle_max {
            connections.push(Idle {
                link: self.link,
                since: Instant::now(),
            });
        }
    }
}

/// A response body that returns its connection to the pool at its end. Dropped earlier, it closes
/// the connection.
#[derive(Debug)]
pub struct PooledBody {
    inner: Incoming,
    home: Option<Home>,
    /// Its request's, where those are limited; left with its end.
    seat: Option<Seat>,
}

impl PooledBody {
    fn new(inner: Incoming, home: Home) -> Self {
        let mut body = Self {
            inner,
            home: Some(home),
            seat: None,
        };
        body.return_if_ended();
        body
    }

    /// With the seat of its request, unless it has ended.
    fn seated(mut self, seat: Option<Seat>) -> Self {
        self.seat = seat.filter(|_| !self.inner.is_end_stream());
        self
    }

    fn return_if_ended(&mut self) {
        if self.inner.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.seat = None;
        if let Some(home) = self.home.take() {
            home.go();
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        match &frame {
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Ok(_))) => self.return_if_ended(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
