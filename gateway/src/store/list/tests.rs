use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use gateway_common::list::{ENTRY_MANAGEMENT, NEVER, PlainEntry};
use proptest::prelude::*;

use super::*;
use crate::model::{ListAction, ListFormat, ListMode, ListName, Lists as Model, NamedList};

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn at(seconds: u64) -> Moment {
    Moment {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds),
        monotonic_ns: seconds * SECOND,
    }
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn deny(text: &str) -> Change {
    Change::deny(prefix(text))
}

pub(super) fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

pub(super) fn named(name: &str, action: ListAction, mode: ListMode, file: PathBuf) -> NamedList {
    NamedList {
        name: ListName::new(name),
        action,
        mode,
        file,
        format: ListFormat::Auto,
    }
}

/// One list, which denies what its file says.
pub(super) fn following(feed: &Path) -> Model {
    Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: Vec::new(),
        named: vec![named(
            "feed",
            ListAction::Deny,
            ListMode::Enforce,
            feed.to_owned(),
        )],
    }
}

#[test]
fn an_expired_prefix_below_a_live_one_still_denies() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    lists.add(deny("10.0.0.0/8"), None, at(1)).unwrap();
    lists.add(deny("10.1.0.0/16"), seconds(60), at(1)).unwrap();
    assert!(lists.denies(address("10.1.2.3"), 120 * SECOND));
    assert_eq!(lists.entries(ByHand::Deny, at(120)).unwrap().len(), 1);
    assert!(lists.remove(deny("10.0.0.0/8"), at(2)).unwrap());
    assert!(lists.denies(address("10.1.2.3"), 3 * SECOND));
    assert!(!lists.denies(address("10.2.2.3"), 3 * SECOND));
    assert!(!lists.denies(address("10.1.2.3"), 120 * SECOND));
    assert!(!lists.remove(deny("10.0.0.0/8"), at(2)).unwrap());
}

#[test]
fn management_beats_allow_beats_deny_beats_monitor() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let watched = directory.path().join("watched");
    std::fs::write(&watched, "10.0.0.0/8\n").unwrap();
    let model = Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: vec![prefix("10.9.0.0/16")],
        named: vec![named("w", ListAction::Deny, ListMode::Monitor, watched)],
    };
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    let judge = |text: &str| lists.judge(address(text), 2 * SECOND);
    assert_eq!(judge("10.1.0.1"), Standing::Monitored(3));
    assert_eq!(judge("10.9.0.1"), Standing::Management);
    assert_eq!(judge("11.1.0.1"), Standing::Unlisted);
    lists.add(deny("0.0.0.0/0"), None, at(1)).unwrap();
    assert_eq!(judge("10.1.0.1"), Standing::Denied(0));
    assert_eq!(judge("10.9.0.1"), Standing::Management);
    let allow = Change::allow(prefix("10.1.0.0/24"));
    lists.add(allow, seconds(10), at(1)).unwrap();
    assert_eq!(judge("10.1.0.1"), Standing::Allowed(1));
    assert_eq!(judge("::ffff:10.1.0.1"), Standing::Allowed(1));
    let later = lists.judge(address("10.1.0.1"), 11 * SECOND);
    assert_eq!(later, Standing::Denied(0));
    // Taking one list's entry off opens nothing that another one denies.
    assert!(lists.remove(deny("0.0.0.0/0"), at(2)).unwrap());
    assert_eq!(judge("10.1.5.1"), Standing::Monitored(3));
}

