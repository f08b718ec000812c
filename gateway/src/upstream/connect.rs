//! A fresh connection to an upstream.

use std::io;
use std::sync::Arc;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::UpstreamPlan;
use crate::body::UpstreamBody;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name did not resolve, or nobody accepted.
    #[error("connect: {0}")]
    Refused(io::Error),
    /// The TLS handshake failed.
    #[error("TLS handshake: {0}")]
    Tls(io::Error),
    /// The host is no name that a certificate could carry.
    #[error("`{0}` is not a name that a certificate could carry")]
    ServerName(String),
    /// The upstream's connect time-out passed.
    #[error("no connection within {0:?}")]
    Timeout(std::time::Duration),
    /// HTTP could not be started.
    #[error("HTTP: {0}")]
    Http(hyper::Error),
}

/// A connection, as those see it who send on it. Dropping it ends the connection at once, whatever
/// is still unsent: an upstream that reads nothing would otherwise keep it, and the body, for ever.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<UpstreamBody>,
    task: AbortHandle,
}

impl Link {
    /// What sends.
    pub(super) const fn sender(&mut self) -> &mut SendRequest<UpstreamBody> {
        &mut self.sender
    }

    /// Whether it waits for a request.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects within the upstream's time-out and starts HTTP/1.1 on a task of this worker.
pub(super) async fn connect(plan: &UpstreamPlan) -> Result<Link, ConnectError> {
    let limit = plan.settings.connect_timeout;
    timeout(limit, open(plan))
        .await
        .unwrap_or(Err(ConnectError::Timeout(limit)))
}

async fn open(plan: &UpstreamPlan) -> Result<Link, ConnectError> {
    let target = &plan.settings.target;
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(ConnectError::Refused)?;
    stream.set_nodelay(true).map_err(ConnectError::Refused)?;
    let Some(tls) = &plan.tls else {
        return start(TokioIo::new(stream)).await;
    };
    let written = target.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    let name = written.unwrap_or(&target.host);
    let name = ServerName::try_from(name.clone())
        .map_err(|_invalid| ConnectError::ServerName(name.clone()))?;
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls.config()))
        .connect(name, stream)
        .await
        .map_err(ConnectError::Tls)?;
    start(TokioIo::new(stream)).await
}

async fn start<S>(io: S) -> Result<Link, ConnectError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (sender, connection) = handshake(io).await.map_err(ConnectError::Http)?;
    // The task ends with its link, or when the upstream closes.
    let task = tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(Link {
        sender,
        task: task.abort_handle(),
    })
}
