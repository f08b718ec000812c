//! Disks that cannot be written and tables that do not take what they are told.

use super::tests::{SECOND, Tables, address, at, deny, following, prefix, seconds};
use super::*;
use crate::model::Lists as Model;
use crate::telemetry::operator_log::explain;

/// Keeps a file of the state directory from being replaced, also by root.
fn obstruct(directory: &Path, name: &str) -> std::path::PathBuf {
    let draft = directory.join(name).with_extension("json.new");
    std::fs::create_dir(&draft).unwrap();
    draft
}

#[test]
fn tables_that_could_not_be_taken_back_are_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    lists.add(deny("10.0.0.1"), None, at(1)).unwrap();
    tables.0.lock().unwrap().failures = 2;
    let error = lists.add(deny("10.0.0.2"), None, at(1)).unwrap_err();
    assert!(matches!(error, ListError::Torn { .. }), "{error}");
    let text = explain(&error);
    assert!(
        text.contains("no room, 1 left") && text.contains("(no room, 0 left)"),
        "{text}"
    );
    assert!(!lists.denies(address("10.0.0.2"), SECOND));
    assert!(tables.active().contains_key(&prefix("10.0.0.2")));

    // The tables do not take that either, at first.
    tables.0.lock().unwrap().broken = Some("stage");
    assert_eq!(lists.tidy(at(2)).unwrap(), []);
    assert!(tables.active().contains_key(&prefix("10.0.0.2")));
    tables.0.lock().unwrap().broken = None;
    for _ in 0..2 {
        lists.tidy(at(3)).unwrap();
    }
    tables.expect(&lists);
    let active = tables.0.lock().unwrap().active;
    lists.tidy(at(4)).unwrap();
    assert_eq!(tables.0.lock().unwrap().active, active, "once is enough");
}

#[test]
fn what_a_configuration_asks_for_is_tried_until_it_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let offloading = |denied: &[&str]| Model {
        offloaded: denied.iter().map(|text| prefix(text)).collect(),
        proxies: Vec::new(),
        management: Vec::new(),
        named: Vec::new(),
    };
    let install = |model: &Model| lists.install(lists.prepare(model).unwrap());
    let denied = |text: &str| lists.denies(address(text), SECOND);
    install(&offloading(&["10.0.0.1"])).unwrap();

    // Withdrawn by the policies, and the tables do not take that.
    tables.0.lock().unwrap().broken = Some("stage");
    let error = install(&offloading(&[])).unwrap_err();
    assert!(matches!(error, ListError::Sink(_)), "{error}");
    lists.tidy(at(2)).unwrap();
    assert!(denied("10.0.0.1") && tables.active().contains_key(&prefix("10.0.0.1")));
    tables.0.lock().unwrap().broken = None;
    for _ in 0..3 {
        lists.tidy(at(3)).unwrap();
    }
    assert!(!denied("10.0.0.1"));
    tables.expect(&lists);
    let (saved, _) = definitions::load(directory.path()).unwrap();
    assert_eq!(saved, offloading(&[]));

    // What a later configuration asks for takes the place of what an earlier one did.
    tables.0.lock().unwrap().broken = Some("stage");
    install(&offloading(&["10.0.0.2"])).unwrap_err();
    tables.0.lock().unwrap().broken = None;
    install(&offloading(&["10.0.0.3"])).unwrap();
    for _ in 0..3 {
        lists.tidy(at(4)).unwrap();
    }
    assert!(denied("10.0.0.3") && !denied("10.0.0.2"));
    tables.expect(&lists);
}

/// What `work` says to the operator.
fn said(work: impl FnOnce()) -> String {
    // Whether anybody listens is remembered for each line of the source that says something, for all threads.
    // Where nobody does in all of them, that is what the thread of another test knows of the same line.
    static EVERYWHERE: std::sync::Once = std::sync::Once::new();
    EVERYWHERE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    let log = tempfile::NamedTempFile::new().unwrap();
    let file = log.reopen().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::sync::Mutex::new(file))
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    std::fs::read_to_string(log.path()).unwrap()
}

#[test]
fn what_comes_in_force_later_is_said_to_be_whether_or_not_it_can_be_saved() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let feed = directory.path().join("feed");
    std::fs::write(&feed, "10.0.0.1\n").unwrap();
    let model = following(&feed);
    tables.0.lock().unwrap().broken = Some("stage");
    lists.install(lists.prepare(&model).unwrap()).unwrap_err();
    let not_in_force = "those that the configuration asks for are still not in force";
    let text = said(|| drop(lists.tidy(at(2)).unwrap()));
    assert!(text.contains(not_in_force), "{text}");

    tables.0.lock().unwrap().broken = None;
    let obstacle = obstruct(directory.path(), "lists.json");
    let text = said(|| (0..3).for_each(|_| drop(lists.tidy(at(3)).unwrap())));
    assert!(lists.denies(address("10.0.0.1"), SECOND));
    assert!(!text.contains(not_in_force), "{text}");
    for part in [
        "those that the configuration asks for are in force now",
        "feed",
        "commands without a running gateway know the earlier lists",
        "tried again until it is saved",
        &format!("open `{}`", obstacle.display()),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    std::fs::remove_dir(obstacle).unwrap();
    let text = said(|| drop(lists.tidy(at(4)).unwrap()));
    assert!(
        text.contains("what the configuration says is saved now"),
        "{text}"
    );
    let (saved, _) = definitions::load(directory.path()).unwrap();
    assert_eq!(saved, model);
}