#[test]
fn a_restart_and_a_reboot_keep_entries_and_drop_expired_ones() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(100)).unwrap();
    lists.add(deny("192.0.2.1"), seconds(10), at(100)).unwrap();
    lists
        .add(deny("2001:db8::/32"), seconds(100), at(100))
        .unwrap();
    lists
        .add(deny("::ffff:198.51.100.0/120"), None, at(100))
        .unwrap();
    let allowed = Change::allow(prefix("203.0.113.0/24"));
    lists.add(allowed, None, at(100)).unwrap();
    drop(lists);
    // After the reboot the monotonic clock starts anew while the wall clock has gone on.
    let rebooted = Moment {
        wall: at(150).wall,
        monotonic_ns: SECOND,
    };
    let lists = Lists::open(directory.path(), rebooted).unwrap();
    let listed: Vec<_> = lists
        .entries(ByHand::Deny, rebooted)
        .unwrap()
        .iter()
        .map(|entry| (entry.prefix.to_string(), entry.remaining))
        .collect();
    assert_eq!(
        listed,
        [
            ("198.51.100.0/24".to_owned(), None),
            ("2001:db8::/32".to_owned(), seconds(50)),
        ]
    );
    assert!(lists.denies(address("2001:db8::1"), 51 * SECOND - 1));
    assert!(!lists.denies(address("2001:db8::1"), 51 * SECOND));
    assert!(lists.denies(address("::ffff:198.51.100.7"), u64::MAX - 1));
    let standing = lists.judge(address("203.0.113.9"), u64::MAX - 1);
    assert_eq!(standing, Standing::Allowed(1));
}

#[test]
fn the_file_of_the_first_format_still_loads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny.json");
    let text = r#"{"version": 1, "entries": [{"prefix": "192.0.2.0/24"},
        {"prefix": "2001:db8::/32", "expires_unix_seconds": 1000100}]}"#;
    std::fs::write(&path, text).unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    assert!(lists.denies(address("192.0.2.9"), SECOND));
    assert!(lists.denies(address("2001:db8::9"), 99 * SECOND));
    assert!(!lists.denies(address("2001:db8::9"), 100 * SECOND));
}

#[test]
fn a_damaged_file_is_refused_with_its_place_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deny.json");
    std::fs::write(&path, "{\"version\": 1,\n \"entries\": [{\"prefix\": 7}]}").unwrap();
    let error = Lists::open(directory.path(), at(1)).unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("line 2 column"), "{text}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("7"));
    std::fs::write(&path, "{\"version\": 9, \"deny\": []}").unwrap();
    let error = Lists::open(directory.path(), at(1)).unwrap_err();
    assert!(matches!(error, ListError::Version { found: 9, .. }));
}

#[test]
fn one_process_writes_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let error = Lists::open(directory.path(), at(1)).unwrap_err();
    assert!(matches!(error, ListError::Locked(_)), "{error}");
    drop(lists);
    Lists::open(directory.path(), at(1)).unwrap();
}

#[test]
fn an_entry_for_no_time_or_for_ever_and_a_day_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let one = deny("192.0.2.1");
    let error = lists.add(one, Some(Duration::ZERO), at(1)).unwrap_err();
    assert!(matches!(error, ListError::NoTime(_)));
    let error = lists.add(one, Some(Duration::MAX), at(1)).unwrap_err();
    assert!(matches!(error, ListError::TooLong(_)));
    assert_eq!(lists.add(one, None, at(1)).unwrap(), Added::New);
    assert_eq!(lists.add(one, None, at(1)).unwrap(), Added::Changed);
}

