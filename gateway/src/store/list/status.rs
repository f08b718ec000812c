//! The lists as people see them.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use gateway_common::list::{LIST_MANAGEMENT, LIST_NAMED};

use super::by_hand::ByHand;
use super::error::ListError;
use super::picture::Role;
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
    /// Its name: `operator`, `allow`, `management` or as configured.
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
        let mut listed = Vec::new();
        for (prefix, expiry) in writer.kept.entries(list) {
            if expiry.is_some_and(|expiry| expiry.is_over(now)) {
                continue;
            }
            let hits = match &writer.sink {
                Some(sink) => sink.hits(*prefix).map_err(ListError::Sink)?,
                None => None,
            };
            let mut waiting = writer.kept.pending.iter();
            let waiting = waiting.find(|it| (it.list, it.prefix) == (list, *prefix));
            listed.push(Listed {
                prefix: *prefix,
                remaining: expiry.map(|expiry| expiry.left(now)),
                hits,
                unconfirmed: waiting.map(|waiting| waiting.until.left(now)),
            });
        }
        Ok(listed)
    }

    /// Every list, in the order of their numbers.
    ///
    /// # Errors
    /// [`ListError::Sink`] where the counters cannot be read.
    pub fn status(&self) -> Result<Vec<ListStatus>, ListError> {
        let writer = self.writer();
        let picture = self.0.picture.load_full();
        let mut lists = Vec::new();
        for part in picture.parts() {
            let number = part.number;
            let packets = match &writer.sink {
                Some(sink) => Some(sink.list_hits(number).map_err(ListError::Sink)?),
                None => None,
            };
            let decided = self.0.decided.get(usize::from(number));
            let numbers = &writer.configured.numbers;
            let mut named = writer.configured.named.iter();
            let loaded = named.find(|it| numbers.get(&it.definition.name) == Some(&number));
            let name = match loaded {
                Some(loaded) => loaded.definition.name.to_string(),
                None => fixed_name(number).to_owned(),
            };
            lists.push(ListStatus {
                number,
                name,
                role: part.role,
                entries: part.table.len(),
                bytes: part.table.bytes(),
                packets,
                connections: decided.map_or(0, |count| count.load(Ordering::Relaxed)),
                file: loaded.map(|loaded| loaded.definition.file.clone()),
                loaded: loaded.map(|loaded| loaded.at),
                error: loaded.and_then(|loaded| loaded.error.clone()),
                failures: loaded.map_or(0, |loaded| loaded.failures),
            });
        }
        Ok(lists)
    }

    /// The prefixes that are never judged.
    #[must_use]
    pub fn management(&self) -> Vec<Prefix> {
        self.writer().configured.model.management.clone()
    }

    /// The names of the lists by their numbers, for what counts by number.
    #[must_use]
    pub fn names(&self) -> Vec<(u16, String)> {
        let writer = self.writer();
        let fixed = (0..LIST_NAMED).map(|number| (number, fixed_name(number).to_owned()));
        let named = writer.configured.named.iter().filter_map(|loaded| {
            let name: &ListName = &loaded.definition.name;
            Some((*writer.configured.numbers.get(name)?, name.to_string()))
        });
        fixed.chain(named).collect()
    }
}

/// The names of the lists that always are.
const fn fixed_name(number: u16) -> &'static str {
    match number {
        LIST_MANAGEMENT => "management",
        gateway_common::list::LIST_ALLOW => "allow",
        _ => "operator",
    }
}
