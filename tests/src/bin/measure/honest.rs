//! Honest clients: each opens a TLS connection from its own address, sends a few authorized
//! requests at a steady pace, closes it and begins anew. What is late is not made up for, so that
//! a slow gateway is asked less, as a busy service is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_tests::client::{Client, HOST_NAME, get, tls_over, with};
use gateway_tests::netns::{CLIENT_INTERFACE, Site};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Clients, each at an address of its own.
const CLIENTS: u8 = 8;
/// Last byte of the first client's address.
const FIRST: u8 = 20;
/// Requests on a connection.
const REQUESTS: u32 = 10;
/// Between two requests of a client.
const PACE: Duration = Duration::from_millis(20);
/// How long a connection or an answer may take; what takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Clients at work. Dropping this ends them.
#[derive(Debug)]
pub(crate) struct Honest {
    seen: Arc<Mutex<Seen>>,
    _clients: JoinSet<()>,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    answered: u32,
    latencies_ms: Vec<f64>,
}

/// One window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Answers per second.
    pub(crate) goodput: f64,
    /// Of requests, and of connections that failed; a connection counts for its first request.
    pub(crate) p99_ms: f64,
}

impl Honest {
    /// Sets the clients to work on a site where a gateway runs.
    ///
    /// # Errors
    /// `ip`'s.
    pub(crate) fn start(site: &Arc<Site>) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let trust = site.authority.client(&["http/1.1"]);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let address = format!("10.77.0.{}", FIRST + number);
            // It is there already when a second gateway is measured on the same site.
            site.outside.ip(&format!(
                "address replace {address}/24 dev {CLIENT_INTERFACE}"
            ))?;
            let person = Person {
                site: Arc::clone(site),
                trust: Arc::clone(&trust),
                seen: Arc::clone(&seen),
                bearer: site.bearer(),
                address,
            };
            clients.spawn(person.live());
        }
        Ok(Self {
            seen,
            _clients: clients,
        })
    }

    /// Watches them for `length`.
    pub(crate) async fn window(&self, length: Duration) -> Window {
        drop(self.take());
        let start = Instant::now();
        tokio::time::sleep(length).await;
        let seconds = start.elapsed().as_secs_f64();
        let mut seen = self.take();
        seen.latencies_ms.sort_by(f64::total_cmp);
        let rank = seen.latencies_ms.len() * 99 / 100;
        let patience_ms = PATIENCE.as_secs_f64() * 1e3;
        Window {
            goodput: f64::from(seen.answered) / seconds,
            p99_ms: seen.latencies_ms.get(rank).copied().unwrap_or(patience_ms),
        }
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Person {
    site: Arc<Site>,
    trust: Arc<rustls::ClientConfig>,
    seen: Arc<Mutex<Seen>>,
    bearer: String,
    address: String,
}

impl Person {
    async fn live(self) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let start = Instant::now();
            let connecting = tokio::time::timeout(PATIENCE, self.connect());
            let Some(client) = connecting.await.ok().and_then(Result::ok) else {
                self.note(start, false);
                continue;
            };
            let mut begun = start;
            for _ in 0..REQUESTS {
                let is_answered = self.ask(&client).await;
                self.note(begun, is_answered);
                if !is_answered {
                    break;
                }
                pace.tick().await;
                begun = Instant::now();
            }
        }
    }

    async fn connect(&self) -> std::io::Result<Client> {
        let target = Site::target(&self.address);
        let stream = self.site.dial_for(&self.address, target, PATIENCE).await?;
        stream.set_nodelay(true)?;
        Ok(Client::over_tls(tls_over(stream, &self.trust, HOST_NAME).await?).await)
    }

    async fn ask(&self, client: &Client) -> bool {
        let request = with(get("/honest"), &[("authorization", &self.bearer)]);
        let answer = tokio::time::timeout(PATIENCE, client.try_send(request)).await;
        matches!(answer, Ok(Ok(answer)) if answer.status == 200)
    }

    fn note(&self, start: Instant, is_answered: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answered += u32::from(is_answered);
        let waited_ms = start.elapsed().as_secs_f64() * 1e3;
        seen.latencies_ms.push(waited_ms);
    }
}
