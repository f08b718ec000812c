//! Who else has a program on an interface: its name, how it is attached, who keeps it there, and
//! the command that ends it.
//!
//! Looking into the programs and links of others takes `CAP_SYS_ADMIN`; without it the number that
//! rtnetlink tells everybody is all there is.

use std::fmt;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, LinkInfo, LinkType, PinnedLink};
use aya::programs::{ProgramInfo, loaded_links, loaded_programs};

use super::Mode;
use super::interfaces::Carried;
use super::pins::{FILE_SYSTEM, LINK_PREFIX};

/// Directories below the BPF file system that are looked into for a pin.
const DEPTH_MAX: usize = 4;
/// Pins that are looked at.
const PINS_MAX: usize = 4_096;

/// The program of somebody else on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The interface.
    pub interface: String,
    /// Kernel id of the program.
    pub program_id: u32,
    /// Where it runs.
    pub mode: Mode,
    /// Its name and tag, as far as this process may know them.
    pub identity: Option<Identity>,
    /// How it is attached.
    pub attached: AttachedBy,
    /// Pins of the program or its link, in the order of the file system.
    pub pins: Vec<PathBuf>,
}

/// What tells programs apart across loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Up to fifteen characters, as it was loaded; may be empty.
    pub name: String,
    /// The kernel's digest of its instructions.
    pub tag: u64,
}

/// How a program came onto an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedBy {
    /// By a BPF link of this id, which lasts as long as somebody holds or pins it.
    Link(u32),
    /// By rtnetlink: it lasts until somebody takes it off.
    Netlink,
    /// This process may not look.
    Unknown,
}

impl Occupant {
    /// Describes the program that `carried` speaks of.
    pub(super) fn describe(interface: &str, carried: Carried) -> Self {
        let program = program(carried.program_id);
        let link = match link(carried.program_id) {
            Ok(Some(link)) => AttachedBy::Link(link),
            Ok(None) => AttachedBy::Netlink,
            Err(()) => AttachedBy::Unknown,
        };
        let identity = program.as_ref().map(|program| Identity {
            name: program.name_as_str().unwrap_or_default().to_owned(),
            tag: program.tag(),
        });
        let pins = program.map_or_else(Vec::new, |program| pins_of(&program, link));
        Self {
            interface: interface.to_owned(),
            program_id: carried.program_id,
            mode: carried.mode,
            identity,
            attached: link,
            pins,
        }
    }

    /// The command that takes it off.
    #[must_use]
    pub fn fix(&self) -> String {
        let interface = &self.interface;
        if let Some(instance) = self.pins.iter().find_map(|pin| instance_of(pin)) {
            return format!(
                "`gateway xdp detach --instance {instance}` once that gateway is stopped"
            );
        }
        // The protocol of libxdp: its dispatcher, pinned below `xdp`.
        let is_dispatched = self.pins.iter().any(|pin| is_libxdp(pin));
        if is_dispatched {
            return format!("`xdp-loader unload {interface} --all`");
        }
        match (self.attached, self.mode) {
            (AttachedBy::Link(id), _) => {
                format!("`bpftool link detach id {id}`, or stop the process that holds the link")
            }
            (AttachedBy::Netlink | AttachedBy::Unknown, Mode::Native) => {
                format!("`ip link set dev {interface} xdp off`")
            }
            (AttachedBy::Netlink | AttachedBy::Unknown, Mode::Generic) => {
                format!("`ip link set dev {interface} xdpgeneric off`")
            }
        }
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.program_id)?;
        if let Some(Identity { name, tag }) = &self.identity {
            write!(f, " `{name}` with tag {tag:016x}")?;
        }
        write!(f, ", {}", self.mode.name())?;
        match self.attached {
            AttachedBy::Link(id) => write!(f, ", attached by link {id}")?,
            AttachedBy::Netlink => f.write_str(", attached by netlink")?,
            AttachedBy::Unknown => {}
        }
        match self.pins.as_slice() {
            [] => Ok(()),
            [first, ..] => write!(f, ", pinned as `{}`", first.display()),
        }
    }
}

/// What the kernel tells of a program; `None` where it has gone or this process may not look.
pub(super) fn program(id: u32) -> Option<ProgramInfo> {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
}

/// Whether a program uses a map, as far as this user may know.
pub(super) fn uses_map(program_id: u32, map_id: u32) -> bool {
    program(program_id)
        .and_then(|program| program.map_ids().ok().flatten())
        .is_some_and(|ids| ids.contains(&map_id))
}

/// The id of the XDP link that runs a program; an error where this process may not look.
fn link(program_id: u32) -> Result<Option<u32>, ()> {
    for link in loaded_links() {
        // One that goes away meanwhile is an error as well; only the first says "not permitted".
        match link {
            Ok(link) if is_xdp(&link) && link.program_id() == program_id => {
                return Ok(Some(link.id()));
            }
            Ok(_) => {}
            Err(_refused) => return Err(()),
        }
    }
    Ok(None)
}

