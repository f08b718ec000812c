//! The TLS handshake: the client's first message says which host it wants, and that decides about
//! everything else.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls::{Served, TlsPlan};
use crate::exchange::{ClientProof, TlsFacts};

/// Holds the handshake on an accepted connection.
///
/// # Errors
/// The client broke off, or what it offers is not accepted; it has been sent an alert then.
///
/// # Cancel safety
/// Dropping it closes the connection.
pub(super) async fn shake_hands(
    plan: &TlsPlan,
    stream: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, TlsFacts)> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let served = Arc::clone(plan.serving(start.client_hello().server_name()));
    let stream = start.into_stream(Arc::clone(&served.config)).await?;
    let facts = facts(stream.get_ref().1, &served);
    Ok((stream, facts))
}

/// What a finished handshake settled.
fn facts(session: &rustls::ServerConnection, served: &Served) -> TlsFacts {
    TlsFacts {
        server_name: session.server_name().map(Arc::from),
        version: session.protocol_version().map_or("", version_name),
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or(""),
        terms: served.terms,
        client: served
            .authorities
            .as_ref()
            .map_or(ClientProof::NotAsked, |authorities| {
                authorities.judge(session.peer_certificates())
            }),
    }
}

/// TLS versions as people write them.
fn version_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        other => other.as_str().unwrap_or(""),
    }
}