#[test]
fn a_change_that_can_neither_be_saved_nor_taken_back_says_both() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let obstacle = obstruct(directory.path(), "deny.json");
    // The change itself succeeds, and only the way back fails.
    tables.0.lock().unwrap().broken = Some("emptying");
    let error = lists.add(deny("10.0.0.2"), None, at(1)).unwrap_err();
    let text = explain(&error);
    assert!(text.contains("emptying is broken"), "{text}");
    assert!(
        text.contains(&format!("open `{}`", obstacle.display())),
        "{text}"
    );
    tables.0.lock().unwrap().broken = None;
    lists.tidy(at(2)).unwrap();
    tables.expect(&lists);
    assert!(tables.active().is_empty());
}

#[test]
fn what_nobody_confirms_is_taken_back_though_nothing_can_be_saved() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let minute = Change {
        confirm_within: seconds(60),
        ..deny("10.0.0.1")
    };
    lists.add(minute, None, at(1)).unwrap();
    let saved = || std::fs::read_to_string(directory.path().join("deny.json")).unwrap();
    let obstacle = obstruct(directory.path(), "deny.json");
    let taken_back = lists.tidy(at(61)).unwrap();
    assert_eq!(taken_back, [(ByHand::Deny, prefix("10.0.0.1"))]);
    for second in 61..64 {
        assert!(!lists.denies(address("10.0.0.1"), second * SECOND));
        assert!(tables.active().is_empty());
        assert!(saved().contains("10.0.0.1"));
        assert_eq!(lists.tidy(at(second)).unwrap(), []);
    }
    std::fs::remove_dir(obstacle).unwrap();
    lists.tidy(at(64)).unwrap();
    assert!(!saved().contains("10.0.0.1"), "{}", saved());

    // On demand, where nobody comes back later, it is an error too.
    lists.add(minute, None, Moment::now()).unwrap();
    obstruct(directory.path(), "deny.json");
    let error = lists.take_back().unwrap_err();
    assert!(matches!(error, ListError::Unsaved { .. }), "{error}");
    assert!(!lists.denies(address("10.0.0.1"), SECOND));
    assert!(tables.active().is_empty());
}

#[test]
fn definitions_that_could_not_be_saved_are_saved_later() {
    let directory = tempfile::tempdir().unwrap();
    let lists = Lists::open(directory.path(), at(1)).unwrap();
    let model = Model {
        offloaded: Vec::new(),
        proxies: Vec::new(),
        management: vec![prefix("192.0.2.0/28")],
        named: Vec::new(),
    };
    let obstacle = obstruct(directory.path(), "lists.json");
    let error = lists.install(lists.prepare(&model).unwrap()).unwrap_err();
    assert!(matches!(error, ListError::Unsaved { .. }), "{error}");
    lists.tidy(at(2)).unwrap();
    std::fs::remove_dir(obstacle).unwrap();
    lists.tidy(at(3)).unwrap();
    let (saved, _) = definitions::load(directory.path()).unwrap();
    assert_eq!(saved, model);
}

#[test]
fn a_file_that_could_not_be_put_in_force_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        addresses: 2,
        ..Limits::default()
    };
    let lists = Lists::open_within(limits, directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let feed = directory.path().join("feed");
    let model = following(&feed);
    std::fs::write(&feed, "10.0.0.1\n").unwrap();
    lists.install(lists.prepare(&model).unwrap()).unwrap();
    let mut watch = Watch::new(lists.clone());
    let mut look = |times: usize| (0..times).for_each(|_| watch.look());
    let denied = |text: &str| lists.denies(address(text), SECOND);
    let noted = || {
        let feed = lists.status().unwrap().pop().unwrap();
        (feed.failures, feed.error.unwrap_or_default())
    };

    // The file is good; the tables are not.
    tables.0.lock().unwrap().broken = Some("stage");
    std::fs::write(&feed, "10.0.0.2\n# longer\n").unwrap();
    look(20);
    let (failures, error) = noted();
    assert_eq!(failures, 1, "{error}");
    assert!(error.contains("stage is broken"), "{error}");
    tables.0.lock().unwrap().broken = None;
    look(20);
    assert!(denied("10.0.0.2") && !denied("10.0.0.1"));
    assert_eq!(noted(), (1, String::new()));

    // There is no room, until there is.
    lists.add(deny("192.0.2.1"), None, at(1)).unwrap();
    std::fs::write(&feed, "10.0.0.3\n10.0.0.4\n").unwrap();
    look(3);
    let (failures, error) = noted();
    assert!(failures == 2 && error.contains("full"), "{error}");
    assert!(lists.remove(deny("192.0.2.1"), at(1)).unwrap());
    look(20);
    assert!(denied("10.0.0.3") && denied("10.0.0.4"));
}

#[test]
fn what_is_added_while_a_file_is_staged_counts_against_the_room() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        addresses: 2,
        ..Limits::default()
    };
    let lists = Lists::open_within(limits, directory.path(), at(1)).unwrap();
    let tables = Tables::default();
    lists.attach(Arc::new(tables.clone())).unwrap();
    let feed = directory.path().join("feed");
    std::fs::write(&feed, "10.0.0.1\n10.0.0.2\n").unwrap();
    let model = following(&feed);
    {
        let mut held = tables.0.lock().unwrap();
        held.lists = Some(lists.clone());
        held.meanwhile = Some(|lists| {
            lists.add(deny("192.0.2.1"), None, at(1)).unwrap();
        });
    }
    let error = lists.install(lists.prepare(&model).unwrap()).unwrap_err();
    tables.0.lock().unwrap().lists = None;
    assert!(matches!(error, ListError::Full { max: 2, .. }), "{error}");
    assert!(lists.denies(address("192.0.2.1"), SECOND));
    assert!(!lists.denies(address("10.0.0.1"), SECOND));
    tables.expect(&lists);
}
