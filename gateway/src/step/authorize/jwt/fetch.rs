//! Fetching a document from an issuer.
//!
//! HTTPS only, verified against the given roots; HTTP/1.1; status 200 only, so no redirect leads
//! anywhere else; nothing is read beyond the size limit, and name resolution, connecting, TLS,
//! headers and body share one deadline.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Largest accepted response head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Why a fetch gave no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an `https` URL with a host and without user information.
    #[error("`{url}` is not an https URL of a host, or has a user or password in it")]
    BadUrl {
        /// The URL without what may be secret.
        url: String,
    },
    /// No connection to any address of the host.
    #[error("connecting to `{host}` failed")]
    Connect {
        /// The host.
        host: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The TLS handshake failed, as with a certificate that is not trusted.
    #[error("the TLS handshake with `{host}` failed")]
    Tls {
        /// The host.
        host: String,
        /// What TLS said.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP exchange failed or ended early.
    #[error("the HTTP exchange failed")]
    Http(#[from] hyper::Error),
    /// Any status but 200. Redirects are not followed.
    #[error("the answer has status {0}, not 200")]
    Status(StatusCode),
    /// The document, or what is announced of it, is over the limit.
    #[error("the document is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The deadline came first.
    #[error("no document within {timeout:?}")]
    Deadline {
        /// The deadline.
        timeout: Duration,
    },
}

/// One URL and how it may be fetched.
#[derive(Debug)]
pub(super) struct Fetcher {
    url: Uri,
    host: String,
    port: u16,
    /// Path and query, as the request line has them.
    target: Uri,
    authority: HeaderValue,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    bytes_max: usize,
}

impl Fetcher {
    pub(super) fn new(
        url: &Uri,
        tls: Arc<ClientConfig>,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Self, FetchError> {
        let bad = || FetchError::BadUrl { url: harmless(url) };
        let authority = url.authority().ok_or_else(bad)?;
        // A password in a URL would be sent nowhere and logged everywhere.
        if url.scheme_str() != Some("https") || authority.as_str().contains('@') {
            return Err(bad());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let target = url
            .path_and_query()
            .cloned()
            .map(Uri::from)
            .unwrap_or_default();
        let (Ok(name), Ok(authority_value)) = (
            ServerName::try_from(host.clone()),
            HeaderValue::from_str(authority.as_str()),
        ) else {
            return Err(bad());
        };
        Ok(Self {
            url: url.clone(),
            host,
            port: authority.port_u16().unwrap_or(443),
            target,
            authority: authority_value,
            name,
            tls,
            timeout,
            bytes_max,
        })
    }

    /// As this one, for another URL.
    pub(super) fn to(&self, url: &Uri) -> Result<Self, FetchError> {
        Self::new(url, Arc::clone(&self.tls), self.timeout, self.bytes_max)
    }

    /// The deadline of one fetch.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Fetches the document once.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        // Boxed: the handshake's state is large, and this runs rarely.
        tokio::time::timeout(self.timeout, Box::pin(self.exchange()))
            .await
            .unwrap_or(Err(FetchError::Deadline {
                timeout: self.timeout,
            }))
    }

    async fn exchange(&self) -> Result<Vec<u8>, FetchError> {
        let connect_error = |source| FetchError::Connect {
            host: self.host.clone(),
            source,
        };
        let tls_error = |source| FetchError::Tls {
            host: self.host.clone(),
            source,
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(connect_error)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.name.clone(), stream)
            .await
            .map_err(tls_error)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await?;
        let mut document = pin!(async {
            let response = sender.send_request(self.request()).await?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            self.read(response.into_body()).await
        });
        tokio::select! {
            biased;
            document = &mut document => document,
            // However the connection ended, what it brought before may be the whole document; if
            // it is not, reading it says so.
            Ok(()) | Err(_) = connection => document.await,
        }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("gateway"));
        request
    }

    async fn read(&self, mut body: Incoming) -> Result<Vec<u8>, FetchError> {
        let too_large = FetchError::TooLarge {
            bytes_max: self.bytes_max,
        };
        // What is announced is refused before it is read, and not believed when it is small.
        let announced = body.size_hint().lower();
        if usize::try_from(announced).map_or(true, |announced| announced > self.bytes_max) {
            return Err(too_large);
        }
        let mut document = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                if document.len() + data.len() > self.bytes_max {
                    return Err(too_large);
                }
                document.extend_from_slice(data);
            }
        }
        Ok(document)
    }
}

/// Scheme, host and path of a URL: without user, password and query, which may be secret.
pub(super) fn harmless(url: &Uri) -> String {
    let scheme = url.scheme_str().map(|scheme| format!("{scheme}://"));
    let authority = url.authority().map_or("", |authority| {
        let whole = authority.as_str();
        whole.rsplit_once('@').map_or(whole, |(_, host)| host)
    });
    format!("{}{authority}{}", scheme.unwrap_or_default(), url.path())
}

impl fmt::Display for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless(&self.url))
    }
}
