use super::*;
use proptest::prelude::*;
use std::time::SystemTime;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Moment {
    Moment {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds),
        monotonic_ns: seconds * SECOND,
    }
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_expired_prefix_below_a_live_one_still_denies() {
    let directory = tempfile::tempdir().unwrap();
    let list = DenyList::open(directory.path(), at(1)).unwrap();
    let minute = Some(Duration::from_secs(60));
    list.add(prefix("10.0.0.0/8"), None, at(1)).unwrap();
    list.add(prefix("10.1.0.0/16"), minute, at(1)).unwrap();
    assert!(list.denies(address("10.1.2.3"), 120 * SECOND));
    assert_eq!(list.list(at(120)).len(), 1);
    assert!(list.remove(prefix("10.0.0.0/8"), at(2)).unwrap());
    assert!(list.denies(address("10.1.2.3"), 3 * SECOND));
    assert!(!list.denies(address("10.2.2.3"), 3 * SECOND));
    assert!(!list.denies(address("10.1.2.3"), 120 * SECOND));
    assert!(!list.remove(prefix("10.0.0.0/8"), at(2)).unwrap());
}

#[test]
fn a_restart_and_a_reboot_keep_entries_and_drop_expired_ones() {
    let directory = tempfile::tempdir().unwrap();
    let list = DenyList::open(directory.path(), at(100)).unwrap();
    list.add(prefix("192.0.2.1"), Some(Duration::from_secs(10)), at(100))
        .unwrap();
    list.add(
        prefix("2001:db8::/32"),
        Some(Duration::from_secs(100)),
        at(100),
    )
    .unwrap();
    list.add(prefix("::ffff:198.51.100.0/120"), None, at(100))
        .unwrap();
    drop(list);
    // After the reboot the monotonic clock starts anew while the wall clock has gone on.
    let rebooted = Moment {
        wall: at(150).wall,
        monotonic_ns: SECOND,
    };
    let list = DenyList::open(directory.path(), rebooted).unwrap();
    let listed: Vec<_> = list
        .list(rebooted)
        .iter()
        .map(|entry| (entry.prefix.to_string(), entry.remaining))
        .collect();
    assert_eq!(
        listed,
        [
            ("198.51.100.0/24".to_owned(), None),
            ("2001:db8::/32".to_owned(), Some(Duration::from_secs(50))),
        ]
    );
    assert!(list.denies(address("2001:db8::1"), 51 * SECOND - 1));
    assert!(!list.denies(address("2001:db8::1"), 51 * SECOND));
    assert!(list.denies(address("::ffff:198.51.100.7"), u64::MAX - 1));
}

#[test]
fn a_damaged_file_is_refused_with_its_place_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny.json");
    std::fs::write(&path, "{\"version\": 1,\n \"entries\": [{\"prefix\": 7}]}").unwrap();
    let error = DenyList::open(directory.path(), at(1)).unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("line 2 column"), "{text}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("7"));
    std::fs::write(&path, "{\"version\": 9, \"entries\": []}").unwrap();
    let error = DenyList::open(directory.path(), at(1)).unwrap_err();
    assert!(matches!(error, DenyError::Version { found: 9, .. }));
}

#[test]
fn one_process_writes_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let list = DenyList::open(directory.path(), at(1)).unwrap();
    let error = DenyList::open(directory.path(), at(1)).unwrap_err();
    assert!(matches!(error, DenyError::Locked(_)), "{error}");
    drop(list);
    DenyList::open(directory.path(), at(1)).unwrap();
}

#[test]
fn an_entry_for_no_time_or_for_ever_and_a_day_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let list = DenyList::open(directory.path(), at(1)).unwrap();
    let one = prefix("192.0.2.1");
    let error = list.add(one, Some(Duration::ZERO), at(1)).unwrap_err();
    assert!(matches!(error, DenyError::NoTime(_)));
    let error = list.add(one, Some(Duration::MAX), at(1)).unwrap_err();
    assert!(matches!(error, DenyError::TooLong(_)));
    assert_eq!(list.add(one, None, at(1)).unwrap(), Added::New);
    assert_eq!(list.add(one, None, at(1)).unwrap(), Added::Changed);
}

/// A sink that fails on demand and remembers what it holds.
struct Scripted {
    held: Arc<Mutex<Vec<EffectiveEntry>>>,
    failures: usize,
}

impl DenySink for Scripted {
    fn replace(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError> {
        self.update(entries)
    }

    fn update(&mut self, entries: &[EffectiveEntry]) -> Result<(), SinkError> {
        *self.held.lock().unwrap() = entries.to_vec();
        match self.failures.checked_sub(1) {
            Some(left) if !entries.is_empty() => {
                self.failures = left;
                Err("no room".into())
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_failing_sink_leaves_list_file_and_sink_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let list = DenyList::open(directory.path(), at(1)).unwrap();
    let held = Arc::new(Mutex::new(Vec::new()));
    list.attach(Box::new(Scripted {
        held: Arc::clone(&held),
        failures: 1,
    }))
    .unwrap();
    let error = list.add(prefix("192.0.2.1"), None, at(1)).unwrap_err();
    assert!(matches!(error, DenyError::Sink(_)));
    assert!(held.lock().unwrap().is_empty());
    assert!(!list.denies(address("192.0.2.1"), 1));
    assert!(!directory.path().join("deny.json").exists());
    list.add(prefix("192.0.2.1"), None, at(1)).unwrap();
    assert_eq!(held.lock().unwrap().len(), 1);
}

/// Prefixes that nest often: few networks, all lengths.
fn any_prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        (0_u32..8, 0_u8..=32).prop_map(|(bits, length)| Prefix::containing(
            IpAddr::V4((bits << 29 | bits).into()),
            length
        )),
        (0_u128..8, 0_u8..=128).prop_map(|(bits, length)| Prefix::containing(
            IpAddr::V6((bits << 125 | bits).into()),
            length
        )),
    ]
}

proptest! {
    #[test]
    fn the_index_says_what_a_search_through_all_entries_says(
        written in proptest::collection::btree_map(any_prefix(), proptest::option::of(1_u64..100), 0..24),
        probes in proptest::collection::vec((any_prefix(), 0_u64..100), 32),
    ) {
        let entries: Entries = written
            .into_iter()
            .map(|(prefix, end)| (prefix, end.map(|end| Expiry { wall: at(0).wall, monotonic_ns: end })))
            .collect();
        let index = Index::build(&entries::effective(&entries));
        for (probe, now) in probes {
            let address = probe.network();
            let expected = entries.iter().any(|(prefix, end)| {
                prefix.contains(address) && end.is_none_or(|end| now < end.monotonic_ns)
            });
            prop_assert_eq!(index.denies(address, now), expected, "{} at {}", address, now);
        }
    }
}
