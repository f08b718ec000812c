//! What is left of the service under a flood, without and with the kernel edge.
//!
//! The gateway and the receiving thread of its interface share one processor; clients, upstream
//! and flood have the other. First the rate is searched at which the flood halves the goodput of a
//! gateway without XDP; then the same rate meets one with it. Where the interface is full before
//! that, the rate that fills it is taken instead. A flood that falls behind its rate measures its
//! own sender: such a run is void.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gateway_tests::flood::{Flood, Kind, Link};
use gateway_tests::gateway::{BINARY, Gateway};
use gateway_tests::netns::{CLIENT_INTERFACE, INTERFACE, OTHER, PORT, SERVER, Site};
use gateway_tests::receive;
use gateway_tests::setup::Setup;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::drops;
use crate::honest::{Honest, Window};
use crate::outcome::{Budget, Case, Outcome};

/// Where the gateway runs, and where everything else does.
const GATEWAY_CPU: usize = 0;
const OTHER_CPU: usize = 1;
/// Length of a window, and what goes before it.
pub(crate) const WINDOW: Duration = Duration::from_secs(3);
pub(crate) const SETTLING: Duration = Duration::from_millis(1_500);
/// Where the search begins, in packets per second, and where it gives up.
const SLOWEST: u64 = 25_000;
const FASTEST: u64 = 6_400_000;
/// Times that the interval between a rate that does not halve and one that does is halved.
const STEPS: u32 = 2;
/// A flood that sends less than this part of its rate is the limit itself.
const KEPT_UP: f64 = 0.95;
/// An interface that takes less than this part of what it is sent is full.
const TAKEN: f64 = 0.5;

/// The floods, by name.
const FLOODS: [&str; 3] = ["syn", "udp", "segments"];

/// A gateway at work among honest clients.
pub(crate) struct Scene {
    pub(crate) site: Arc<Site>,
    /// Threads that receive for the gateway.
    pub(crate) receivers: Vec<i32>,
    honest: Honest,
    gateway: Gateway,
}

/// One window under a flood.
#[derive(Clone, Copy, Debug)]
struct Attack {
    window: Window,
    offered_per_second: f64,
    /// That the gateway's interface took.
    received_per_second: f64,
}

/// A rate of a flood against a gateway without the edge, in packets per second.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// It halves the goodput.
    Halving(u64),
    /// It does not, and the interface takes no more.
    Filling(u64),
}

/// Measures everything.
///
/// # Errors
/// What is missing on this machine, or a gateway that does not start.
pub(crate) async fn run(windows: u16) -> anyhow::Result<Outcome> {
    let cpus = std::thread::available_parallelism()?.get();
    anyhow::ensure!(
        cpus > OTHER_CPU,
        "this benchmark needs two processors, here is `{cpus}`"
    );
    // Built while there are still two processors to build on.
    std::sync::LazyLock::force(&BINARY);
    let mut only = CpuSet::new();
    only.set(OTHER_CPU);
    sched_setaffinity(None, &only).context("sched_setaffinity")?;
    let mut outcome = Outcome::default();

    let bare = Scene::new(false).await?;
    let mut rates = Vec::new();
    for flood in FLOODS {
        rates.push(bare.measure_bare(flood, windows, &mut outcome).await?);
    }
    let nftables = drops::by_nftables(&bare, windows).await?;
    bare.end().await;
    let edged = Scene::new(true).await?;
    // The search needs no edge; from here on there is one, and honest clients are known to it.
    edged.declare("on").await?;
    for (flood, rate) in FLOODS.into_iter().zip(rates) {
        let (rate, budget) = match rate {
            Some(Found::Halving(rate)) => (rate, Some(Budget::Keeps(0.9))),
            // What the interface loses, no program sees.
            Some(Found::Filling(rate)) => (rate, None),
            None => continue,
        };
        edged
            .measure(flood, "edge", rate, budget, windows, &mut outcome)
            .await?;
    }
    let edge = drops::by_edge(&edged, windows).await?;
    edged.end().await;
    if nftables.is_none() {
        outcome.notes.push(
            "nftables is not installed (on Debian: apt-get install nftables): not compared"
                .to_owned(),
        );
    }
    outcome.cases.push(Case {
        name: "drop_received_packet".to_owned(),
        unit: "ns",
        windows: edge,
        baseline: nftables.unwrap_or_default(),
        budget: None,
    });
    Ok(outcome)
}

