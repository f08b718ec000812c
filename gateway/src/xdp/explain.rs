//! Asking the program what it would make of one packet, and why.
//!
//! The object has a second entry point with the same judgement and every write compiled out, which
//! notes its steps in a map of its own. It is loaded beside the attached program, against the maps
//! that are pinned, run once on the packet, and gone again: nothing is attached, nothing is pinned,
//! and no word or counter of the instance changes.

use std::time::Duration;

use aya::maps::{Array, MapData};
use aya::programs::{TestRun as _, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use gateway_common::address::{KIND_OTHER, KIND_TRICKLE, kind_of};
use gateway_common::limit::Limit;
use gateway_common::list::NEVER;
use gateway_common::name::{MAP_TRACE, PROGRAM_EXPLAIN};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Rules, Settings, SourceLimit};
use gateway_common::trace::{STEPS_MAX, Step, Topic, Trace};

use super::error::EdgeError;
use super::in_force::OrderMaps;
use super::maps;
use super::object::{OBJECT, program_mut, verifier};
use super::pins;
use super::switch::map_error;
use crate::model::InstanceName;

/// Bytes of the shortest frame that the kernel runs a program on: its link header.
pub const FRAME_BYTES_MIN: usize = 14;

/// What the program would make of a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Its address family.
    pub family: Family,
    /// Number of the listener it is for, counted from one.
    pub listener: Option<u32>,
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

/// One step of a judgement.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// What the frame is.
    Parsed(Content),
    /// Whom it is for: the number of a listener.
    Destination(Option<u32>),
    /// How the interface treats traffic of this kind that is for no listener.
    OtherTraffic(Treated),
    /// What the lists say of its source.
    Lists(Listed),
    /// Under attack: whether its source has proven itself, and for how long that holds.
    Vouched(Option<Duration>),
    /// Under attack: whether what newcomers share had room.
    Newcomers {
        /// Whether there was.
        is_within: bool,
    },
    /// A limit was asked.
    Limit(Owing),
    /// Whether its flow is held back for a key's offences.
    Flow {
        /// Whether it is.
        is_penalised: bool,
    },
    /// A rule that is only monitored would have dropped it here.
    Monitored(Reason),
}

/// What a frame is, as the program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A TCP SYN without ACK.
    Opening,
    /// Any other well-formed segment or datagram.
    Ordinary,
    /// A fragment that carries no whole transport header.
    Fragment,
    /// Headers that continue beyond what can be read.
    OutOfReach,
    /// Lengths, flags or addresses that no honest stack sends.
    Malformed,
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// More VLAN tags than are read.
    TagsTooDeep,
    /// A protocol that no listener speaks.
    OtherProtocol,
    /// An IP header that is cut off.
    NoHeader,
    /// An ICMP error, neighbour discovery or a report of multicast listeners.
    Control,
}

impl Content {
    /// Every content, in the order of the program's numbers.
    const ALL: [Self; 10] = [
        Self::Opening,
        Self::Ordinary,
        Self::Fragment,
        Self::OutOfReach,
        Self::Malformed,
        Self::NotIp,
        Self::TagsTooDeep,
        Self::OtherProtocol,
        Self::NoHeader,
        Self::Control,
    ];
}

/// A treatment of other traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treated {
    /// It passes.
    Pass,
    /// It passes within a limit per source.
    Limit,
    /// It is dropped.
    Drop,
}

/// What the lists say of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Nothing.
    Not,
    /// It is a management prefix.
    Management,
    /// It is allowed.
    Allowed(Entry),
    /// It is denied.
    Denied(Entry),
    /// It is denied by a list in monitor mode.
    Monitored(Entry),
}

/// What decided on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the list.
    pub list: u32,
    /// How much longer it holds; `None` until it is removed.
    pub left: Option<Duration>,
}

