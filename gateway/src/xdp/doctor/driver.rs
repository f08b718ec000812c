//! Rules over an interface that is to carry the program: whether its driver takes it natively, and
//! what stands in the way.
//!
//! A rule stands here only where the driver's own code says so; the finding names the file.

use super::link::Link;
use super::{Finding, Level};
use crate::model::AttachMode;
use crate::xdp::Mode;

/// Above this a frame does not fit one page with the room that XDP and the kernel take
/// (`ENA_XDP_MAX_MTU` for pages of 4 KiB; other drivers are within a few bytes of it).
const ONE_PAGE_MTU_MAX: u32 = 3_498;
/// `GVE_DEFAULT_RX_BUFFER_SIZE` less an Ethernet header and `GVE_RX_PAD`.
const GVE_MTU_MAX: u32 = 2_032;
/// A frame of ixgbe has to fit its smallest receive buffer, or the 3 KiB one if it can have that.
const IXGBE_MTU_SAFE: u32 = 1_500;

const ENA: &str = "kernel: drivers/net/ethernet/amazon/ena/ena_xdp.c";
const GVE: &str = "kernel: drivers/net/ethernet/google/gve/gve_main.c";
const IXGBE: &str = "kernel: drivers/net/ethernet/intel/ixgbe/ixgbe_main.c, ixgbe_xdp_setup";
const VETH: &str = "kernel: drivers/net/veth.c, veth_xdp_set";
const VIRTIO: &str = "kernel: drivers/net/virtio_net.c, virtnet_xdp_set";
const BOND: &str = "kernel: drivers/net/bonding/bond_main.c, bond_xdp_set";
const VLAN_TAG: &str = "kernel: Documentation/networking/xdp-rx-metadata.rst";
const FEATURES: &str = "kernel: Documentation/netlink/specs/netdev.yaml, xdp-act";

/// What is to be said of one interface; `links` are all there are.
pub(super) fn examine(link: &Link, links: &[Link], attach: AttachMode) -> Vec<Finding> {
    let mut findings = vec![summary(link)];
    if !link.is_up {
        let finding = on(link, Level::Warn, "is down: nothing comes in by it");
        findings.push(finding.command(format!("sudo ip link set dev {} up", link.name)));
    }
    findings.extend(mode(link, attach));
    let of_driver = match link.driver_name() {
        "ena" => ena(link),
        "gve" => gve(link),
        "ixgbe" => ixgbe(link),
        "virtio_net" => virtio(link),
        "veth" => veth(link),
        "bond" => bond(link, links),
        "vlan" => vec![on(
            link,
            Level::Warn,
            "is a VLAN device, which has the generic path only: name the interface below it, \
                 where the program reads the tags itself",
        )],
        _ => fragments(link),
    };
    // What a driver refuses natively is no matter where nobody asks it.
    if attach != AttachMode::Generic {
        findings.extend(of_driver);
    }
    findings.extend(part_of_bond(link, links));
    findings.extend(tags(link));
    findings
}

fn on(link: &Link, level: Level, text: impl AsRef<str>) -> Finding {
    let text = format!("`{}` {}", link.name, text.as_ref());
    Finding::new(level, format!("interface {}", link.name), text)
}

fn summary(link: &Link) -> Finding {
    let channels = link.channels.map_or_else(String::new, |channels| {
        format!(" (channels {} of {})", channels.used, channels.max)
    });
    let native = match link.native {
        Some(native) if native.programs => "native XDP",
        Some(_) => "generic XDP only",
        None => "native XDP unknown to this kernel",
    };
    on(
        link,
        Level::Ok,
        format!(
            "is {}, MTU {}, {} receive queues{channels}, {native}",
            link.description(),
            link.mtu,
            link.queues
        ),
    )
}

