//! Which local addresses the kernel edge guards, so that no connection is charged twice or never.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

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

    /// Replaces the set.
    pub fn replace(&self, guarded: HashSet<IpAddr>) {
        self.0.store(Arc::new(guarded));
    }
}