/// What a source owes to one limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Owing {
    /// What is counted, a `KIND_*` of [`gateway_common::address`].
    pub kind: u32,
    /// Whether the source found no room, so that its aggregate pays.
    pub by_aggregate: bool,
    /// Whether this packet is within the limit.
    pub is_within: bool,
    /// Units owed before this packet.
    pub owed: f64,
    /// Units that may be owed.
    pub burst: f64,
    /// Units paid off per second.
    pub per_second: f64,
}

/// Says what the program that judges for `instance` would make of `frame`, had it come in on the
/// interface of that index; zero stands for one that nothing is configured for.
///
/// # Errors
/// [`EdgeError::NotPinned`], [`EdgeError::OtherLayout`], [`EdgeError::NotPermitted`], and whatever
/// loading a program fails with.
pub fn explain(
    instance: &InstanceName,
    frame: &[u8],
    interface: u32,
) -> Result<Explanation, EdgeError> {
    let directory = pins::existing(instance)?;
    super::require_capabilities()?;
    // Before anything is loaded, so that nothing is pinned that was not.
    maps::check_shapes(&directory)?;
    let mut loader = EbpfLoader::new();
    for (name, _) in maps::ALL {
        loader.map_pin_path(name, directory.join(name));
    }
    let mut loaded = loader.load(OBJECT)?;
    let program = program_mut(&mut loaded, PROGRAM_EXPLAIN)?;
    program
        .load()
        .map_err(|error| verifier(PROGRAM_EXPLAIN, error))?;
    let asked = Trace { interface, ..EMPTY };
    trace_map(&mut loaded)?
        .set(0, asked, 0)
        .map_err(map_error(MAP_TRACE))?;
    program_mut(&mut loaded, PROGRAM_EXPLAIN)?.test_run(TestRunOptions {
        data_in: Some(frame),
        ..TestRunOptions::new()
    })?;
    let trace = trace_map(&mut loaded)?
        .get(&0, 0)
        .map_err(map_error(MAP_TRACE))?;
    Orders::read(&directory, trace.listener).map(|orders| orders.explanation(&trace))
}

const EMPTY: Trace = Trace {
    interface: 0,
    length: 0,
    verdict: 0,
    reason: 0,
    family: 0,
    listener: 0,
    now_ns: 0,
    steps: [Step {
        topic: 0,
        outcome: 0,
        first: 0,
        second: 0,
    }; STEPS_MAX],
};

fn trace_map(loaded: &mut Ebpf) -> Result<Array<&mut MapData, Trace>, EdgeError> {
    let map = loaded.map_mut(MAP_TRACE).ok_or(EdgeError::Incomplete {
        what: "map",
        name: MAP_TRACE,
    })?;
    Array::try_from(map).map_err(map_error(MAP_TRACE))
}

/// What the packet was judged by.
struct Orders {
    settings: Settings,
    rules: Rules,
}

impl Orders {
    fn read(directory: &std::path::Path, listener: u32) -> Result<Self, EdgeError> {
        let maps = OrderMaps::open(directory)?;
        let in_force = maps.in_force()?;
        Ok(Self {
            settings: in_force.settings,
            rules: in_force.rules(listener)?,
        })
    }

    fn explanation(&self, trace: &Trace) -> Explanation {
        let length = usize::try_from(trace.length).unwrap_or(usize::MAX);
        let mut findings: Vec<Finding> = Vec::new();
        for step in trace.steps.iter().take(length) {
            let Some(finding) = self.finding(step, trace.now_ns) else {
                continue;
            };
            // A byte limit is looked at and then paid: one question to whoever reads this.
            let is_repeated = matches!(&finding, Finding::Limit(owing) if findings
                .iter()
                .any(|earlier| matches!(earlier, Finding::Limit(known) if known.kind == owing.kind)));
            if !is_repeated {
                findings.push(finding);
            }
        }
        Explanation {
            verdict: named(&Verdict::ALL, trace.verdict.into()).unwrap_or(Verdict::Pass),
            reason: named(Reason::ALL, trace.reason.into()).unwrap_or(Reason::Fault),
            family: named(&Family::ALL, trace.family.into()).unwrap_or(Family::Other),
            listener: (trace.listener != 0).then_some(trace.listener),
            findings,
        }
    }

