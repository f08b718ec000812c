//! By which interfaces the listeners are reached without a program.
//!
//! Linux takes a packet for any of its addresses by any interface (`ip-sysctl.rst`: the weak host
//! model, in which addresses belong to the host), so an interface counts also where it carries no
//! address of a listener.

use super::link::Link;
use super::{Finding, Level};
use crate::model::Listener;
use crate::xdp::interfaces::LocalAddress;

/// Kinds of devices whose frames have come in by the interface below them.
const ON_TOP: [&str; 4] = ["vlan", "macvlan", "macvtap", "ipvlan"];
/// Kinds of devices whose frames have come in by one of their parts.
const OF_PARTS: [&str; 3] = ["bond", "bridge", "team"];

/// What is to be said of interfaces that are not `judged`.
pub(super) fn examine(
    links: &[Link],
    judged: &[&Link],
    listeners: &[Listener],
    local: &[LocalAddress],
) -> Vec<Finding> {
    let is_local_only = listeners
        .iter()
        .all(|listener| listener.address.ip().is_loopback());
    if is_local_only {
        return Vec::new();
    }
    let is_addressed = |link: &Link| local.iter().any(|one| one.interface == link.name);
    let open: Vec<&Link> = links
        .iter()
        .filter(|link| link.is_up && is_addressed(link) && !is_covered(link, links, judged, 0))
        .collect();
    open.into_iter().map(finding).collect()
}

/// Whether everything that comes in by a link has been judged on its way.
fn is_covered(link: &Link, links: &[Link], judged: &[&Link], depth: u8) -> bool {
    // Devices are stacked a few deep; a circle is no cover.
    if depth > 8 {
        return false;
    }
    if judged.iter().any(|one| one.index == link.index) {
        return true;
    }
    let covered = |other: &Link| is_covered(other, links, judged, depth + 1);
    let kind = link.kind.as_deref().unwrap_or_default();
    if ON_TOP.contains(&kind) {
        let below = links.iter().find(|other| Some(other.index) == link.below);
        return below.is_some_and(covered);
    }
    if OF_PARTS.contains(&kind) {
        let mut parts = links
            .iter()
            .filter(|part| part.controller == Some(link.index))
            .peekable();
        return parts.peek().is_some() && parts.all(covered);
    }
    false
}

fn finding(link: &Link) -> Finding {
    let subject = format!("interface {}", link.name);
    if link.is_loopback {
        let text = "`lo` carries no program: what comes in by it comes from this host";
        return Finding::new(Level::Ok, subject, text);
    }
    let name = &link.name;
    let text = format!(
        "`{name}` ({}) carries no program: what comes in by it for a listener is judged at accept \
         only; add it to `xdp.interfaces` where it carries traffic of others",
        link.description()
    );
    Finding::new(Level::Warn, subject, text)
        .command("sudo gateway xdp apply --config FILE")
        .source("kernel: Documentation/networking/ip-sysctl.rst, arp_filter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, kind: &str) -> Link {
        Link {
            name: name.to_owned(),
            index,
            is_up: true,
            kind: Some(kind.to_owned()),
            ..Link::default()
        }
    }

    fn covered(links: &[Link], judged: &[u32]) -> Vec<bool> {
        let judged: Vec<&Link> = links
            .iter()
            .filter(|link| judged.contains(&link.index))
            .collect();
        let covered = links.iter().map(|link| is_covered(link, links, &judged, 0));
        covered.collect()
    }

    #[test]
    fn devices_on_top_of_a_judged_one_are_covered() {
        let mut vlan = link(3, "eth0.5", "vlan");
        vlan.below = Some(2);
        // The other end of this pair has the number of an interface here, and says nothing.
        let mut veth = link(4, "veth0", "veth");
        veth.below = Some(2);
        let links = [link(2, "eth0", ""), vlan, veth, link(5, "wg0", "wireguard")];
        assert_eq!(covered(&links, &[2]), [true, true, false, false]);
    }

    #[test]
    fn a_bridge_is_covered_by_all_of_its_parts_together() {
        let part = |index, name: &str| Link {
            controller: Some(9),
            ..link(index, name, "")
        };
        let links = [link(9, "br0", "bridge"), part(2, "eth0"), part(3, "eth1")];
        assert!(covered(&links, &[2, 3])[0]);
        assert!(!covered(&links, &[2])[0]);
        assert!(!covered(&links[..1], &[])[0]);
    }
}
