//! Accepting connections, on one socket of one worker.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::ListenerPlan;
use super::connection::{Handler, Surroundings, note, serve};
use super::ending::Farewell;
use super::ends::Ends;
use crate::clock;
use crate::store::connection::Doorkeeper;
use crate::telemetry::access_log::Sink;
use crate::telemetry::metrics::{ConnectionEvent, WorkerMetrics};

/// First and longest pause after `accept` failed for want of descriptors or memory.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What all workers know about one listener.
#[derive(Debug, Clone)]
pub struct Accepting {
    /// The plan that new connections follow; a reload replaces it.
    pub plan: Arc<ArcSwap<ListenerPlan>>,
    /// Who may come in.
    pub doorkeeper: Arc<Doorkeeper>,
    /// Turns true when the listener is removed or the gateway stops.
    pub stopping: watch::Receiver<bool>,
    /// Which open connections end.
    pub farewell: watch::Receiver<Farewell>,
}

/// One worker's loop over one socket.
#[derive(Debug)]
pub struct AcceptLoop<H> {
    accepting: Accepting,
    around: Surroundings<H>,
    live: Rc<Live>,
}

/// The connections that one worker has open, for whoever waits for their end.
#[derive(Debug, Default)]
pub struct Live {
    count: Cell<usize>,
    none: Notify,
}

impl Live {
    /// Connections open now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Waits until no connection is open.
    pub async fn none_left(&self) {
        while self.count.get() > 0 {
            self.none.notified().await;
        }
    }

    fn begin(self: &Rc<Self>) -> LiveConnection {
        self.count.set(self.count.get() + 1);
        LiveConnection(Rc::clone(self))
    }
}

struct LiveConnection(Rc<Live>);

impl Drop for LiveConnection {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get().saturating_sub(1));
        if self.0.count.get() == 0 {
            self.0.none.notify_one();
        }
    }
}

impl<H: Handler> AcceptLoop<H> {
    /// A loop that hands requests to `handler`.
    #[must_use]
    pub fn new(
        accepting: Accepting,
        handler: Rc<H>,
        sink: Rc<Sink>,
        metrics: Arc<WorkerMetrics>,
        live: Rc<Live>,
    ) -> Self {
        let around = Surroundings {
            handler,
            sink,
            metrics,
            plan: Arc::clone(&accepting.plan),
            doorkeeper: Arc::clone(&accepting.doorkeeper),
            farewell: accepting.farewell.clone(),
        };
        Self {
            accepting,
            around,
            live,
        }
    }

    /// Accepts until told to stop, then takes what the kernel has queued already, so that closing
    /// the socket resets nobody.
    ///
    /// # Errors
    /// The socket cannot be registered with this worker's runtime.
    pub async fn run(mut self, socket: std::net::TcpListener) -> io::Result<()> {
        let socket = TcpListener::from_std(socket)?;
        let mut stopping = self.accepting.stopping.clone();
        let mut pause = PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                stopped = stopping.wait_for(|&stopping| stopping) => {
                    drop(stopped);
                    break;
                }
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSE_MIN;
                    self.admit(stream, peer);
                }
                Err(error) if concerns_the_connection_only(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: the connection stays queued, and retrying at
                    // once would spin.
                    self.around
                        .metrics
                        .connection(ConnectionEvent::AcceptFailed);
                    if pause == PAUSE_MIN {
                        tracing::error!(%error, "cannot accept connections; trying again with pauses");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        self.take_queued(socket)
    }

    fn take_queued(&mut self, socket: TcpListener) -> io::Result<()> {
        let socket = socket.into_std()?;
        while let Ok((stream, peer)) = socket.accept() {
            stream.set_nonblocking(true)?;
            self.admit(TcpStream::from_std(stream)?, peer);
        }
        Ok(())
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let plan = self.accepting.plan.load_full();
        // A connection that has gone already has no address; then nothing is known to guard it.
        let local = stream
            .local_addr()
            .map_or(Ipv4Addr::UNSPECIFIED.into(), |local| local.ip());
        let doorkeeper = &self.accepting.doorkeeper;
        let address = peer.ip();
        let verdict = if plan.trusts(address) || plan.proxy_protocol_of(address).is_some() {
            doorkeeper.admit_proxy(&plan.limits)
        } else {
            doorkeeper.admit(address, local, &plan.limits, clock::monotonic_ns())
        };
        let mut permit = match verdict {
            Ok(permit) => permit,
            Err(event) => {
                let ends = Ends::direct(peer, SocketAddr::new(local, 0));
                return note(&self.around, &plan, &ends, event, None);
            }
        };
        self.around.metrics.connection(ConnectionEvent::Accepted);
        let around = self.around.clone();
        let live = self.live.begin();
        // The task owns its connection; the worker's local set awaits it when the gateway stops.
        drop(tokio::task::spawn_local(async move {
            let metrics = Arc::clone(&around.metrics);
            serve(stream, peer, plan, around, &mut permit).await;
            metrics.connection_closed();
            drop((permit, live));
        }));
    }
}

/// Errors that `accept` passes on from a connection that failed while queued (accept(2)).
fn concerns_the_connection_only(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, WouldBlock,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | WouldBlock
    )
}