#[test]
fn what_is_not_confirmed_in_time_is_taken_back_also_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let minute = |change: Change| Change {
        confirm_within: seconds(60),
        ..change
    };
    let (new, known, kept) = (deny("10.0.0.1"), deny("10.0.0.2"), deny("10.0.0.3"));
    lists.add(known, None, at(1)).unwrap();
    lists.add(minute(kept), None, at(1)).unwrap();
    assert_eq!(lists.confirm().unwrap(), 1);
    assert_eq!(lists.confirm().unwrap(), 0);
    lists.add(minute(new), None, at(2)).unwrap();
    assert!(lists.remove(minute(known), at(2)).unwrap());
    let denied = |lists: &Lists| {
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|text| lists.denies(address(text), 100 * SECOND))
    };
    assert_eq!(denied(&lists), [true, false, true]);
    assert_eq!(lists.tidy(at(61)).unwrap(), []);
    let unconfirmed = |lists: &Lists, now| {
        let entries = lists.entries(ByHand::Deny, now).unwrap();
        entries.iter().map(|it| it.unconfirmed).collect::<Vec<_>>()
    };
    assert_eq!(unconfirmed(&lists, at(12)), [seconds(50), None]);
    // Killed before the time was over.
    drop(lists);
    let lists = Lists::open(directory.path(), at(61)).unwrap();
    assert_eq!(denied(&lists), [true, false, true]);
    drop(lists);
    let lists = Lists::open(directory.path(), at(62)).unwrap();
    assert_eq!(denied(&lists), [false, true, true]);

    lists.add(minute(new), None, at(70)).unwrap();
    // Changed again while it waits: what is gone back to is what somebody stood by.
    lists.add(minute(new), seconds(9_000), at(80)).unwrap();
    assert_eq!(denied(&lists), [true, true, true]);
    let taken_back = lists.tidy(at(140)).unwrap();
    assert_eq!(taken_back, [(ByHand::Deny, prefix("10.0.0.1"))]);
    assert_eq!(denied(&lists), [false, true, true]);
    lists.add(minute(new), None, at(150)).unwrap();
    lists.add(new, None, at(150)).unwrap();
    assert_eq!(lists.tidy(at(500)).unwrap(), []);
    assert_eq!(denied(&lists), [true, true, true]);
    lists.add(minute(deny("10.0.0.9")), None, at(500)).unwrap();
    lists.take_back().unwrap();
    assert!(!lists.denies(address("10.0.0.9"), 501 * SECOND));
}

/// Tables as a sink keeps them: two generations, one of them active.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) generations: [BTreeMap<Prefix, PlainEntry>; 2],
    pub(super) active: usize,
    pub(super) operations: usize,
    /// How often it was told of changes.
    pub(super) changes: usize,
    pub(super) failures: usize,
    /// The operation that fails.
    pub(super) broken: Option<&'static str>,
    /// Run once while a generation is staged.
    pub(super) meanwhile: Option<fn(&Lists)>,
    pub(super) lists: Option<Lists>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tables(pub(super) Arc<Mutex<Held>>);

impl Tables {
    pub(super) fn active(&self) -> BTreeMap<Prefix, PlainEntry> {
        let held = self.0.lock().unwrap();
        held.generations[held.active].clone()
    }

    /// Fails where this operation is to fail.
    fn attempt(&self, operation: &str) -> Result<(), SinkError> {
        if self.0.lock().unwrap().broken == Some(operation) {
            return Err(format!("{operation} is broken").into());
        }
        Ok(())
    }

    pub(super) fn expect(&self, lists: &Lists) {
        let view = lists.view();
        let expected: BTreeMap<_, _> = view.picture.all().map(|it| (it.prefix, it.entry)).collect();
        assert_eq!(self.active(), expected);
    }
}

impl ListSink for Tables {
    fn stage(&self, picture: &Picture) -> Result<(), SinkError> {
        self.attempt("stage")?;
        let (meanwhile, lists) = {
            let mut held = self.0.lock().unwrap();
            let spare = held.active ^ 1;
            held.generations[spare] = picture.all().map(|it| (it.prefix, it.entry)).collect();
            (held.meanwhile.take(), held.lists.clone())
        };
        if let (Some(meanwhile), Some(lists)) = (meanwhile, lists) {
            meanwhile(&lists);
        }
        Ok(())
    }

