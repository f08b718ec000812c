//! A closed loop of HTTP/1.1 keep-alive clients: each connection sends its next request when the
//! answer to the last one has been read whole.
//!
//! It reads no more of HTTP than the benchmark needs: a status, a `Content-Length` and that many
//! bytes. An answer framed otherwise is an error, so that a proxy that changes the framing is
//! noticed rather than measured.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::tether::Leash;

/// Largest answer, head and body together.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 10;

/// How long the answers still outstanding at the end of the window may take.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    leash: Leash,
    /// Keep-alive connections at once.
    #[arg(long)]
    connections: u16,
    /// Length of the window.
    #[arg(long)]
    milliseconds: u64,
    /// The status every answer must have to count as expected.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Speak TLS, and trust this certificate alone; default: plaintext.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// What clients ask for.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// A file of header lines that requests have besides; may be repeated.
    #[arg(long = "headers", value_name = "FILE")]
    pub(crate) headers: Vec<PathBuf>,
    /// Whom to ask.
    pub(crate) address: SocketAddr,
    /// For what.
    path: String,
}

impl Target {
    /// A request with the header lines of these files.
    pub(crate) fn request(&self, files: &[PathBuf]) -> anyhow::Result<String> {
        let (address, path, headers) = (self.address, &self.path, headers(files)?);
        Ok(format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"
        ))
    }
}

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    unexpected: u64,
    latencies_us: Vec<u32>,
}

impl Seen {
    /// Notes an answer, or that there was none.
    pub(crate) fn note(&mut self, is_expected: bool, after: Duration) {
        self.unexpected += u64::from(!is_expected);
        self.latencies_us
            .push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds what another client saw.
    pub(crate) fn add(&mut self, other: Self) {
        self.unexpected += other.unexpected;
        self.latencies_us.extend(other.latencies_us);
    }

    /// One JSON object: `requests`, `unexpected` (answers with another status), `p50_us` and `p99_us`.
    pub(crate) fn told(mut self) -> Value {
        let latencies_us = &mut self.latencies_us;
        latencies_us.sort_unstable();
        let percentile =
            |hundredths: usize| latencies_us.get(latencies_us.len() * hundredths / 100);
        json!({
            "requests": latencies_us.len(),
            "unexpected": self.unexpected,
            "p50_us": percentile(50),
            "p99_us": percentile(99),
        })
    }
}

/// Prints what was seen, on one line.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.leash.hold()?;
    let connector = arguments.authority.as_deref().map(trusting).transpose()?;
    let target = &arguments.target;
    let client = Client {
        address: target.address,
        connector,
        request: target.request(&target.headers)?,
        status: arguments.status,
        end: Instant::now() + Duration::from_millis(arguments.milliseconds),
    };
    let client = Arc::new(client);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..arguments.connections {
        clients.spawn(Arc::clone(&client).live());
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        all.add(seen.context("client")??);
    }
    writeln!(std::io::stdout(), "{}", all.told())?;
    Ok(())
}

/// What stands in the files, line by line, as it is sent.
fn headers(files: &[PathBuf]) -> anyhow::Result<String> {
    let mut sent = String::new();
    for file in files {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("reading `{}`", file.display()))?;
        for line in text.lines() {
            sent.push_str(line);
            sent.push_str("\r\n");
        }
    }
    Ok(sent)
}

/// TLS with who shows a certificate of this file or one that it has issued.
fn trusting(authority: &Path) -> anyhow::Result<TlsConnector> {
    let named = || format!("`{}`", authority.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).with_context(named)? {
        roots
            .add(certificate.with_context(named)?)
            .with_context(named)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

struct Client {
    address: SocketAddr,
    /// `None` for plaintext.
    connector: Option<TlsConnector>,
    request: String,
    status: u16,
    end: Instant,
}

impl Client {
    async fn live(self: Arc<Self>) -> anyhow::Result<Seen> {
        let address = self.address;
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        match &self.connector {
            None => self.ask(stream).await,
            Some(connector) => {
                let stream = connector.connect(address.ip().into(), stream).await;
                self.ask(stream.context("TLS")?).await
            }
        }
    }

    async fn ask(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        let mut sent = Instant::now();
        while sent < self.end {
            stream
                .write_all(self.request.as_bytes())
                .await
                .context("write")?;
            stream.flush().await.context("write")?;
            let answered = timeout_at(self.end + GRACE, answer(&mut stream, &mut buffer))
                .await
                .context("no answer in time")??;
            let now = Instant::now();
            seen.note(answered == self.status, now - sent);
            sent = now;
        }
        Ok(seen)
    }
}

/// Reads one answer whole and returns its status. One answer is on its way at a time, so what lies
/// beyond it is an error too.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
) -> anyhow::Result<u16> {
    let mut filled = 0;
    loop {
        let free = buffer.get_mut(filled..).filter(|free| !free.is_empty());
        let free =
            free.with_context(|| format!("an answer is longer than {ANSWER_BYTES_MAX} bytes"))?;
        let read = stream.read(free).await.context("read")?;
        anyhow::ensure!(
            read != 0,
            "the connection was closed in the middle of an answer"
        );
        filled += read;
        if let Some((status, length)) = buffer
            .get(..filled)
            .and_then(|bytes| framing(bytes).transpose())
            .transpose()?
        {
            anyhow::ensure!(filled <= length, "more was sent than the answer is long");
            if filled == length {
                return Ok(status);
            }
        }
    }
}

/// Status and whole length of the answer that `bytes` starts with, once its head is complete.
fn framing(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = bytes
        .get(..head)
        .map(str::from_utf8)
        .context("head")?
        .context("the head is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status")?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("no Content-Length")?;
    let length: usize = length.1.trim().parse().context("Content-Length")?;
    Ok(Some((status.parse().context("status")?, head + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_an_answer_by_its_content_length() {
        let answer = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-LENGTH: 2\r\n\r\nok";
        assert_eq!(
            framing(answer).expect("well formed"),
            Some((200, answer.len()))
        );
        assert_eq!(framing(&answer[..20]).expect("so far so good"), None);
    }

    #[test]
    fn refuses_an_answer_framed_otherwise() {
        assert!(framing(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(framing(b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n").is_err());
        assert!(framing(b"nonsense\r\n\r\n").is_err());
    }
}