    /// One step; `None` for one of a kind that this version does not know.
    fn finding(&self, step: &Step, now_ns: u64) -> Option<Finding> {
        const PARSED: u32 = Topic::Parsed as u32;
        const DESTINATION: u32 = Topic::Destination as u32;
        const OTHER_TRAFFIC: u32 = Topic::OtherTraffic as u32;
        const LISTS: u32 = Topic::Lists as u32;
        const VOUCHED: u32 = Topic::Vouched as u32;
        const NEWCOMERS: u32 = Topic::Newcomers as u32;
        const LIMIT: u32 = Topic::Limit as u32;
        const FLOW: u32 = Topic::Flow as u32;
        const MONITORED: u32 = Topic::Monitored as u32;
        let Step {
            topic,
            outcome,
            first,
            second,
        } = *step;
        let number = u32::try_from(first).ok();
        Some(match topic {
            PARSED => Finding::Parsed(named(&Content::ALL, first)?),
            DESTINATION => Finding::Destination(number.filter(|_| outcome != 0)),
            OTHER_TRAFFIC => Finding::OtherTraffic(match first {
                0 => Treated::Pass,
                1 => Treated::Limit,
                _ => Treated::Drop,
            }),
            LISTS => {
                let entry = Entry {
                    list: number?,
                    left: (second != NEVER).then(|| left(second, now_ns)),
                };
                Finding::Lists(match outcome {
                    0 => Listed::Not,
                    1 => Listed::Management,
                    2 => Listed::Allowed(entry),
                    3 => Listed::Denied(entry),
                    _ => Listed::Monitored(entry),
                })
            }
            VOUCHED => Finding::Vouched((outcome != 0).then(|| left(second, now_ns))),
            NEWCOMERS => Finding::Newcomers {
                is_within: outcome != 0,
            },
            LIMIT => Finding::Limit(self.owing(number?, outcome, second)),
            FLOW => Finding::Flow {
                is_penalised: outcome != 0,
            },
            MONITORED => Finding::Monitored(named(Reason::ALL, first)?),
            _ => return None,
        })
    }

    /// A limit by the number of its class.
    fn owing(&self, class: u32, outcome: u32, owed_ns: u64) -> Owing {
        let kind = kind_of(class);
        let limit = match kind {
            KIND_OTHER => self.settings.other,
            KIND_TRICKLE => self.settings.trickle,
            _ => {
                let index = usize::try_from(kind).unwrap_or(usize::MAX);
                let found = self.rules.limits.get(index);
                found.copied().unwrap_or(SourceLimit::default())
            }
        };
        let by_aggregate = outcome >= 2;
        let limit = if by_aggregate {
            limit.aggregate
        } else {
            limit.source
        };
        let unit_ns = unit_ns(&limit);
        Owing {
            kind,
            by_aggregate,
            is_within: outcome == 1 || outcome == 2,
            owed: as_f64(owed_ns) / unit_ns,
            burst: as_f64(limit.tolerance_ns) / unit_ns,
            per_second: 1e9 / unit_ns,
        }
    }
}

/// The value of a number that counts through all values.
fn named<T: Copy>(all: &[T], number: u64) -> Option<T> {
    all.get(usize::try_from(number).ok()?).copied()
}

fn left(end_ns: u64, now_ns: u64) -> Duration {
    Duration::from_nanos(end_ns.saturating_sub(now_ns))
}

/// Nanoseconds that one unit takes, with its fraction.
fn unit_ns(limit: &Limit) -> f64 {
    as_f64(limit.multiplier) / 2_f64.powi(i32::try_from(limit.shift).unwrap_or(0))
}

/// For figures that are shown: 53 bits of them are enough.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is lost is below what is shown"
)]
const fn as_f64(value: u64) -> f64 {
    value as f64
}
