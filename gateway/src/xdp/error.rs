//! What can keep the kernel edge from working, and who can do something about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use aya::programs::ProgramError;

use super::occupant::Occupant;
use crate::store::list::ListError;
use crate::store::penalty::FlowError;

/// Why the kernel edge cannot start or change.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Another process runs this instance.
    #[error("instance `{instance}` is already running: stop it, or name another instance")]
    InstanceRunning {
        /// Its name.
        instance: String,
    },
    /// Pins that somebody else could have tampered with.
    #[error("`{}` is owned by user {owner} with mode {mode:o}: remove it, or name another instance", path.display())]
    ForeignPins {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// Pins of this layout version whose maps are not those of this gateway.
    #[error("`{}` is {found}, expected {expected}: remove the directory it is in", path.display())]
    ForeignMap {
        /// The pin.
        path: PathBuf,
        /// What it is.
        found: MapShape,
        /// What it should be.
        expected: MapShape,
    },
    /// Nothing to look at.
    #[error(
        "instance `{instance}` has no kernel edge, nothing is pinned in `{}`: start it with \
         `gateway run`, or name another one with --instance or --config",
        path.display()
    )]
    NotPinned {
        /// Its name.
        instance: String,
        /// Where its pins would be.
        path: PathBuf,
    },
    /// Pins that another version of this program made.
    #[error(
        "instance `{instance}` runs a kernel edge of layout {found}, and this program reads layout \
         v{}: use the `gateway` that started it",
        gateway_common::layout::LAYOUT_VERSION
    )]
    OtherLayout {
        /// Its name.
        instance: String,
        /// The layouts that are pinned.
        found: String,
    },
    /// Somebody else reads the events.
    #[error(
        "another `gateway events` watches instance `{instance}`: events have one reader at a time, \
         end that one first"
    )]
    Watched {
        /// Its name.
        instance: String,
    },
    /// The lists did not get into the kernel's tables.
    #[error("the kernel's lists could not be filled")]
    Lists {
        /// Why.
        source: ListError,
    },
    /// A name in `xdp.interfaces` that no interface has.
    #[error("there is no network interface `{name}`: those present are {present}")]
    UnknownInterface {
        /// As configured.
        name: String,
        /// The names there are.
        present: String,
    },
    /// No interface carries any listener's address.
    #[error("no network interface carries an address of a listener: name them in `xdp.interfaces`")]
    NoInterface,
    /// An interface that only a command with privileges can add.
    #[error(
        "attaching to `{name}` needs the privileges that were given up after start: run \
         `gateway xdp apply --config FILE` as root, which attaches and then reloads"
    )]
    NewInterface {
        /// As configured.
        name: String,
    },
    /// An interface whose program would have to be attached anew.
    #[error(
        "`{interface}` carries the program in {mode} mode, and another one needs the privileges \
         that were given up after start: run `gateway xdp apply --config FILE` as root, which \
         attaches and then reloads"
    )]
    OtherMode {
        /// The interface.
        interface: String,
        /// How it is attached: `native` or `generic`.
        mode: &'static str,
    },
    /// Somebody else changes the links of this instance.
    #[error(
        "another `gateway xdp` is at work for instance `{instance}`: try again when it is done"
    )]
    BeingApplied {
        /// Its name.
        instance: String,
    },
    /// Nothing would stay attached.
    #[error("{cause}: {fix}")]
    NothingToApply {
        /// Why.
        cause: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// The listeners expand to more destinations than the table holds, together with the addresses
    /// and interfaces that other traffic is told by.
    #[error(
        "the listeners and other traffic come to {found} addresses and ports, at most {max} can be judged: name addresses instead of a wildcard, or leave `xdp.other_traffic` at `pass`"
    )]
    TooManyEndpoints {
        /// After expansion.
        found: usize,
        /// Most there may be.
        max: usize,
    },
    /// No seed was found that spreads the listeners' destinations over the table.
    #[error("the listeners' addresses do not spread over the table under {tried} seeds")]
    NoEndpointSeed {
        /// Seeds tried.
        tried: u32,
    },
    /// Capabilities this process does not have.
    #[error("the process lacks {missing}")]
    NotPermitted {
        /// Their names.
        missing: &'static str,
    },
    /// No BPF file system, and none could be mounted.
    #[error("`{}` is no BPF file system", path.display())]
    NoBpfFileSystem {
        /// Where it should be.
        path: PathBuf,
    },
    /// No BPF file system, and this process may not mount one.
    #[error("no BPF file system is mounted on `{}` and this process could not mount it", path.display())]
    NotMounted {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program sits on the interface.
    #[error(
        "`{}` already carries the XDP {occupant} of somebody else: detach it with {}, or leave the interface out of `xdp.interfaces`", occupant.interface, occupant.fix()
    )]
    Occupied {
        /// That program.
        occupant: Box<Occupant>,
    },
    /// The driver refused.
    #[error("attaching to `{interface}` in {mode} mode")]
    Attach {
        /// The interface.
        interface: String,
        /// `native` or `generic`.
        mode: &'static str,
        /// Why.
        source: ProgramError,
    },
    /// The kernel attached in a way that leaves nothing to pin and replace.
    #[error(
        "`{interface}` was attached without a BPF link, which cannot be replaced atomically: use a kernel from 5.9 on"
    )]
    NoLink {
        /// The interface.
        interface: String,
    },
    /// The kernel says that something else is attached than was asked for.
    #[error("`{interface}` does not carry the program that was just attached to it")]
    NotAttached {
        /// The interface.
        interface: String,
    },
    /// The verifier refused the program.
    #[error("the kernel's verifier refused `{program}`: {log}")]
    Verifier {
        /// Its name.
        program: &'static str,
        /// The end of its log.
        log: VerifierTail,
        /// Error of the system call.
        source: io::Error,
    },
    /// A part is missing from the object.
    #[error("the embedded BPF object has no {what} `{name}`: it was built from another source")]
    Incomplete {
        /// `map` or `program`.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// aya could not load the object.
    #[error("loading the BPF object")]
    Load(#[from] aya::EbpfError),
    /// A program operation failed.
    #[error("BPF program")]
    Program(#[from] ProgramError),
    /// A map operation failed.
    #[error("BPF map `{name}`")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        source: aya::maps::MapError,
    },
    /// The flow table could not be emptied of what an earlier run left.
    #[error("emptying the table of penalised flows")]
    Flows(#[from] FlowError),
    /// A pin or link operation failed.
    #[error("{call} `{}`", path.display())]
    Pin {
        /// What was tried.
        call: &'static str,
        /// The pin.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A system call failed.
    #[error("{call}")]
    System {
        /// Its name, and on what.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl EdgeError {
    /// Whether the surroundings are at fault, so that `mode: auto` goes on without XDP. What the
    /// configuration got wrong, and what could be an attack, stops the start in every mode.
    pub(super) const fn is_environmental(&self) -> bool {
        match self {
            Self::InstanceRunning { .. }
            | Self::ForeignPins { .. }
            | Self::ForeignMap { .. }
            | Self::NotPinned { .. }
            | Self::OtherLayout { .. }
            | Self::Watched { .. }
            | Self::UnknownInterface { .. }
            | Self::NewInterface { .. }
            | Self::OtherMode { .. }
            | Self::BeingApplied { .. }
            | Self::NothingToApply { .. }
            | Self::TooManyEndpoints { .. } => false,
            Self::NoInterface
            | Self::NoEndpointSeed { .. }
            | Self::NotPermitted { .. }
            | Self::NoBpfFileSystem { .. }
            | Self::NotMounted { .. }
            | Self::Occupied { .. }
            | Self::Attach { .. }
            | Self::NoLink { .. }
            | Self::NotAttached { .. }
            | Self::Verifier { .. }
            | Self::Incomplete { .. }
            | Self::Load(_)
            | Self::Program(_)
            | Self::Map { .. }
            | Self::Flows(_)
            | Self::Lists { .. }
            | Self::Pin { .. }
            | Self::System { .. } => true,
        }
    }

    /// What would make it work, or how to live without.
    pub(super) fn fix(&self) -> &'static str {
        match self {
            Self::NoInterface => "name the interfaces in `xdp.interfaces`",
            Self::Occupied { .. } => {
                "detach the other program, or leave the interface out of `xdp.interfaces`"
            }
            _ => self.remedy().unwrap_or(
                "set `xdp.mode: required` to make this an error, or `off` to silence it",
            ),
        }
    }

    /// The command that would make it work, where the message itself does not say.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotPermitted { .. } => Some(
                "run the same command with `sudo`: the gateway gives its privileges up again once it has started",
            ),
            Self::NoBpfFileSystem { .. } | Self::NotMounted { .. } => {
                Some("run `mount -t bpf bpf /sys/fs/bpf` as root")
            }
            _ => None,
        }
    }
}

