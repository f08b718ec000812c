//! Which local addresses the program guards, so that no connection is charged twice or never.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::error::EdgeError;
use super::interfaces::{LocalAddress, carried};

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

    /// Takes the addresses of `guarded` interfaces from all local ones. An interface that was
    /// removed, or made anew under its old name, has lost its program.
    pub(super) fn update(
        &self,
        guarded: &[Guarded],
        local: &[LocalAddress],
    ) -> Result<(), EdgeError> {
        let mut names = HashSet::new();
        for Guarded { interface, index } in guarded {
            let is_same = nix::net::if_::if_nametoindex(interface.as_str()) == Ok(*index);
            if is_same && carried(*index)?.is_some() {
                names.insert(interface);
            }
        }
        let covered: HashSet<IpAddr> = local
            .iter()
            .filter(|local| names.contains(&local.interface))
            .map(|local| local.address)
            .collect();
        self.0.store(Arc::new(covered));
        Ok(())
    }
}

/// An interface that the program was attached to.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) interface: String,
    pub(super) index: u32,
}