    fn change(
        &self,
        generation: Generation,
        old: &Picture,
        new: &Picture,
        prefixes: &[Prefix],
    ) -> Result<(), SinkError> {
        let nested = |outer: &Prefix| prefixes.iter().any(|it| it != outer && outer.covers(it));
        assert!(!prefixes.iter().any(nested), "{prefixes:?}");
        if new.is_empty() {
            self.attempt("emptying")?;
        }
        let mut held = self.0.lock().unwrap();
        held.changes += 1;
        let number = match generation {
            Generation::Active => held.active,
            Generation::Staged => held.active ^ 1,
        };
        let inside = |picture: &Picture| -> BTreeMap<_, _> {
            let entries = prefixes.iter().flat_map(|prefix| picture.within(*prefix));
            entries.map(|it| (it.prefix, it.entry)).collect()
        };
        let (before, after) = (inside(old), inside(new));
        let failures = held.failures.checked_sub(1);
        // A change that fails happens in part.
        let gone = before.keys().filter(|prefix| !after.contains_key(prefix));
        for prefix in gone.filter(|_| failures.is_none()) {
            held.generations[number].remove(prefix);
            held.operations += 1;
        }
        for (prefix, entry) in after {
            if before.get(&prefix) != Some(&entry) {
                held.generations[number].insert(prefix, entry);
                held.operations += 1;
            }
        }
        match failures {
            Some(left) => {
                held.failures = left;
                Err(format!("no room, {left} left").into())
            }
            None => Ok(()),
        }
    }

    fn activate(&self, picture: &Picture, _: &[Prefix]) -> Result<(), SinkError> {
        self.attempt("activate")?;
        let mut held = self.0.lock().unwrap();
        held.active ^= 1;
        let active = held.active;
        let staged: BTreeMap<_, _> = picture.all().map(|it| (it.prefix, it.entry)).collect();
        assert_eq!(held.generations[active], staged);
        Ok(())
    }

    fn retire(&self) -> Result<(), SinkError> {
        let mut held = self.0.lock().unwrap();
        let spare = held.active ^ 1;
        held.generations[spare].clear();
        Ok(())
    }

    fn hits(&self, _: Prefix) -> Result<Option<u64>, SinkError> {
        Ok(Some(7))
    }

    fn list_hits(&self, number: u16) -> Result<u64, SinkError> {
        Ok(number.into())
    }
}

#[test]
fn a_failing_sink_leaves_list_file_and_sink_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    tables.0.lock().unwrap().failures = 1;
    let error = lists.add(deny("192.0.2.1"), None, at(1)).unwrap_err();
    assert!(matches!(error, ListError::Sink(_)));
    assert!(tables.active().is_empty());
    assert!(!lists.denies(address("192.0.2.1"), 1));
    assert!(!directory.path().join("deny.json").exists());
    lists.add(deny("192.0.2.1"), None, at(1)).unwrap();
    assert_eq!(tables.active().len(), 1);
}

/// Everything that a refusal must leave as it is.
fn state(
    lists: &Lists,
    tables: &Tables,
    directory: &Path,
) -> (
    Vec<Effective>,
    BTreeMap<Prefix, PlainEntry>,
    [Option<String>; 2],
) {
    let saved = ["deny.json", "lists.json"];
    (
        lists.view().picture.all().collect(),
        tables.active(),
        saved.map(|name| std::fs::read_to_string(directory.join(name)).ok()),
    )
}

