//! The lists as people see them.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use gateway_common::list::{LIST_MANAGEMENT, LIST_NAMED};

use super::by_hand::{ByHand, Kept};
use super::configured::Configured;
use super::definitions::{OFFLOADED, PROXIES};
use super::error::ListError;
use super::picture::{Picture, Role};
use super::{Lists, Moment};
use crate::model::{ListName, Prefix};

/// One entry of a list kept by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The prefix.
    pub prefix: Prefix,
    /// Time left; `None` until removed.
    pub remaining: Option<Duration>,
    /// Packets for which the kernel decided by this entry; `None` where no kernel judges.
    pub hits: Option<u64>,
    /// Time left to confirm the last change to it; `None` where it is for good.
    pub unconfirmed: Option<Duration>,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStatus {
    /// Its number in the kernel's tables and counters.
    pub number: u16,
    /// Its name: `operator`, `allow`, `management`, `policies`, `proxies` or as configured.
    pub name: String,
    /// What being on it means.
    pub role: Role,
    /// Its entries.
    pub entries: usize,
    /// Memory that its table occupies in the gateway, in bytes.
    pub bytes: usize,
    /// Packets for which it decided, where a kernel judges.
    pub packets: Option<u64>,
    /// Connections for which it decided at accept.
    pub connections: u64,
    /// The ranges on it, where it is what resource policies deny; else empty.
    pub offloaded: Vec<Prefix>,
    /// The file it is read from.
    pub file: Option<PathBuf>,
    /// When the file was read.
    pub loaded: Option<SystemTime>,
    /// Why the file's present state is not in force.
    pub error: Option<String>,
    /// How often a state of the file was refused since the gateway started.
    pub failures: u64,
}

impl Lists {
    /// The entries of a list kept by hand that have not ended, by prefix.
    ///
    /// # Errors
    /// [`ListError::Sink`] where the hits cannot be read.
    pub fn entries(&self, list: ByHand, now: Moment) -> Result<Vec<Listed>, ListError> {
        let writer = self.writer();
        let mut entries = entries(&writer.kept, list, now);
        if let Some(sink) = &self.view().sink {
            for entry in &mut entries {
                entry.hits = sink.hits(entry.prefix).map_err(ListError::Sink)?;
            }
        }
        Ok(entries)
    }

    /// Every list, in the order of their numbers. Waits for nobody who changes them.
    ///
    /// # Errors
    /// [`ListError::Sink`] where the counters cannot be read.
    pub fn status(&self) -> Result<Vec<ListStatus>, ListError> {
        let view = self.view();
        let mut lists = lists(&view.picture, &view.configured);
        for list in &mut lists {
            if let Some(sink) = &view.sink {
                let packets = sink.list_hits(list.number).map_err(ListError::Sink)?;
                list.packets = Some(packets);
            }
            let decided = self.0.decided.get(usize::from(list.number));
            list.connections = decided.map_or(0, |count| count.load(Ordering::Relaxed));
        }
        Ok(lists)
    }

    /// The prefixes that are never judged. Waits for nobody who changes lists.
    #[must_use]
    pub fn management(&self) -> Vec<Prefix> {
        self.view().configured.model.management.clone()
    }

    /// The names of the lists by their numbers, for what counts by number. Waits for nobody who
    /// changes them.
    #[must_use]
    pub fn names(&self) -> Vec<(u16, String)> {
        let configured = &self.view().configured;
        let fixed = (0..LIST_NAMED).map(|number| (number, fixed_name(number).to_owned()));
        let named = configured.named.iter().filter_map(|loaded| {
            let name: &ListName = &loaded.definition.name;
            Some((*configured.numbers.get(name)?, name.to_string()))
        });
        let derived = [OFFLOADED, PROXIES].into_iter().filter_map(|name| {
            let number = configured.numbers.get(&ListName::new(name))?;
            Some((*number, name.to_owned()))
        });
        fixed.chain(named).chain(derived).collect()
    }
}

/// The entries of a list that have not ended, without hits.
pub(super) fn entries(kept: &Kept, list: ByHand, now: Moment) -> Vec<Listed> {
    let entries = kept.entries(list).iter();
    let entries = entries.filter(|(_, expiry)| !expiry.is_some_and(|expiry| expiry.is_over(now)));
    let listed = entries.map(|(prefix, expiry)| {
        let mut waiting = kept.pending.iter();
        let waiting = waiting.find(|it| (it.list, it.prefix) == (list, *prefix));
        Listed {
            prefix: *prefix,
            remaining: expiry.map(|expiry| expiry.left(now)),
            hits: None,
            unconfirmed: waiting.map(|waiting| waiting.until.left(now)),
        }
    });
    listed.collect()
}

/// Every list, without what was counted.
pub(super) fn lists(picture: &Picture, configured: &Configured) -> Vec<ListStatus> {
    let lists = picture.parts().iter().map(|part| {
        let number = part.number;
        let numbers = &configured.numbers;
        let mut named = configured.named.iter();
        let loaded = named.find(|it| numbers.get(&it.definition.name) == Some(&number));
        let is_called = |name| numbers.get(&ListName::new(name)) == Some(&number);
        let is_offloaded = is_called(OFFLOADED);
        ListStatus {
            number,
            name: loaded.map_or_else(
                || {
                    let derived = [OFFLOADED, PROXIES]
                        .into_iter()
                        .find(|name| is_called(name));
                    derived.unwrap_or(fixed_name(number)).to_owned()
                },
                |loaded| loaded.definition.name.to_string(),
            ),
            offloaded: if is_offloaded {
                configured.model.offloaded.clone()
            } else {
                Vec::new()
            },
            role: part.role,
            entries: part.table.len(),
            bytes: part.table.bytes(),
            packets: None,
            connections: 0,
            file: loaded.map(|loaded| loaded.definition.file.clone()),
            loaded: loaded.map(|loaded| loaded.at),
            error: loaded.and_then(|loaded| loaded.error.clone()),
            failures: loaded.map_or(0, |loaded| loaded.failures),
        }
    });
    lists.collect()
}

/// The names of the lists that always are.
const fn fixed_name(number: u16) -> &'static str {
    match number {
        LIST_MANAGEMENT => "management",
        gateway_common::list::LIST_ALLOW => "allow",
        _ => "operator",
    }
}
