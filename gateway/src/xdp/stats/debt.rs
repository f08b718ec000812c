//! Who owes how much of what: the buckets of sources and callers, and the limits that sources are
//! held to.

use std::path::Path;

use gateway_common::address::{
    Class, KIND_BYTES, KIND_CONNECTIONS, KIND_OTHER, KIND_PACKETS, KIND_TRICKLE, kind_of,
};
use gateway_common::capacity::RULES_COUNT;
use gateway_common::limit::Limit;
use gateway_common::settings::SourceLimit;

use super::numbers;
use crate::store::bucket::OwingBucket;
use crate::xdp::error::EdgeError;
use crate::xdp::in_force::OrderMaps;
use crate::xdp::maps::DebtMaps;

/// The limit of one class of source buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassLimit {
    /// The class.
    pub class: Class,
    /// What a source of it is held to.
    pub limit: Limit,
}

/// Every debt at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debts {
    /// Sources that owe something.
    pub sources: Vec<OwingBucket>,
    /// Callers that owe something.
    pub callers: Vec<OwingBucket>,
    /// The limits in force that are not off, each class once.
    pub limits: Vec<ClassLimit>,
}

/// Reads debts through mapped memory.
#[derive(Debug)]
pub struct DebtsReader {
    buckets: DebtMaps,
    orders: OrderMaps,
}

impl DebtsReader {
    pub(in crate::xdp) fn open(directory: &Path) -> Result<Self, EdgeError> {
        Ok(Self {
            buckets: DebtMaps::open(directory)?,
            orders: OrderMaps::open(directory)?,
        })
    }

    /// Every debt at `now_ns` of `CLOCK_MONOTONIC`. Tables are read as
    /// [`crate::store::bucket::LineReader::owing`] says, limits by system call.
    ///
    /// # Errors
    /// A map operation's.
    pub fn read(&self, now_ns: u64) -> Result<Debts, EdgeError> {
        let mut debts = Debts {
            limits: self.limits()?,
            ..Debts::default()
        };
        self.buckets.sources.owing(now_ns, &mut debts.sources);
        self.buckets.callers.owing(now_ns, &mut debts.callers);
        Ok(debts)
    }

    /// The limits in force, each class once. A change in the middle of the call can mix the old
    /// ones with the new.
    fn limits(&self) -> Result<Vec<ClassLimit>, EdgeError> {
        let orders = self.orders.in_force()?;
        let mut limits = Vec::new();
        for listener in numbers(RULES_COUNT) {
            for limit in orders.rules(listener)?.limits {
                add(&mut limits, &limit);
            }
        }
        add(&mut limits, &orders.settings.other);
        add(&mut limits, &orders.settings.trickle);
        Ok(limits)
    }
}

fn add(limits: &mut Vec<ClassLimit>, limit: &SourceLimit) {
    let is_known = |known: &ClassLimit| known.class.number == limit.class.number;
    if !limit.source.is_off() && !limits.iter().any(is_known) {
        limits.push(ClassLimit {
            class: limit.class,
            limit: limit.source,
        });
    }
}

/// What a class counts, in one word.
#[must_use]
pub const fn kind_name(class_number: u32) -> &'static str {
    match kind_of(class_number) {
        KIND_CONNECTIONS => "connections",
        KIND_PACKETS => "packets",
        KIND_BYTES => "bytes",
        KIND_OTHER => "other",
        KIND_TRICKLE => "trickle",
        _ => "unknown",
    }
}