#[test]
fn lists_that_are_full_refuse_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        by_hand: 3,
        addresses: 4,
        prefixes: 2,
    };
    let lists = Lists::open_within(limits, directory.path(), at(1)).unwrap();
    let feed = directory.path().join("feed");
    std::fs::write(&feed, "10.0.0.1\n10.0.0.2\n10.1.0.0/16\n").unwrap();
    let model = |name: &str| Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: Vec::new(),
        named: vec![named(
            name,
            ListAction::Deny,
            ListMode::Enforce,
            feed.clone(),
        )],
    };
    let install = |name| lists.install(lists.prepare(&model(name)).unwrap());
    install("feed").unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let add = |change| lists.add(change, None, at(1));
    // What is listed twice takes the room of one, and the other family has room of its own.
    for text in ["10.0.0.1", "10.0.0.3", "2001:db8::1"] {
        add(deny(text)).unwrap();
    }
    let allow = |text: &str| Change::allow(prefix(text));
    add(allow("10.0.0.4")).unwrap();
    add(allow("10.2.0.0/16")).unwrap();
    let before = state(&lists, &tables, directory.path());
    let unchanged = || assert_eq!(state(&lists, &tables, directory.path()), before);

    let full = |outcome: Result<(), ListError>, expected: (&str, u32)| match outcome {
        Err(ListError::Full { what, max }) => assert_eq!((what, max), expected),
        other => panic!("{other:?}"),
    };
    let error = add(deny("2001:db8::2")).unwrap_err();
    assert!(matches!(error, ListError::TooMany { max: 3 }), "{error}");
    unchanged();
    full(add(allow("10.0.0.5")).map(drop), ("addresses", 4));
    unchanged();
    full(add(allow("10.3.0.0/16")).map(drop), ("prefixes", 2));
    unchanged();
    // A file that has grown too much, by itself and with another configuration.
    std::fs::write(&feed, "10.0.0.7\n10.0.0.8\n").unwrap();
    full(lists.reread(&ListName::new("feed")), ("addresses", 4));
    unchanged();
    full(install("other"), ("addresses", 4));
    unchanged();

    // Full they can still be changed, and what is removed makes room.
    assert_eq!(add(deny("10.0.0.3")).unwrap(), Added::Changed);
    assert!(lists.remove(deny("10.0.0.3"), at(1)).unwrap());
    add(deny("10.0.0.9")).unwrap();
    tables.expect(&lists);
}

#[test]
fn definitions_are_saved_when_their_lists_are_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let model = |text| Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: vec![prefix(text)],
        named: Vec::new(),
    };
    let install = |text| lists.install(lists.prepare(&model(text)).unwrap());
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    install("192.0.2.0/28").unwrap();
    let before = state(&lists, &tables, directory.path());
    for broken in ["stage", "activate"] {
        tables.0.lock().unwrap().broken = Some(broken);
        let error = install("198.51.100.0/28").unwrap_err();
        assert!(matches!(error, ListError::Sink(_)), "{broken}: {error}");
        assert_eq!(state(&lists, &tables, directory.path()), before, "{broken}");
    }
    // The sink follows, but nothing can be written: a directory stands where the draft goes.
    tables.0.lock().unwrap().broken = None;
    let obstacle = directory.path().join("lists.json.new");
    std::fs::create_dir(&obstacle).unwrap();
    let error = install("198.51.100.0/28").unwrap_err();
    assert!(matches!(error, ListError::Unsaved { .. }), "{error}");
    let standing = lists.judge(address("198.51.100.1"), SECOND);
    assert_eq!(standing, Standing::Management);
    tables.expect(&lists);
    std::fs::remove_dir(&obstacle).unwrap();
    install("198.51.100.0/28").unwrap();
    let (saved, _) = definitions::load(directory.path()).unwrap();
    assert_eq!(saved, model("198.51.100.0/28"));
}

#[test]
fn who_reads_the_lists_does_not_wait_for_who_changes_them() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    lists.attach(Arc::new(Tables::default())).unwrap();
    lists.add(deny("10.0.0.1"), None, at(1)).unwrap();
    // As while a list is replaced, and while a change is being saved.
    let _swapping = lists.swapping();
    let _writer = lists.writer();
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    let reader = lists.clone();
    std::thread::spawn(move || {
        let status = reader.status().unwrap();
        let told = (status, reader.names(), reader.management());
        answer.send((told, reader.denies(address("10.0.0.1"), SECOND)))
    });
    let ((status, names, management), denied) =
        answered.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(denied);
    assert_eq!((status[0].entries, status[2].packets), (1, Some(2)));
    assert_eq!(names[0], (0, "operator".to_owned()));
    assert_eq!(management, []);
}