/// Names a system call in its error.
pub(super) fn system(call: &'static str) -> impl FnOnce(io::Error) -> EdgeError {
    move |source| EdgeError::System { call, source }
}

/// As [`system`], for rustix.
pub(super) fn errno(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> EdgeError {
    move |errno| EdgeError::System {
        call,
        source: errno.into(),
    }
}

/// Type and sizes of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// Entries.
    pub entries: u32,
}

impl fmt::Display for MapShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            key_bytes,
            value_bytes,
            entries,
        } = self;
        write!(
            f,
            "a map of type {kind} with {entries} entries of {key_bytes} + {value_bytes} bytes"
        )
    }
}

/// The last line of the verifier's log that says something, and how many lines it left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierTail {
    /// That line.
    pub line: String,
    /// Lines not shown.
    pub omitted: usize,
}

impl VerifierTail {
    pub(super) fn of(log: &str) -> Self {
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        // The log ends in statistics; the complaint stands before them.
        let is_statistic = |line: &str| {
            ["processed ", "verification time", "stack depth"]
                .iter()
                .any(|start| line.starts_with(start))
        };
        let line = lines.iter().rev().find(|line| !is_statistic(line));
        Self {
            line: line.map_or_else(|| "no log".to_owned(), |line| line.trim().to_owned()),
            omitted: lines.len().saturating_sub(1),
        }
    }
}

impl fmt::Display for VerifierTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} lines of its log omitted)",
            self.line, self.omitted
        )
    }
}
