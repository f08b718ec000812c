//! What the maps said at one moment.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use gateway_common::address::tagged_v4;

use super::peers;
use crate::cli::source::{CarryingInterface, Origin, Source};
use crate::cli::stats::penalties::{Penalties, penalties};
use crate::cli::target::Target;
use crate::clock;
use crate::daemon::names::Names;
use crate::xdp::stats::{Debts, Snapshot};

/// What the maps said at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    /// `CLOCK_MONOTONIC` (ns).
    pub(super) at_ns: u64,
    pub(super) instance: String,
    pub(super) origin: Origin,
    pub(super) attachments: Vec<CarryingInterface>,
    pub(super) counted: Snapshot,
    pub(super) debts: Debts,
    pub(super) names: Names,
    /// The IPv6 sources whose tags are those of connected peers, with their class numbers.
    pub(super) ipv6: HashMap<u64, (Ipv6Addr, u32)>,
    /// Who is penalised; nobody where no gateway runs, or where it does not say.
    pub(super) penalties: Penalties,
}

/// Takes samples of one instance.
#[derive(Debug)]
pub(super) struct Sampler {
    target: Target,
}

impl Sampler {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    /// Reads everything. The maps are opened each time, because a gateway that starts again may
    /// have made new ones; that and the reading take a few milliseconds.
    ///
    /// # Errors
    /// There is nothing to be read, or this user may not.
    pub(super) fn take(&mut self) -> anyhow::Result<Sample> {
        let source = Source::find(&self.target)?;
        let at_ns = clock::monotonic_ns();
        let counted = source.counted()?;
        let debts = source.debts(at_ns)?;
        let has_ipv6 = debts
            .sources
            .iter()
            .any(|bucket| tagged_v4(bucket.tag).is_none());
        let ipv6 = if has_ipv6 {
            peers::resolve(&debts, &peers::connected()?)
        } else {
            HashMap::new()
        };
        Ok(Sample {
            at_ns,
            instance: self.target.instance.to_string(),
            origin: counted.origin,
            attachments: source.attachments(),
            counted: counted.snapshot,
            debts,
            // Without names there are numbers; `gateway stats` says why.
            names: source.names().unwrap_or_default(),
            ipv6,
            penalties: penalties(&self.target)?.unwrap_or_default(),
        })
    }
}