#[test]
fn a_change_by_hand_costs_what_it_affects() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let feed = directory.path().join("feed");
    let text: Vec<String> = (0..5_000_u32)
        .map(|index| format!("10.{}.{}.0/24", index >> 8, index & 255))
        .collect();
    std::fs::write(&feed, text.join("\n")).unwrap();
    let model = following(&feed);
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let operations = || std::mem::take(&mut tables.0.lock().unwrap().operations);
    for (text, affected) in [
        ("192.0.2.1", 1),
        ("10.1.2.0/24", 1),
        ("10.1.2.77", 1),
        // Itself, and what was not denied by hand already.
        ("10.1.0.0/16", 1 + 255),
    ] {
        lists.add(deny(text), None, at(1)).unwrap();
        assert_eq!(operations(), affected, "{text}");
        tables.expect(&lists);
    }
    for (text, affected) in [("10.1.0.0/16", 1 + 255), ("10.1.2.0/24", 1)] {
        assert!(lists.remove(deny(text), at(1)).unwrap());
        assert_eq!(operations(), affected, "{text}");
        tables.expect(&lists);
    }
}

#[test]
fn what_ends_together_is_one_change() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    lists.add(deny("10.0.0.0/8"), seconds(10), at(1)).unwrap();
    for text in ["10.1.0.0/16", "10.1.2.3", "192.0.2.1", "2001:db8::/48"] {
        lists.add(deny(text), seconds(10), at(1)).unwrap();
    }
    let allow = Change::allow(prefix("10.1.0.0/24"));
    lists.add(allow, None, at(1)).unwrap();
    tables.0.lock().unwrap().changes = 0;
    lists.tidy(at(20)).unwrap();
    tables.expect(&lists);
    assert_eq!(tables.active().len(), 1);
    assert_eq!(tables.0.lock().unwrap().changes, 1);
    // Nothing differs: nobody is told.
    lists.tidy(at(30)).unwrap();
    assert_eq!(tables.0.lock().unwrap().changes, 1);
}

#[test]
fn what_is_changed_by_hand_while_a_list_is_replaced_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    lists.add(deny("10.0.0.1"), None, at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let feed = directory.path().join("feed");
    std::fs::write(&feed, "10.0.0.0/24\n10.0.0.128/25\n").unwrap();
    let model = Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: vec![prefix("10.0.0.9")],
        named: vec![named("feed", ListAction::Deny, ListMode::Enforce, feed)],
    };
    {
        let mut held = tables.0.lock().unwrap();
        held.lists = Some(lists.clone());
        held.meanwhile = Some(|lists| {
            assert!(lists.remove(deny("10.0.0.1"), at(2)).unwrap());
            lists.add(deny("10.0.0.0/25"), None, at(2)).unwrap();
            lists
                .add(Change::allow(prefix("10.0.0.0/16")), None, at(2))
                .unwrap();
        });
    }
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    tables.expect(&lists);
    assert!(tables.active().contains_key(&prefix("10.0.0.0/25")));
    assert!(!tables.active().contains_key(&prefix("10.0.0.1")));
    let standing = lists.judge(address("10.0.0.200"), SECOND);
    assert_eq!(standing, Standing::Allowed(1));
    tables.0.lock().unwrap().lists = None;
}