fn mode(link: &Link, attach: AttachMode) -> Option<Finding> {
    let is_generic = link
        .carried
        .is_some_and(|carried| carried.mode == Mode::Generic);
    let can_native = link.native.map(|native| native.programs);
    match (attach, can_native) {
        (AttachMode::Native, Some(false)) => Some(
            on(
                link,
                Level::Fail,
                "has a driver without XDP, and `xdp.attach` is `native`: set it to `auto` or \
                 `generic`",
            )
            .source(FEATURES),
        ),
        (AttachMode::Auto, Some(false)) => Some(
            on(
                link,
                Level::Warn,
                "takes the generic path, after the kernel has built its packet and merged \
                 segments: a flood costs more, and packet limits count merged packets",
            )
            .source(FEATURES),
        ),
        (AttachMode::Auto, Some(true)) if is_generic => Some(
            on(
                link,
                Level::Warn,
                "carries a program in generic mode though its driver has native XDP: see below, \
                 or in the kernel's log, what the driver refused",
            )
            .command("sudo gateway xdp apply --config FILE"),
        ),
        _ => None,
    }
}

/// Two queues for each channel, one page for each frame.
fn ena(link: &Link) -> Vec<Finding> {
    let mut findings = half_of_channels(link, ENA);
    findings.extend(mtu_at_most(link, ONE_PAGE_MTU_MAX, ENA));
    findings
}

fn gve(link: &Link) -> Vec<Finding> {
    let mut findings = half_of_channels(link, GVE);
    findings.extend(mtu_at_most(link, GVE_MTU_MAX, GVE));
    for (feature, option) in [("rx-lro", "lro"), ("rx-gro-hw", "rx-gro-hw")] {
        findings.extend(feature_off(link, feature, option, GVE));
    }
    findings
}

fn ixgbe(link: &Link) -> Vec<Finding> {
    let mut findings: Vec<Finding> = feature_off(link, "rx-lro", "lro", IXGBE)
        .into_iter()
        .collect();
    if link.mtu > IXGBE_MTU_SAFE {
        findings.push(
            on(
                link,
                Level::Warn,
                format!(
                    "may refuse native XDP with an MTU of {}: every frame has to fit one receive \
                     buffer",
                    link.mtu
                ),
            )
            .command(set_mtu(link, IXGBE_MTU_SAFE))
            .source(IXGBE),
        );
    }
    findings
}

/// The driver has a queue of its own for each CPU where there are enough, else they take turns.
fn virtio(link: &Link) -> Vec<Finding> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let Some(channels) = link.channels else {
        return Vec::new();
    };
    let wanted = channels.used as usize + cpus;
    if channels.max as usize >= wanted {
        return Vec::new();
    }
    vec![
        on(
            link,
            Level::Ok,
            format!(
                "has {} channels where {wanted} would give each CPU one for what XDP transmits; \
                 with fewer they share them, which only SYN cookies notice",
                channels.max
            ),
        )
        .source(VIRTIO),
    ]
}

fn veth(link: &Link) -> Vec<Finding> {
    vec![
        on(
            link,
            Level::Ok,
            "is one end of a veth pair: natively, frames that the other end has put into larger \
             segments arrive as such",
        )
        .source(VETH),
    ]
}

/// Other drivers, by what they say of themselves.
fn fragments(link: &Link) -> Vec<Finding> {
    let lacks_fragments = link
        .native
        .is_some_and(|native| native.programs && !native.fragments);
    if !lacks_fragments || link.mtu <= ONE_PAGE_MTU_MAX {
        return Vec::new();
    }
    vec![
        on(
            link,
            Level::Warn,
            format!(
                "takes natively no frame of more than one buffer, and its MTU of {} may need them",
                link.mtu
            ),
        )
        .command(set_mtu(link, ONE_PAGE_MTU_MAX))
        .source(FEATURES),
    ]
}

