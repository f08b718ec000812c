//! An open loop of HTTP/1.1 keep-alive clients: requests come at their times, whatever became of those before
//! them. What comes late because an earlier answer did counts from when it should have come, so that a
//! server that stalls is not asked less while it does.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::load::{ANSWER_BYTES_MAX, Seen, Target, answer};
use crate::tether::Leash;

/// How long an answer may take. What takes longer has failed, and so has its connection.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    leash: Leash,
    /// Keep-alive connections that take turns.
    #[arg(long)]
    connections: u16,
    /// Requests per second, of all connections together.
    #[arg(long)]
    rate: u32,
    /// Length of the window.
    #[arg(long)]
    milliseconds: u64,
    /// The status every answer must have to count as expected.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Address to connect from.
    #[arg(long)]
    source: IpAddr,
    #[command(flatten)]
    target: Target,
}

/// Prints what `load` does; `unexpected` has those as well that got no answer.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.leash.hold()?;
    let target = &arguments.target;
    let request = target.request(&target.headers)?;
    let start = Instant::now() + Duration::from_millis(20);
    let end = start + Duration::from_millis(arguments.milliseconds);
    let turn = Duration::from_secs(1) / arguments.rate.max(1);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..arguments.connections {
        let client = Client {
            source: arguments.source,
            address: target.address,
            request: request.clone(),
            status: arguments.status,
        };
        let first = start + turn * u32::from(number);
        clients.spawn(client.live(first, turn * u32::from(arguments.connections), end));
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        all.add(seen.context("client")?);
    }
    writeln!(std::io::stdout(), "{}", all.told())?;
    Ok(())
}

struct Client {
    source: IpAddr,
    address: SocketAddr,
    request: String,
    status: u16,
}

impl Client {
    async fn live(self, first: Instant, turn: Duration, end: Instant) -> Seen {
        let mut seen = Seen::default();
        let mut stream = None;
        let mut due = first;
        while due < end {
            sleep_until(due).await;
            let answered = timeout(PATIENCE, self.ask(&mut stream)).await;
            match answered {
                Ok(Ok(status)) => seen.note(status == self.status, Instant::now() - due),
                Ok(Err(_)) | Err(_) => {
                    stream = None;
                    seen.note(false, Instant::now() - due);
                }
            }
            due += turn;
        }
        seen
    }

    async fn ask(&self, stream: &mut Option<TcpStream>) -> anyhow::Result<u16> {
        use tokio::io::AsyncWriteExt as _;
        let open = match stream {
            Some(open) => open,
            None => stream.insert(connect(self.source, self.address).await?),
        };
        open.write_all(self.request.as_bytes()).await?;
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        answer(open, &mut buffer).await
    }
}

/// A connection from an address of this host.
pub(crate) async fn connect(source: IpAddr, address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4().context("socket")?;
    socket.bind((source, 0).into()).context("bind")?;
    let stream = socket.connect(address).await.context("connect")?;
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    Ok(stream)
}