#[test]
fn a_file_is_followed_and_a_bad_one_leaves_the_old_list() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let feed = directory.path().join("feed");
    let model = following(&feed);
    let error = lists.prepare(&model).unwrap_err();
    assert!(matches!(error, ListError::File { .. }), "{error}");
    std::fs::write(&feed, "10.0.0.1\n").unwrap();
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    let mut watch = Watch::new(lists.clone());
    watch.look();
    let denied = |text: &str| lists.denies(address(text), SECOND);
    let feed_status = || lists.status().unwrap().pop().unwrap();
    assert!(denied("10.0.0.1"));

    // Not before it has settled.
    std::fs::write(&feed, "10.0.0.2\n# longer\n").unwrap();
    watch.look();
    assert!(denied("10.0.0.1"));
    watch.look();
    assert!(denied("10.0.0.2") && !denied("10.0.0.1"));

    std::fs::write(&feed, "10.0.0.3\nnonsense\n").unwrap();
    for _ in 0..4 {
        watch.look();
    }
    assert!(denied("10.0.0.2") && !denied("10.0.0.3"));
    let status = feed_status();
    assert_eq!((status.failures, status.entries), (1, 1));
    assert!(status.error.unwrap().contains("feed:2: `nonsense` is not"));
    // A reload of the configuration does not lose it either.
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    assert!(denied("10.0.0.2") && feed_status().error.is_some());

    std::fs::remove_file(&feed).unwrap();
    for _ in 0..4 {
        watch.look();
    }
    assert!(denied("10.0.0.2"));
    assert!(feed_status().error.unwrap().contains("cannot read"));

    let draft = directory.path().join("draft");
    std::fs::write(&draft, "10.0.0.4\n10.0.0.5\n").unwrap();
    std::fs::rename(&draft, &feed).unwrap();
    watch.look();
    watch.look();
    assert!(denied("10.0.0.4") && denied("10.0.0.5") && !denied("10.0.0.2"));
    assert_eq!(feed_status().error, None);
}

#[test]
fn a_file_that_is_read_again_while_a_configuration_is_prepared_keeps_its_newer_content() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let feed = directory.path().join("feed");
    let model = |mode| Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: Vec::new(),
        named: vec![named("feed", ListAction::Deny, mode, feed.clone())],
    };
    let status = || lists.status().unwrap().pop().unwrap();
    let denied = |text: &str| lists.denies(address(text), SECOND);
    let mut watch = Watch::new(lists.clone());
    std::fs::write(&feed, "10.0.0.1\n").unwrap();
    lists
        .install(lists.prepare(&model(ListMode::Monitor)).unwrap())
        .unwrap();

    // In force before, with another file since.
    let prepared = lists.prepare(&model(ListMode::Enforce)).unwrap();
    std::fs::write(&feed, "10.0.0.2\n# longer\n").unwrap();
    watch.look();
    watch.look();
    lists.install(prepared).unwrap();
    assert!(denied("10.0.0.2") && !denied("10.0.0.1"));

    // Read for the configuration, and then once more.
    std::fs::write(&feed, "10.0.0.3\n").unwrap();
    let prepared = lists.prepare(&model(ListMode::Enforce)).unwrap();
    std::fs::write(&feed, "10.0.0.4\n# longer\n").unwrap();
    watch.look();
    watch.look();
    lists.install(prepared).unwrap();
    assert!(denied("10.0.0.4") && !denied("10.0.0.3"));
    assert_eq!((status().failures, status().error), (0, None));

    // Refused meanwhile: that stays said, and is counted once.
    let prepared = lists.prepare(&model(ListMode::Enforce)).unwrap();
    std::fs::write(&feed, "nonsense\n").unwrap();
    watch.look();
    watch.look();
    lists.install(prepared).unwrap();
    assert!(denied("10.0.0.4"));
    assert_eq!(status().failures, 1);
    assert!(status().error.unwrap().contains("feed:1"));

    // What is prepared last is what counts, where nothing was read after it.
    std::fs::write(&feed, "10.0.0.5\n# longer\n").unwrap();
    lists
        .install(lists.prepare(&model(ListMode::Enforce)).unwrap())
        .unwrap();
    assert!(denied("10.0.0.5") && !denied("10.0.0.4"));
    assert_eq!((status().failures, status().error), (1, None));
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

fn any_entries() -> impl Strategy<Value = BTreeMap<Prefix, u64>> {
    let end = prop_oneof![Just(NEVER), 1_u64..100];
    proptest::collection::btree_map(any_prefix(), end, 0..24)
}

