//! What is known of an interface, from rtnetlink, its driver and `/sys`.

use std::collections::BTreeSet;
use std::path::Path;

use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

use super::ethtool::{Channels, Drivers, NativeSupport};
use super::host::read;
use crate::xdp::error::{EdgeError, system};
use crate::xdp::interfaces::{Carried, ask, carried_by};
use crate::xdp::occupant::Occupant;

/// Facts about one interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) is_up: bool,
    pub(super) is_loopback: bool,
    /// What kind of virtual device it is, such as `veth`, `bond` or `bridge`; `None` for hardware.
    pub(super) kind: Option<String>,
    /// The driver of its hardware.
    pub(super) driver: Option<String>,
    pub(super) mtu: u32,
    /// Index of the bond or bridge that it is a part of.
    pub(super) controller: Option<u32>,
    /// Index of the interface that it is on top of, of kinds that have one in this namespace.
    pub(super) below: Option<u32>,
    /// Receive queues in use.
    pub(super) queues: usize,
    pub(super) channels: Option<Channels>,
    /// Offloads that are on.
    pub(super) features: BTreeSet<String>,
    /// What its driver says it can do, from Linux 6.3 on.
    pub(super) native: Option<NativeSupport>,
    /// Of a bond: its mode, such as `802.3ad`.
    pub(super) bond_mode: Option<String>,
    pub(super) carried: Option<Carried>,
    pub(super) occupant: Option<Occupant>,
}

impl Link {
    /// Every interface of this network namespace. `root` is `/` outside tests.
    pub(super) fn all(root: &Path, drivers: &Drivers) -> Result<Vec<Self>, EdgeError> {
        let names =
            nix::net::if_::if_nameindex().map_err(|error| system("if_nameindex")(error.into()))?;
        let mut links = Vec::new();
        for entry in &names {
            let index = entry.index();
            let message = match ask(index) {
                Ok(message) => message,
                // It has gone since it was listed.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
                Err(error) => return Err(system("RTM_GETLINK")(error)),
            };
            let name = entry.name().to_string_lossy().into_owned();
            let mut link = Self::of(name, &message);
            link.read_files(root)?;
            link.channels = drivers.channels(index);
            link.features = drivers.features(index);
            link.native = drivers.native(index);
            link.occupant = link
                .carried
                .map(|carried| Occupant::describe(&link.name, carried));
            links.push(link);
        }
        Ok(links)
    }

    /// What it is, in a few words.
    pub(super) fn description(&self) -> String {
        match (&self.driver, &self.kind) {
            (Some(driver), _) => format!("driver {driver}"),
            (None, Some(kind)) => kind.clone(),
            (None, None) if self.is_loopback => "loopback".to_owned(),
            (None, None) => "driver unknown".to_owned(),
        }
    }

    /// The driver, or of virtual devices the kind, by which rules are found.
    pub(super) fn driver_name(&self) -> &str {
        self.driver
            .as_deref()
            .or(self.kind.as_deref())
            .unwrap_or_default()
    }

    fn of(name: String, message: &LinkMessage) -> Self {
        let mut link = Self {
            name,
            index: message.header.index,
            is_up: message.header.flags.contains(LinkFlags::Up),
            is_loopback: message.header.flags.contains(LinkFlags::Loopback),
            carried: carried_by(message),
            ..Self::default()
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Controller(index) => link.controller = Some(*index),
                LinkAttribute::Link(index) => link.below = Some(*index),
                LinkAttribute::NumRxQueues(count) => {
                    link.queues = usize::try_from(*count).unwrap_or(0);
                }
                LinkAttribute::LinkInfo(infos) => {
                    link.kind = infos.iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        link
    }

    /// What only `/sys/class/net` tells: the driver, the queues in use, the mode of a bond.
    fn read_files(&mut self, root: &Path) -> Result<(), EdgeError> {
        let directory = root.join("sys/class/net").join(&self.name);
        if let Ok(driver) = std::fs::read_link(directory.join("device/driver")) {
            let name = driver.file_name();
            self.driver = name.map(|name| name.to_string_lossy().into_owned());
        }
        if let Ok(entries) = std::fs::read_dir(directory.join("queues")) {
            self.queues = entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("rx-"))
                .count();
        }
        // `802.3ad 4`: the name and its number.
        let mode = read(&directory.join("bonding/mode")).map_err(system("read bonding/mode"))?;
        self.bond_mode = mode.and_then(|mode| mode.split_whitespace().next().map(str::to_owned));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_queues_and_bond_mode_are_read_from_a_tree() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("sys/class/net/bond0");
        for part in [
            "device",
            "bonding",
            "queues/rx-0",
            "queues/rx-1",
            "queues/tx-0",
        ] {
            std::fs::create_dir_all(directory.join(part)).unwrap();
        }
        std::os::unix::fs::symlink(
            "../../../bus/pci/drivers/ena",
            directory.join("device/driver"),
        )
        .unwrap();
        std::fs::write(directory.join("bonding/mode"), "802.3ad 4\n").unwrap();
        let mut link = Link {
            name: "bond0".to_owned(),
            ..Link::default()
        };
        link.read_files(root.path()).unwrap();
        assert_eq!(link.driver_name(), "ena");
        assert_eq!(link.queues, 2);
        assert_eq!(link.bond_mode.as_deref(), Some("802.3ad"));
    }

    #[test]
    fn the_loopback_interface_is_found_as_it_is() {
        let links = Link::all(Path::new("/"), &Drivers::open().unwrap()).unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert!(lo.is_loopback);
        assert_eq!(lo.description(), "loopback");
        assert!(lo.mtu >= 1_500);
    }
}
