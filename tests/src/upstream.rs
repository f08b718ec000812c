//! Backends on loopback that do what a test wants.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::wait::within;

/// Where backends listen unless a test says otherwise.
const LOOPBACK: &str = "127.0.0.1";

/// What backends answer with.
pub type Reply = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// A backend. Dropping it closes it and every connection.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    seen: watch::Sender<Seen>,
    serving: tokio::task::JoinHandle<()>,
}

/// What a backend has seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Connections accepted.
    pub connections: u64,
    /// Requests begun.
    pub requests: u64,
    /// Requests whose client left before they were answered.
    pub cancelled: u64,
}

impl Upstream {
    /// A backend that answers every request with a description of it.
    pub async fn echo() -> Self {
        Self::http(|request| async { describe(request).await }).await
    }

    /// One that answers `/long` as often as the gate has permits, and everything else at once.
    pub async fn gated() -> (Self, Arc<Semaphore>) {
        let go = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&go);
        let upstream = Self::http(move |request| {
            let gate = Arc::clone(&gate);
            async move {
                if request.uri().path() == "/long"
                    && let Ok(permit) = gate.acquire().await
                {
                    permit.forget();
                }
                reply(200, "whole")
            }
        });
        (upstream.await, go)
    }

    /// A backend that answers with what `handler` makes of requests.
    pub async fn http<F, A>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        Self::http_at(LOOPBACK, handler).await
    }

    /// As [`Self::http`], on another address of this thread's network namespace.
    pub async fn http_at<F, A>(address: &str, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let (seen, _) = watch::channel(Seen::default());
        let (count, handler) = (seen.clone(), Arc::new(handler));
        Self::serve(address, seen, move |stream| {
            let (count, handler) = (count.clone(), Arc::clone(&handler));
            async move {
                let service = service_fn(move |request| {
                    let open = Open::begin(&count);
                    let answer = handler(request);
                    async move {
                        let answer = answer.await;
                        open.answered();
                        Ok::<_, Infallible>(answer)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // Clients that break off are what some tests are about.
                drop(connection.await);
            }
        })
        .await
    }

    /// A backend that does with every connection what `handler` does.
    pub async fn raw<F, A>(handler: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::serve(LOOPBACK, watch::channel(Seen::default()).0, handler).await
    }

    async fn serve<F, A>(address: &str, seen: watch::Sender<Seen>, handler: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((address, 0))
            .await
            .expect("the address is local and has ports");
        let address = listener.local_addr().expect("it has an address");
        let count = seen.clone();
        let serving = tokio::spawn(async move {
            // Dropped with this task, and with it every connection.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|seen| seen.connections += 1);
                connections.spawn(handler(stream));
            }
        });
        Self {
            address,
            seen,
            serving,
        }
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what it has seen satisfies `condition`.
    pub async fn when(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        drop(
            within(what, seen.wait_for(|seen| condition(seen)))
                .await
                .expect("the backend runs"),
        );
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Open {
    seen: watch::Sender<Seen>,
    answered: bool,
}

impl Open {
    fn begin(seen: &watch::Sender<Seen>) -> Self {
        seen.send_modify(|seen| seen.requests += 1);
        Self {
            seen: seen.clone(),
            answered: false,
        }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.answered {
            self.seen.send_modify(|seen| seen.cancelled += 1);
        }
    }
}

/// A reply of this text.
pub fn reply(status: u16, text: impl Into<Bytes>) -> Reply {
    let body = Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    Response::builder()
        .status(status)
        .body(body)
        .expect("a valid response")
}

/// A reply without body.
#[must_use]
pub fn empty(status: u16) -> Reply {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Response::builder()
        .status(status)
        .body(body)
        .expect("a valid response")
}

/// All that a backend was sent, as bytes.
pub async fn sent(request: Request<Incoming>) -> Vec<u8> {
    let (mut body, mut whole) = (request.into_body(), Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    whole
}

/// What a description of a request ends with, and has nowhere else.
pub const ECHO_END: &str = "{\"end\":true}}";

/// A JSON description of a request, its body read to the end.
pub async fn describe(request: Request<Incoming>) -> Reply {
    let (head, mut body) = request.into_parts();
    let (mut length, mut start) = (0, Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            length += data.len();
            if start.len() < 1024 {
                start.extend_from_slice(&data);
            }
        }
    }
    let mut headers = serde_json::Map::new();
    for name in head.headers.keys() {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.to_string(), json!(values.join(" | ")));
    }
    let body = if length <= 1024 {
        String::from_utf8_lossy(&start).into_owned()
    } else {
        String::new()
    };
    let description = json!({
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "headers": headers,
        "length": length,
        "body": body,
        // Last, because keys are sorted.
        "zz": {"end": true},
    });
    reply(200, description.to_string())
}
