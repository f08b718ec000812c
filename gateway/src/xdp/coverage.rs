//! Which local addresses the program guards, so that no connection is charged twice or never.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::interfaces::LocalAddress;

/// The local addresses of the interfaces that carry the program. Clones share the set, which
/// follows the host's addresses; reading takes no lock.
///
/// An address stands for the interface it belongs to. What reaches it through another interface
/// (from this host itself, or forwarded) is not judged and still counts as covered.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<ArcSwap<HashSet<IpAddr>>>);

impl Coverage {
    /// Whether the kernel has charged a connection that came in to `local`, the address of this
    /// end of its socket. Where it has not, accept has to.
    #[must_use]
    pub fn covers(&self, local: IpAddr) -> bool {
        self.0.load().contains(&local.to_canonical())
    }

    /// Takes the addresses of `guarded` interfaces from all local ones.
    pub(super) fn update(&self, guarded: &[String], local: &[LocalAddress]) {
        let covered: HashSet<IpAddr> = local
            .iter()
            .filter(|local| guarded.contains(&local.interface))
            .map(|local| local.address)
            .collect();
        self.0.store(Arc::new(covered));
    }
}