/// A bond runs its program on the parts, so each of these has to be able to. Untested: no machine
/// of ours has bonds.
fn bond(link: &Link, links: &[Link]) -> Vec<Finding> {
    const MODES: [&str; 4] = ["balance-rr", "active-backup", "balance-xor", "802.3ad"];
    let mut findings = vec![
        on(
            link,
            Level::Warn,
            "is a bond: XDP on bonds is untested here; the program runs on its parts, natively \
             where each of them can",
        )
        .source(BOND),
    ];
    if let Some(mode) = link.bond_mode.as_deref()
        && !MODES.contains(&mode)
    {
        findings.push(
            on(
                link,
                Level::Fail,
                format!(
                    "is a bond in mode {mode}, which has no native XDP: use one of {}, or set \
                     `xdp.attach: generic`",
                    MODES.join(", ")
                ),
            )
            .source(BOND),
        );
    }
    for part in links
        .iter()
        .filter(|part| part.controller == Some(link.index))
    {
        if part.native.is_some_and(|native| !native.programs) {
            let text = format!(
                "has the part `{}`, whose driver has no native XDP: set `xdp.attach: generic`",
                part.name
            );
            findings.push(on(link, Level::Fail, text).source(BOND));
        }
        if let Some(occupant) = &part.occupant
            && link.carried.is_none()
        {
            findings.push(
                on(
                    link,
                    Level::Fail,
                    format!(
                        "has the part `{}`, which carries the XDP {occupant}",
                        part.name
                    ),
                )
                .command(occupant.fix())
                .source(BOND),
            );
        }
    }
    findings
}

fn part_of_bond(link: &Link, links: &[Link]) -> Option<Finding> {
    let bond = links.iter().find(|other| {
        Some(other.index) == link.controller && other.kind.as_deref() == Some("bond")
    })?;
    Some(
        on(
            link,
            Level::Fail,
            format!(
                "is a part of the bond `{0}`: name `{0}` in `xdp.interfaces` instead",
                bond.name
            ),
        )
        .source(BOND),
    )
}

/// A tag that the hardware takes off is not in the frame that XDP sees; what decides is the
/// address behind it.
fn tags(link: &Link) -> Option<Finding> {
    link.features.contains("rx-vlan-hw-parse").then(|| {
        on(
            link,
            Level::Ok,
            "takes VLAN tags off in hardware: events and explanations show its frames without \
             them, verdicts are the same",
        )
        .command(format!("sudo ethtool -K {} rxvlan off", link.name))
        .source(VLAN_TAG)
    })
}

fn half_of_channels(link: &Link, source: &'static str) -> Vec<Finding> {
    let Some(channels) = link.channels.filter(|it| it.used * 2 > it.max) else {
        return Vec::new();
    };
    let half = (channels.max / 2).max(1);
    let text = format!(
        "refuses native XDP with {} of {} channels in use: at most half may be",
        channels.used, channels.max
    );
    vec![
        on(link, Level::Warn, text)
            .command(format!("sudo ethtool -L {} combined {half}", link.name))
            .source(source),
    ]
}

fn mtu_at_most(link: &Link, max: u32, source: &'static str) -> Option<Finding> {
    (link.mtu > max).then(|| {
        let text = format!(
            "refuses native XDP with an MTU of {}: at most {max}",
            link.mtu
        );
        on(link, Level::Warn, text)
            .command(set_mtu(link, max))
            .source(source)
    })
}

fn feature_off(link: &Link, feature: &str, option: &str, source: &'static str) -> Option<Finding> {
    link.features.contains(feature).then(|| {
        let text = format!("refuses native XDP while `{feature}` merges segments in hardware");
        on(link, Level::Warn, text)
            .command(format!("sudo ethtool -K {} {option} off", link.name))
            .source(source)
    })
}

