//! A small HTTP/1.1 server on an ephemeral loopback port: what the demo and the benchmark proxy to.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::tether::Leash;

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;

/// Pause after a failed accept, as when descriptors have run out, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the benchmark asks for: one hundred bytes, formed once.
const FIXED_PATH: &str = "/fixed";
const FIXED_BODY: &str = r#"{"identifier":"0123456789abcdef","kind":"measurement","values":[1,2,3,5,8,13,21,34,55,89],"ok":true}"#;
const _: () = assert!(
    FIXED_BODY.len() == 100,
    "the benchmark is defined for 100 bytes"
);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    leash: Leash,
}

/// Serves until it is killed. The first and only line on standard output is its address.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.leash.hold()?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("bind")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let slot = std::sync::Arc::clone(&slots).acquire_owned().await?;
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                writeln!(std::io::stderr(), "workbench: accept: {error}")?;
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
            if let Err(error) = served {
                report(&error);
            }
            drop(slot);
        });
    }
}

/// A peer that leaves in the middle is no news; anything else is.
fn report(error: &hyper::Error) {
    if error.is_incomplete_message() || error.is_canceled() {
        return;
    }
    let written = writeln!(std::io::stderr(), "workbench: connection: {error}");
    // Standard error is gone: there is nobody left to tell.
    drop(written);
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.uri().path() == FIXED_PATH {
        Bytes::from_static(FIXED_BODY.as_bytes())
    } else {
        let told = serde_json::json!({
            "from": "the demo upstream",
            "method": request.method().as_str(),
            "path": request.uri().path(),
        });
        Bytes::from(told.to_string())
    };
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