fn is_xdp(link: &LinkInfo) -> bool {
    matches!(link.link_type(), Ok(LinkType::Xdp))
}

/// Every pin of a program or of its link that this process may open.
fn pins_of(program: &ProgramInfo, attached: AttachedBy) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = PINS_MAX;
    let mut directories = vec![(PathBuf::from(FILE_SYSTEM), 0)];
    while let Some((directory, depth)) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            if left == 0 {
                return found;
            }
            left -= 1;
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_dir() {
                if depth < DEPTH_MAX {
                    directories.push((path, depth + 1));
                }
            } else if !kind.is_socket() && is_pin_of(&path, program, attached) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a pin holds cannot be asked beforehand, and the kernel fills in whatever description fits
/// the object. So all that tells programs and links apart from others has to agree.
fn is_pin_of(path: &Path, program: &ProgramInfo, attached: AttachedBy) -> bool {
    let is_program = ProgramInfo::from_pin(path).is_ok_and(|pinned| {
        (pinned.id(), pinned.tag(), pinned.name()) == (program.id(), program.tag(), program.name())
    });
    let is_link = || match attached {
        AttachedBy::Link(id) => PinnedLink::from_pin(path)
            .ok()
            .and_then(|pinned| FdLink::from(pinned).info().ok())
            .is_some_and(|link| {
                is_xdp(&link) && (link.id(), link.program_id()) == (id, program.id())
            }),
        AttachedBy::Netlink | AttachedBy::Unknown => false,
    };
    is_program || is_link()
}

/// The instance of this gateway that a pin belongs to.
fn instance_of(pin: &Path) -> Option<&str> {
    let below = pin
        .strip_prefix(FILE_SYSTEM)
        .ok()?
        .strip_prefix("gateway")
        .ok()?;
    let mut parts = below.iter().filter_map(|part| part.to_str());
    let (instance, _version, name) = (parts.next()?, parts.next()?, parts.next()?);
    name.starts_with(LINK_PREFIX).then_some(instance)
}

/// libxdp pins its dispatchers and what they call as `xdp/dispatch-<interface>-<id>/..`.
fn is_libxdp(pin: &Path) -> bool {
    let Ok(below) = pin.strip_prefix(Path::new(FILE_SYSTEM).join("xdp")) else {
        return false;
    };
    below.iter().next().is_some_and(|directory| {
        directory
            .to_str()
            .is_some_and(|name| name.starts_with("dispatch-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupant(attached: AttachedBy, mode: Mode, pins: &[&str]) -> Occupant {
        Occupant {
            interface: "eth0".to_owned(),
            program_id: 7,
            mode,
            identity: Some(Identity {
                name: "filter".to_owned(),
                tag: 0x3b18_5187_f185_5c4c,
            }),
            attached,
            pins: pins.iter().map(PathBuf::from).collect(),
        }
    }

    #[test]
    fn who_it_is_stands_on_one_line() {
        let text = occupant(
            AttachedBy::Link(9),
            Mode::Native,
            &["/sys/fs/bpf/other/link"],
        )
        .to_string();
        assert_eq!(
            text,
            "program 7 `filter` with tag 3b185187f1855c4c, native, attached by link 9, pinned as \
             `/sys/fs/bpf/other/link`"
        );
        let mut unknown = occupant(AttachedBy::Unknown, Mode::Generic, &[]);
        unknown.identity = None;
        assert_eq!(unknown.to_string(), "program 7, generic");
    }

    #[test]
    fn what_ends_it_depends_on_who_keeps_it() {
        let cases: [(AttachedBy, Mode, &[&str], &str); 6] = [
            (
                AttachedBy::Netlink,
                Mode::Native,
                &[],
                "`ip link set dev eth0 xdp off`",
            ),
            (
                AttachedBy::Netlink,
                Mode::Generic,
                &[],
                "`ip link set dev eth0 xdpgeneric off`",
            ),
            (
                AttachedBy::Link(9),
                Mode::Native,
                &["/sys/fs/bpf/other/link"],
                "`bpftool link detach id 9`",
            ),
            (
                AttachedBy::Link(9),
                Mode::Native,
                &["/sys/fs/bpf/xdp/dispatch-4-7/prog0-link"],
                "`xdp-loader unload eth0 --all`",
            ),
            (
                AttachedBy::Link(9),
                Mode::Native,
                &["/sys/fs/bpf/gateway/blue/v2/link_4026531840_2"],
                "`gateway xdp detach --instance blue`",
            ),
            (
                AttachedBy::Link(9),
                Mode::Native,
                &["/sys/fs/bpf/gateway/blue/v2/settings"],
                "`bpftool link detach id 9`",
            ),
        ];
        for (attached, mode, pins, expected) in cases {
            let fix = occupant(attached, mode, pins).fix();
            assert!(fix.starts_with(expected), "{fix}");
        }
    }
}