fn set_mtu(link: &Link, mtu: u32) -> String {
    format!("sudo ip link set dev {} mtu {mtu}", link.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::doctor::{Channels, NativeSupport};

    fn link(driver: &str) -> Link {
        Link {
            name: "eth0".to_owned(),
            index: 2,
            is_up: true,
            driver: Some(driver.to_owned()),
            mtu: 1_500,
            queues: 4,
            channels: Some(Channels { used: 4, max: 8 }),
            native: Some(NativeSupport {
                programs: true,
                fragments: true,
            }),
            ..Link::default()
        }
    }

    /// Level and command of everything that is not ok.
    fn faults(link: &Link, attach: AttachMode) -> Vec<(Level, String)> {
        examine(link, &[], attach)
            .into_iter()
            .filter(|finding| finding.level > Level::Ok)
            .map(|finding| (finding.level, finding.command.unwrap_or_default()))
            .collect()
    }

    fn warned(command: &str) -> (Level, String) {
        (Level::Warn, command.to_owned())
    }

    #[test]
    fn ena_wants_half_of_its_channels_free_and_frames_of_one_page() {
        let mut link = link("ena");
        assert_eq!(faults(&link, AttachMode::Auto), []);
        link.channels = Some(Channels { used: 8, max: 8 });
        link.mtu = 9_001;
        let expected = [
            warned("sudo ethtool -L eth0 combined 4"),
            warned("sudo ip link set dev eth0 mtu 3498"),
        ];
        assert_eq!(faults(&link, AttachMode::Auto), expected);
        assert_eq!(faults(&link, AttachMode::Generic), []);
    }

    #[test]
    fn gve_wants_nothing_merged_besides() {
        let mut link = link("gve");
        link.mtu = 8_896;
        link.features.insert("rx-lro".to_owned());
        let expected = [
            warned("sudo ip link set dev eth0 mtu 2032"),
            warned("sudo ethtool -K eth0 lro off"),
        ];
        assert_eq!(faults(&link, AttachMode::Native), expected);
    }

    #[test]
    fn a_driver_without_native_xdp_is_a_fault_only_where_native_is_asked_for() {
        let mut link = link("e1000");
        link.native = Some(NativeSupport {
            programs: false,
            fragments: false,
        });
        let levels =
            |attach| -> Vec<Level> { faults(&link, attach).iter().map(|it| it.0).collect() };
        assert_eq!(levels(AttachMode::Native), [Level::Fail]);
        assert_eq!(levels(AttachMode::Auto), [Level::Warn]);
        assert_eq!(levels(AttachMode::Generic), []);
    }

    #[test]
    fn large_frames_need_a_driver_that_takes_fragments() {
        let mut link = link("igc");
        link.mtu = 9_000;
        assert_eq!(faults(&link, AttachMode::Auto), []);
        link.native = Some(NativeSupport {
            programs: true,
            fragments: false,
        });
        let expected = [warned("sudo ip link set dev eth0 mtu 3498")];
        assert_eq!(faults(&link, AttachMode::Auto), expected);
    }

    #[test]
    fn a_bond_depends_on_its_mode_and_its_parts() {
        let bond = Link {
            name: "bond0".to_owned(),
            index: 9,
            driver: None,
            kind: Some("bond".to_owned()),
            bond_mode: Some("balance-alb".to_owned()),
            ..link("")
        };
        let part = Link {
            controller: Some(9),
            native: Some(NativeSupport {
                programs: false,
                fragments: false,
            }),
            ..link("e1000")
        };
        let links = [bond.clone(), part.clone()];
        let found = examine(&bond, &links, AttachMode::Auto);
        let texts: Vec<&str> = found
            .iter()
            .filter(|finding| finding.level == Level::Fail)
            .map(|finding| finding.text.as_str())
            .collect();
        let [mode, driver] = texts[..] else {
            panic!("{texts:?}");
        };
        assert!(
            mode.contains("balance-alb") && mode.contains("802.3ad"),
            "{mode}"
        );
        assert!(driver.contains("`eth0`"), "{driver}");
        let found = examine(&part, &links, AttachMode::Auto);
        let advice = found.iter().find(|it| it.text.contains("`bond0`")).unwrap();
        assert_eq!(advice.level, Level::Fail);
    }

    #[test]
    fn tags_that_hardware_takes_off_are_good_to_know() {
        let mut link = link("i40e");
        link.features.insert("rx-vlan-hw-parse".to_owned());
        let found = examine(&link, &[], AttachMode::Auto);
        let tags = found.iter().find(|it| it.text.contains("VLAN")).unwrap();
        assert_eq!(tags.level, Level::Ok);
        assert_eq!(
            tags.command.as_deref(),
            Some("sudo ethtool -K eth0 rxvlan off")
        );
    }
}
