//! A client with one connection: HTTP/1.1 or HTTP/2, with or without TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wait::within;

/// What requests carry.
pub type Outgoing = UnsyncBoxBody<Bytes, Infallible>;

/// The host that requests name unless they name another.
pub const HOST_NAME: &str = "api.test";

/// No body.
#[must_use]
pub fn nothing() -> Outgoing {
    Empty::new().boxed_unsync()
}

/// A body of known length.
pub fn whole(bytes: impl Into<Bytes>) -> Outgoing {
    Full::new(bytes.into()).boxed_unsync()
}

/// A chunked body, fed piece by piece; it ends when the sender is dropped.
#[must_use]
pub fn pieces() -> (mpsc::Sender<Bytes>, Outgoing) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Pieces(receiver).boxed_unsync())
}

struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame?.into_data() {
                body.extend_from_slice(&data);
            }
        }
        Ok(Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// A header's only value; empty where it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .map(|value| value.to_str().expect("headers are text"));
        value.unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|error| crate::wait::fail(&format!("{error} in {:?}", self.text())))
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    scheme: &'static str,
}

#[derive(Debug, Clone)]
enum Sender {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Outgoing>>>),
    Http2(http2::SendRequest<Outgoing>),
}

impl Client {
    /// HTTP/1.1 in plaintext.
    pub async fn http1(address: SocketAddr) -> Self {
        Self::over(connect(address).await, false, "http").await
    }

    /// HTTP/1.1 in plaintext over a connection that exists.
    pub async fn http1_over(stream: TcpStream) -> Self {
        Self::over(stream, false, "http").await
    }

    /// HTTP/1.1 in plaintext from a source address of the loopback network.
    pub async fn http1_from(source: &str, address: SocketAddr) -> Self {
        Self::over(connect_from(source, address).await, false, "http").await
    }

    /// HTTP/2 in plaintext with prior knowledge.
    pub async fn http2(address: SocketAddr) -> Self {
        Self::over(connect(address).await, true, "http").await
    }

    /// HTTP/2 in plaintext with prior knowledge, from a source address of the loopback network.
    pub async fn http2_from(source: &str, address: SocketAddr) -> Self {
        Self::over(connect_from(source, address).await, true, "http").await
    }

    /// Over TLS, in the protocol that the server picks from those `config` offers.
    pub async fn tls(address: SocketAddr, config: &Arc<rustls::ClientConfig>) -> Self {
        let stream = tls(address, config, HOST_NAME)
            .await
            .expect("the handshake succeeds");
        Self::over_tls(stream).await
    }

    /// Over a connection whose handshake is done.
    pub async fn over_tls(stream: TlsStream<TcpStream>) -> Self {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Box::pin(Self::over(stream, http2, "https")).await
    }

    async fn over<S>(stream: S, http2: bool, scheme: &'static str) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        // How a connection ends is seen in its requests.
        let sender = if http2 {
            let handshake = http2::handshake(TokioExecutor::new(), io);
            let (sender, connection) = within("HTTP/2", handshake).await.expect("it begins");
            drop(tokio::spawn(async move { drop(connection.await) }));
            Sender::Http2(sender)
        } else {
            let (sender, connection) = within("HTTP/1", http1::handshake(io))
                .await
                .expect("it begins");
            drop(tokio::spawn(async move { drop(connection.await) }));
            Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender)))
        };
        Self { sender, scheme }
    }

    /// Whether HTTP/2 is spoken.
    #[must_use]
    pub const fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request whose URI is a path, and waits for the response's head.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn start(&self, mut request: Request<Outgoing>) -> hyper::Result<Response<Incoming>> {
        match &self.sender {
            Sender::Http1(sender) => {
                let host = http::HeaderValue::from_static(HOST_NAME);
                request.headers_mut().entry(HOST).or_insert(host);
                let answer = async {
                    let mut sender = sender.lock().await;
                    sender.ready().await?;
                    sender.send_request(request).await
                };
                within("a response over HTTP/1", answer).await
            }
            Sender::Http2(sender) => {
                let target = request
                    .uri()
                    .path_and_query()
                    .map_or("/", http::uri::PathAndQuery::as_str);
                let uri = Uri::builder()
                    .scheme(self.scheme)
                    .authority(HOST_NAME)
                    .path_and_query(target);
                *request.uri_mut() = uri.build().expect("the parts are valid");
                let mut sender = sender.clone();
                let answer = async {
                    sender.ready().await?;
                    sender.send_request(request).await
                };
                within("a response over HTTP/2", answer).await
            }
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn try_send(&self, request: Request<Outgoing>) -> hyper::Result<Answer> {
        let response = self.start(request).await?;
        within("a response body", Answer::read(response)).await
    }

    /// As [`Client::try_send`], expecting an answer.
    pub async fn send(&self, request: Request<Outgoing>) -> Answer {
        self.try_send(request).await.expect("the gateway answers")
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// `GET path` with header fields.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(with(get(path), headers)).await
    }

    /// `POST path` with a body.
    pub async fn post(&self, path: &str, body: Outgoing) -> Answer {
        self.send(request(Method::POST, path, body)).await
    }
}

/// A request.
#[must_use]
pub fn request(method: Method, path: &str, body: Outgoing) -> Request<Outgoing> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("tests write valid paths");
    request
}

/// `GET path`.
#[must_use]
pub fn get(path: &str) -> Request<Outgoing> {
    request(Method::GET, path, nothing())
}

/// The request with more header fields.
#[must_use]
pub fn with(mut request: Request<Outgoing>, headers: &[(&str, &str)]) -> Request<Outgoing> {
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).expect("tests write valid names");
        request
            .headers_mut()
            .append(name, value.parse().expect("and values"));
    }
    request
}

/// A TCP connection.
pub async fn connect(address: SocketAddr) -> TcpStream {
    within("a connection", TcpStream::connect(address))
        .await
        .expect("somebody listens")
}

/// A TCP connection from a source address of the loopback network.
pub async fn connect_from(source: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("sockets can be had");
    let source = SocketAddr::new(source.parse().expect("an address"), 0);
    socket
        .bind(source)
        .expect("all of 127.0.0.0/8 is this host's");
    within("a connection", socket.connect(address))
        .await
        .expect("somebody listens")
}

/// A TLS connection that asks for `name`.
///
/// # Errors
/// The handshake failed.
pub async fn tls(
    address: SocketAddr,
    config: &Arc<rustls::ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_over(connect(address).await, config, name).await
}

/// As [`tls`], on a connection that exists.
///
/// # Errors
/// The handshake failed.
pub async fn tls_over(
    stream: TcpStream,
    config: &Arc<rustls::ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    within(
        "a handshake",
        TlsConnector::from(Arc::clone(config)).connect(name, stream),
    )
    .await
}