impl Scene {
    async fn new(with_edge: bool) -> anyhow::Result<Self> {
        let site = Arc::new(Site::new("flood").await?);
        let receivers = receive::pin(&site.inside, INTERFACE, GATEWAY_CPU)?;
        receive::pin(&site.outside, CLIENT_INTERFACE, OTHER_CPU)?;
        sink(&site)?;
        let setup = pinned(site.setup())
            .set(&["workers"], json!(1))
            .set(&["telemetry", "access_log"], json!("off"));
        let setup = if with_edge {
            protected(setup)
        } else {
            setup.set(&["xdp"], json!({"mode": "off"}))
        };
        let gateway = site.start(setup).await;
        let honest = Honest::start(&site)?;
        let scene = Self {
            site,
            receivers,
            honest,
            gateway,
        };
        tokio::time::sleep(SETTLING).await;
        let calm = scene.calm().await;
        anyhow::ensure!(calm.goodput > 0.0, "honest clients are not served");
        Ok(scene)
    }

    /// Says whether the gateway is under attack, as `gateway attack` does. Honest clients have been
    /// vouched for since their first answers.
    async fn declare(&self, mode: &str) -> anyhow::Result<()> {
        self.ask(&json!({"do": "attack", "mode": mode})).await
    }

    /// Asks the gateway over its admin socket.
    pub(crate) async fn ask(&self, request: &Value) -> anyhow::Result<()> {
        let answer = self.gateway.admin(&request.to_string()).await;
        anyhow::ensure!(
            answer.get("answer").and_then(Value::as_str) == Some("done"),
            "`{request}`: {answer}"
        );
        Ok(())
    }

    async fn end(self) {
        drop(self.honest);
        drop(self.gateway.stop().await);
    }

    async fn calm(&self) -> Window {
        tokio::time::sleep(SETTLING).await;
        self.honest.window(WINDOW).await
    }

    async fn attack(&self, flood: &str, per_second: u64) -> anyhow::Result<Attack> {
        let (_attacker, flood) = self.flood(flood, per_second).await?;
        tokio::time::sleep(SETTLING).await;
        let (before, received, start) = (flood.offered(), self.site.received(), Instant::now());
        let window = self.honest.window(WINDOW).await;
        let (after, received) = (flood.offered(), self.site.received() - received);
        let seconds = start.elapsed().as_secs_f64();
        flood.stop()?;
        Ok(Attack {
            window,
            offered_per_second: number(after - before) / seconds,
            received_per_second: number(received) / seconds,
        })
    }

    /// Starts a flood, and opens the connection that a flood of segments pretends to be. That one
    /// outlasts a window: a listener waits longer for the handshake that never comes.
    pub(crate) async fn flood(
        &self,
        flood: &str,
        per_second: u64,
    ) -> anyhow::Result<(TcpStream, Flood)> {
        let [attacker, _] = OTHER;
        let attacker = self.site.dial(attacker, Site::target(attacker)).await?;
        let kind = kind(flood, attacker.local_addr()?)?;
        let link = Link::open(
            &self.site.outside,
            CLIENT_INTERFACE,
            &self.site.inside,
            INTERFACE,
        )?;
        let flood = link.flood(kind, per_second, Some(OTHER_CPU))?;
        Ok((attacker, flood))
    }

    /// Searches the rate that halves the goodput or fills the interface, and measures there; `None`
    /// where the sender reaches neither.
    async fn measure_bare(
        &self,
        flood: &str,
        windows: u16,
        outcome: &mut Outcome,
    ) -> anyhow::Result<Option<Found>> {
        let Some(found) = self.search(flood, outcome).await? else {
            return Ok(None);
        };
        let (name, rate) = match found {
            Found::Halving(rate) => ("halving", rate),
            Found::Filling(rate) => ("filling", rate),
        };
        outcome
            .cases
            .push(Case::value(&format!("{flood}_{name}"), "pps", number(rate)));
        self.measure(flood, "bare", rate, None, windows, outcome)
            .await?;
        Ok(Some(found))
    }