/// Deny, monitor, allow and management lists with these entries, numbered from 0.
fn picture(lists: &[BTreeMap<Prefix, u64>]) -> Picture {
    let roles = [Role::Deny, Role::Monitor, Role::Allow, Role::Management];
    let parts = lists.iter().zip(roles).zip(0..);
    Picture::new(
        parts
            .map(|((entries, role), number)| picture::Part {
                number,
                role,
                table: Arc::new(Table::ending(
                    entries.iter().map(|(prefix, end)| (*prefix, *end)),
                )),
            })
            .collect(),
    )
}

/// The latest end over every entry around an address or prefix, asked one by one.
fn naive_end(entries: &BTreeMap<Prefix, u64>, prefix: Prefix) -> u64 {
    let around = entries.iter().filter(|(entry, _)| entry.covers(&prefix));
    around.map(|(_, end)| *end).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn pictures_say_what_a_search_through_all_entries_says(
        mut lists in proptest::collection::vec(any_entries(), 4),
        probes in proptest::collection::vec((any_prefix(), 0_u64..100), 32),
    ) {
        // Management prefixes do not end.
        lists[3].values_mut().for_each(|end| *end = NEVER);
        let picture = picture(&lists);
        for (probe, now) in &probes {
            let address = probe.network();
            let host = Prefix::host(address);
            let live = |list: usize| *now < naive_end(&lists[list], host);
            let expected = if live(3) {
                Standing::Management
            } else if live(2) {
                Standing::Allowed(2)
            } else if live(0) {
                Standing::Denied(0)
            } else if live(1) {
                Standing::Monitored(1)
            } else {
                Standing::Unlisted
            };
            prop_assert_eq!(picture.judge(address, *now), expected, "{} at {}", address, now);
        }
        let mut found: Vec<Prefix> = Vec::new();
        for Effective { prefix, entry } in picture.all() {
            found.push(prefix);
            prop_assert_eq!(entry.deny_until_ns, naive_end(&lists[0], prefix));
            prop_assert_eq!(entry.monitor_until_ns, naive_end(&lists[1], prefix));
            prop_assert_eq!(entry.allow_until_ns, naive_end(&lists[2], prefix));
            let managed = naive_end(&lists[3], prefix) > 0;
            prop_assert_eq!(entry.flags == ENTRY_MANAGEMENT, managed);
            let bits = (0..4).filter(|list| naive_end(&lists[*list], prefix) > 0);
            prop_assert_eq!(entry.lists, bits.map(|list| 1 << list).sum::<u64>());
        }
        let mut expected: Vec<Prefix> = lists.iter().flat_map(|list| list.keys()).copied().collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(&found, &expected);
        for (probe, _) in probes {
            let within: Vec<Prefix> = picture.within(probe).map(|it| it.prefix).collect();
            let inside = expected.iter().filter(|prefix| probe.covers(prefix));
            prop_assert_eq!(within, inside.copied().collect::<Vec<_>>());
            let around = expected.iter().any(|prefix| *prefix != probe && prefix.covers(&probe));
            prop_assert_eq!(picture.covers(probe), around);
        }
    }
}

proptest! {
    // Every change is saved, which takes a while.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn tables_follow_changes_by_hand_entry_by_entry(
        changes in proptest::collection::vec((any_prefix(), any::<bool>(), 0_u64..3, any::<bool>()), 1..40),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let lists = Lists::open(directory.path(), at(1)).unwrap();
        let tables = Tables::default();
        lists.attach(Arc::new(tables.clone())).unwrap();
        for (second, (prefix, adds, minutes, allows)) in (2..).zip(changes) {
            let change = if allows { Change::allow(prefix) } else { Change::deny(prefix) };
            if adds {
                let time = (minutes > 0).then(|| Duration::from_secs(minutes * 10));
                lists.add(change, time, at(second)).unwrap();
            } else {
                lists.remove(change, at(second)).unwrap();
            }
            tables.expect(&lists);
        }
        lists.tidy(at(1_000)).unwrap();
        tables.expect(&lists);
    }
}
