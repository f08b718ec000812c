//! Clients who do not listen: each has an API key and a connection, and sends requests at its rate whatever
//! comes back. Where its connection is closed it opens another one, where it is not read it goes on once it
//! is.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::load::Target;
use crate::steady::connect;
use crate::tether::Leash;

/// How often a client sends what is due.
const TICK: Duration = Duration::from_millis(10);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(2);
/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    leash: Leash,
    /// Requests per second, of all clients together.
    #[arg(long)]
    rate: u32,
    /// Length of the window.
    #[arg(long)]
    milliseconds: u64,
    /// Address to connect from.
    #[arg(long)]
    source: IpAddr,
    /// A client for each file of header lines.
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Default)]
struct Done {
    sent: u64,
    connections: u64,
    refused: u64,
}

/// Prints one JSON object on one line: `sent` (requests), `connections`, and `refused` (attempts to connect that
/// failed).
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.leash.hold()?;
    let target = &arguments.target;
    let clients = u32::try_from(target.headers.len()).context("clients")?;
    anyhow::ensure!(clients > 0, "there is no client: name `--headers`");
    let ticks = u32::try_from(Duration::from_secs(1).as_millis() / TICK.as_millis())?;
    let each = arguments.rate.div_ceil(clients * ticks).max(1);
    let end = Instant::now() + Duration::from_millis(arguments.milliseconds);
    let mut working = tokio::task::JoinSet::new();
    for headers in &target.headers {
        let one = target.request(std::slice::from_ref(headers))?;
        let batch = one.repeat(usize::try_from(each)?);
        let way = (arguments.source, target.address);
        working.spawn(abuse(way, batch, u64::from(each), end));
    }
    let mut all = Done::default();
    while let Some(done) = working.join_next().await {
        let done = done.context("client")?;
        all.sent += done.sent;
        all.connections += done.connections;
        all.refused += done.refused;
    }
    let told = json!({
        "sent": all.sent,
        "connections": all.connections,
        "refused": all.refused,
    });
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

async fn abuse(
    (source, address): (IpAddr, SocketAddr),
    batch: String,
    each: u64,
    end: Instant,
) -> Done {
    let mut done = Done::default();
    while Instant::now() < end {
        let Ok(Ok(stream)) = timeout(PATIENCE, connect(source, address)).await else {
            done.refused += 1;
            sleep(AGAIN).await;
            continue;
        };
        done.connections += 1;
        let (mut answers, mut requests) = stream.into_split();
        let drain = async {
            let mut buffer = vec![0; 64 << 10];
            while answers.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        };
        let send = async {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                if requests.write_all(batch.as_bytes()).await.is_err() {
                    return;
                }
                done.sent += each;
            }
        };
        tokio::select! {
            () = drain => {}
            () = send => {}
            () = tokio::time::sleep_until(end) => {}
        }
        sleep(AGAIN).await;
    }
    done
}
