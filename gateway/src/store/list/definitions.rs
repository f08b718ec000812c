//! What the configuration says about lists, kept in the state directory: so the command line can
//! change lists while no gateway runs, and a list keeps its number, and with it its counters, as
//! long as the configuration keeps its name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gateway_common::capacity::LIST_MAX;
use gateway_common::list::LIST_NAMED;
use serde::{Deserialize, Serialize};

use super::draft::replace;
use super::error::{ListError, io_error};
use crate::model::{ListAction, ListFormat, ListMode, ListName, Lists, NamedList, Prefix};

/// Name of the file in the state directory.
const FILE_NAME: &str = "lists.json";
/// Name of the list of what resource policies deny.
pub(super) const OFFLOADED: &str = "policies";
/// Name of the list of proxies, to which the kernel edge applies neither lists nor limits.
pub(super) const PROXIES: &str = "proxies";
/// Version of the format.
const VERSION: u32 = 1;

/// Numbers by name.
pub(super) type Numbers = BTreeMap<ListName, u16>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    management: Vec<String>,
    named: Vec<SavedList>,
    /// What resource policies deny; left out where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offloaded: Option<SavedPrefixes>,
    /// Proxies; left out where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxies: Option<SavedPrefixes>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPrefixes {
    number: u16,
    prefixes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedList {
    number: u16,
    name: String,
    action: SavedAction,
    mode: SavedMode,
    file: PathBuf,
    format: SavedFormat,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedAction {
    Deny,
    Allow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedMode {
    Enforce,
    Monitor,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedFormat {
    Auto,
    Plain,
    Ipset,
    Json,
}

/// Gives every list of a configuration a number: the one its name has, else one that no list has
/// now or had under `held`, so that nothing counted before is taken for its own; where all were
/// used, the lowest that is free.
pub(super) fn numbered(lists: &Lists, held: &Numbers) -> Numbers {
    let mut names: Vec<ListName> = lists.named.iter().map(|list| list.name.clone()).collect();
    if !lists.offloaded.is_empty() {
        names.push(ListName::new(OFFLOADED));
    }
    if !lists.proxies.is_empty() {
        names.push(ListName::new(PROXIES));
    }
    let mut numbers: Numbers = names
        .iter()
        .filter_map(|name| Some((name.clone(), *held.get(name)?)))
        .collect();
    let last = u16::try_from(LIST_MAX).unwrap_or(u16::MAX);
    for name in names {
        if numbers.contains_key(&name) {
            continue;
        }
        let taken = |number: &u16| numbers.values().any(|other| other == number);
        let had = |number: &u16| held.values().any(|other| other == number);
        let mut free = (LIST_NAMED..last).filter(|number| !taken(number));
        let unused = free.clone().find(|number| !had(number));
        // The configuration has at most as many names as there are numbers.
        if let Some(number) = unused.or_else(|| free.next()) {
            numbers.insert(name, number);
        }
    }
    numbers
}

/// Saves what a configuration says, with the numbers its lists have.
pub(super) fn save(directory: &Path, lists: &Lists, numbers: &Numbers) -> Result<(), ListError> {
    let named = lists.named.iter().filter_map(|list| {
        Some(SavedList {
            number: *numbers.get(&list.name)?,
            name: list.name.to_string(),
            action: match list.action {
                ListAction::Deny => SavedAction::Deny,
                ListAction::Allow => SavedAction::Allow,
            },
            mode: match list.mode {
                ListMode::Enforce => SavedMode::Enforce,
                ListMode::Monitor => SavedMode::Monitor,
            },
            file: list.file.clone(),
            format: match list.format {
                ListFormat::Auto => SavedFormat::Auto,
                ListFormat::Plain => SavedFormat::Plain,
                ListFormat::Ipset => SavedFormat::Ipset,
                ListFormat::Json => SavedFormat::Json,
            },
        })
    });
    let document = Document {
        version: VERSION,
        management: lists.management.iter().map(Prefix::to_string).collect(),
        named: named.collect(),
        offloaded: saved(OFFLOADED, &lists.offloaded, numbers),
        proxies: saved(PROXIES, &lists.proxies, numbers),
    };
    replace(&directory.join(FILE_NAME), &document)
}

/// A list that nobody has named, where there is one.
fn saved(name: &str, prefixes: &[Prefix], numbers: &Numbers) -> Option<SavedPrefixes> {
    let number = *numbers.get(&ListName::new(name))?;
    let prefixes = prefixes.iter().map(Prefix::to_string).collect();
    Some(SavedPrefixes { number, prefixes })
}

/// What the last gateway of a state directory was told, with the numbers its lists had. No file is
/// a configuration without lists.
pub(super) fn load(directory: &Path) -> Result<(Lists, Numbers), ListError> {
    let path = directory.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    let damaged = |source| ListError::Damaged {
        path: path.clone(),
        source,
    };
    let document: Document = serde_json::from_str(&text).map_err(damaged)?;
    if document.version != VERSION {
        return Err(ListError::Version {
            path,
            found: document.version,
            expected: VERSION,
        });
    }
    let mut lists = Lists::default();
    let read = |text: &String| {
        text.parse::<Prefix>().map_err(|source| ListError::Entry {
            path: path.clone(),
            source,
        })
    };
    lists.management = document
        .management
        .iter()
        .map(read)
        .collect::<Result<_, _>>()?;
    let mut numbers = Numbers::new();
    if let Some(saved) = document.offloaded {
        lists.offloaded = saved.prefixes.iter().map(read).collect::<Result<_, _>>()?;
        numbers.insert(ListName::new(OFFLOADED), saved.number);
    }
    if let Some(saved) = document.proxies {
        lists.proxies = saved.prefixes.iter().map(read).collect::<Result<_, _>>()?;
        numbers.insert(ListName::new(PROXIES), saved.number);
    }
    for saved in document.named {
        let name = ListName::new(&saved.name);
        numbers.insert(name.clone(), saved.number);
        lists.named.push(NamedList {
            name,
            action: match saved.action {
                SavedAction::Deny => ListAction::Deny,
                SavedAction::Allow => ListAction::Allow,
            },
            mode: match saved.mode {
                SavedMode::Enforce => ListMode::Enforce,
                SavedMode::Monitor => ListMode::Monitor,
            },
            file: saved.file,
            format: match saved.format {
                SavedFormat::Auto => ListFormat::Auto,
                SavedFormat::Plain => ListFormat::Plain,
                SavedFormat::Ipset => ListFormat::Ipset,
                SavedFormat::Json => ListFormat::Json,
            },
        });
    }
    Ok((lists, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(names: &[&str]) -> Lists {
        Lists {
            named: named(names),
            ..Lists::default()
        }
    }

    fn named(names: &[&str]) -> Vec<NamedList> {
        let list = |name: &&str| NamedList {
            name: ListName::new(name),
            action: ListAction::Deny,
            mode: ListMode::Monitor,
            file: PathBuf::from("/lists").join(name),
            format: ListFormat::Json,
        };
        names.iter().map(list).collect()
    }

    #[test]
    fn a_name_keeps_its_number_and_a_new_one_takes_none_that_was_just_left() {
        let first = numbered(&lists(&["a", "b"]), &Numbers::new());
        let shown = |numbers: &Numbers| {
            let pairs = numbers.iter();
            pairs
                .map(|(name, number)| format!("{name}={number}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&first), ["a=3", "b=4"]);
        let second = numbered(&lists(&["c", "b"]), &first);
        assert_eq!(shown(&second), ["b=4", "c=5"]);
        // Where every number was in use, one of those left is taken all the same.
        let all: Vec<String> = (0..61).map(|index| format!("l{index}")).collect();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let full = numbered(&lists(&names), &Numbers::new());
        assert_eq!(full.len(), 61);
        let others: Vec<String> = (0..61).map(|index| format!("m{index}")).collect();
        let names: Vec<&str> = others.iter().map(String::as_str).collect();
        let replaced = numbered(&lists(&names), &full);
        let distinct: std::collections::BTreeSet<_> = replaced.values().collect();
        assert_eq!(distinct.len(), 61);
        assert!(replaced.values().all(|number| (3..64).contains(number)));
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(load(directory.path()).unwrap(), Default::default());
        let lists = Lists {
            management: vec!["192.0.2.0/28".parse().unwrap()],
            named: named(&["a", "b"]),
            offloaded: vec!["198.51.100.0/24".parse().unwrap()],
            proxies: vec!["203.0.113.0/24".parse().unwrap()],
        };
        let numbers = numbered(&lists, &Numbers::new());
        assert_eq!(numbers.len(), 4);
        save(directory.path(), &lists, &numbers).unwrap();
        assert_eq!(load(directory.path()).unwrap(), (lists, numbers));
    }
}
