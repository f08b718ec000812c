//! Following the host's addresses, over which wildcard listeners are expanded.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket};

use super::endpoints::{EndpointTable, treating};
use super::error::{EdgeError, system};
use super::interfaces::{Guarded, LocalAddress, addresses_of, local_addresses};
use super::lock;
use super::switch::Switch;
use crate::model::{Listener, OtherTraffic};
use crate::store::coverage::Coverage;
use crate::telemetry::operator_log::explain;

/// Multicast groups of rtnetlink(7): links, IPv4 addresses and IPv6 addresses come and go.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// How often the addresses are read again without a notification, in case one was missed.
const REFRESH: Duration = Duration::from_secs(60);
/// Notifications read at one go before the addresses are looked at.
const BURST_MAX: usize = 4096;

/// Keeps the endpoint table at the addresses that the host has.
#[derive(Debug)]
pub struct AddressFollower {
    pub(super) switch: Arc<Mutex<Switch>>,
    pub(super) scope: Arc<Mutex<Scope>>,
    pub(super) coverage: Coverage,
}

/// What is expanded over the addresses, and which interfaces carry the program.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) listeners: Vec<Listener>,
    pub(super) guarded: Vec<Guarded>,
    /// What becomes of traffic that is for none of them; `None` before the start is through.
    pub(super) other_traffic: Option<OtherTraffic>,
}

impl Scope {
    /// The endpoints of these listeners on the addresses given.
    pub(super) fn table(&self, local: &[LocalAddress]) -> Result<EndpointTable, EdgeError> {
        let interfaces = self
            .guarded
            .iter()
            .map(|guarded| (guarded.interface.as_str(), guarded.index));
        let treating = self
            .other_traffic
            .as_ref()
            .map(|other| treating(other, interfaces))
            .unwrap_or_default();
        EndpointTable::build(&self.listeners, local, &treating)
    }
}

impl AddressFollower {
    /// Runs until the host's addresses cannot be followed any more. Needs no privileges. Addresses
    /// that cannot be put in force (such as too many of them) are logged once; the endpoints stay
    /// as they last were, and the next change is tried again.
    ///
    /// # Errors
    /// Whatever ended the notifications.
    ///
    /// # Cancel safety
    /// May be dropped at any await; tables are changed between awaits, all at once.
    pub async fn run(self) -> Result<std::convert::Infallible, EdgeError> {
        let socket = subscribe().map_err(system("rtnetlink subscription"))?;
        let mut failure = None;
        loop {
            // First of all: addresses may have changed between the start and this subscription.
            let now_failing = self.refresh().err().map(|error| explain(&error));
            if let Some(text) = now_failing.as_ref().filter(|_| now_failing != failure) {
                tracing::error!(cause = %text, "the kernel edge does not follow the host's addresses");
            }
            failure = now_failing;
            match tokio::time::timeout(REFRESH, socket.recv_from_full()).await {
                Ok(notification) => {
                    is_news(notification).map_err(system("rtnetlink read"))?;
                    drain(&socket).map_err(system("rtnetlink read"))?;
                }
                Err(_elapsed) => {}
            }
        }
    }

    fn refresh(&self) -> Result<(), EdgeError> {
        let local = local_addresses()?;
        let scope = lock(&self.scope);
        let table = scope.table(&local)?;
        lock(&self.switch).publish_endpoints(table)?;
        self.coverage.replace(addresses_of(&scope.guarded, &local)?);
        Ok(())
    }
}

fn subscribe() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
    Ok(socket)
}

/// Takes what else has arrived: one look at the addresses answers all of it.
fn drain(socket: &TokioSocket) -> io::Result<()> {
    for _ in 0..BURST_MAX {
        match socket.socket_ref().recv_from_full() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            received => is_news(received)?,
        }
    }
    Ok(())
}

/// What a notification says is not looked at: the addresses are read afresh, so a lost one
/// (`ENOBUFS`) does as well as a received one.
fn is_news<T>(received: io::Result<T>) -> io::Result<()> {
    match received {
        Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