    async fn search(&self, flood: &str, outcome: &mut Outcome) -> anyhow::Result<Option<Found>> {
        let half = self.calm().await.goodput / 2.0;
        let (mut harmless, mut rate) = (0, SLOWEST);
        loop {
            let attack = self.attack(flood, rate).await?;
            let asked = number(rate);
            outcome.notes.push(format!(
                "{flood} at {rate} pps without the edge: {:.0} pps offered, {:.0} received, \
                 goodput {:.0}/s",
                attack.offered_per_second, attack.received_per_second, attack.window.goodput
            ));
            if attack.offered_per_second < asked * KEPT_UP || rate >= FASTEST {
                outcome.void.push(format!(
                    "{flood}: the sender is the limit, at {:.0} pps",
                    attack.offered_per_second
                ));
                return Ok(None);
            }
            if attack.window.goodput <= half {
                break;
            }
            if attack.received_per_second < attack.offered_per_second * TAKEN {
                return Ok(Some(Found::Filling(rate)));
            }
            (harmless, rate) = (rate, rate * 2);
        }
        for _ in 0..STEPS {
            let middle = u64::midpoint(harmless, rate);
            if self.attack(flood, middle).await?.window.goodput <= half {
                rate = middle;
            } else {
                harmless = middle;
            }
        }
        Ok(Some(Found::Halving(rate)))
    }

    /// Windows without and with the flood in turn.
    async fn measure(
        &self,
        flood: &str,
        gateway: &str,
        rate: u64,
        budget: Option<Budget>,
        windows: u16,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let (mut calm, mut attacked) = (Vec::new(), Vec::new());
        for _ in 0..windows {
            calm.push(self.calm().await);
            attacked.push(self.attack(flood, rate).await?);
        }
        let asked = number(rate);
        let behind = attacked
            .iter()
            .filter(|attack| attack.offered_per_second < asked * KEPT_UP)
            .count();
        if behind > 0 {
            outcome.void.push(format!(
                "{flood}, {gateway}: the sender fell behind {rate} pps in {behind} of \
                 {windows} windows"
            ));
            return Ok(());
        }
        let mut case = |name: &str, unit, windows, baseline, budget| {
            outcome.cases.push(Case {
                name: format!("{flood}_{gateway}_{name}"),
                unit,
                windows,
                baseline,
                budget,
            });
        };
        let of = |windows: &[Window], figure: fn(&Window) -> f64| -> Vec<f64> {
            windows.iter().map(figure).collect()
        };
        let under: Vec<_> = attacked.iter().map(|attack| attack.window).collect();
        let goodput = |window: &Window| window.goodput;
        let p99 = |window: &Window| window.p99_ms;
        case(
            "goodput",
            "/s",
            of(&under, goodput),
            of(&calm, goodput),
            budget,
        );
        case("p99", "ms", of(&under, p99), of(&calm, p99), None);
        let rates = |figure: fn(&Attack) -> f64| attacked.iter().map(figure).collect();
        case(
            "received",
            "pps",
            rates(|attack| attack.received_per_second),
            rates(|attack| attack.offered_per_second),
            None,
        );
        Ok(())
    }
}

fn kind(flood: &str, attacker: SocketAddr) -> anyhow::Result<Kind> {
    let [server, _] = SERVER;
    let server: Ipv4Addr = server.parse()?;
    // A half of 10.0.0.0/8 that nobody here has.
    let first = Ipv4Addr::new(10, 128, 0, 0);
    let bits = 23;
    Ok(match flood {
        "syn" => Kind::Syn4 {
            first,
            bits,
            server: (server, PORT),
        },
        "udp" => Kind::Udp4 {
            first,
            bits,
            server,
        },
        _ => {
            let IpAddr::V4(address) = attacker.ip() else {
                anyhow::bail!("the attacker speaks IPv4");
            };
            Kind::Segments4 {
                client: (address, attacker.port()),
                server: (server, PORT),
            }
        }
    })
}

/// Gives answers to spoofed sources somewhere to go, as on the internet: they cost the gateway
/// their making. The cable is cut right behind, so that they cost the other processor nothing.
fn sink(site: &Site) -> anyhow::Result<()> {
    for command in [
        "link add sink0 type veth peer name sink1",
        "link set sink0 arp off up",
        "route add default dev sink0",
    ] {
        site.inside.ip(command)?;
    }
    Ok(())
}

/// The gateway on its own processor.
fn pinned(setup: Setup) -> Setup {
    setup.launcher(&["taskset", "--cpu-list", &GATEWAY_CPU.to_string()])
}

/// Everything the edge has against these floods.
fn protected(setup: Setup) -> Setup {
    setup
        .set(
            &["xdp", "packets_per_source"],
            json!({"rate": 5_000, "burst": 10_000}),
        )
        .set(
            &["xdp", "other_traffic"],
            json!({"tcp": "drop", "udp": "drop"}),
        )
        .set(
            &["xdp", "under_attack", "newcomers"],
            json!({
                "connections": {"rate": 100, "burst": 100},
                "packets": {"rate": 5_000, "burst": 5_000},
            }),
        )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "packets of a window are far fewer than 2^52"
)]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
