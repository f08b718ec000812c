//! Orders, and the files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::model::{ApiKeyId, ApiName, StageName, UsagePlanName};
use crate::telemetry::operator_log::explain;

pub(super) const VALUE: &str = "aVeryWellKnownValue0123456789abc";
const DATABASE: &str = "api-keys.redb";
const SECRET: &str = "api-keys.secret";

pub(super) fn unsaid(text: &str) -> Unsaid {
    Unsaid::new(text.to_owned())
}

/// Plans by name, each with stages of the API `a`.
pub(super) fn rules(plans: &[(&str, &[&str])]) -> KeyRules {
    let stage = |name: &&str| (ApiName::new("a"), StageName::new(name));
    let plan = |(name, stages): &(&str, &[&str])| {
        let stages = stages.iter().map(stage).collect();
        (UsagePlanName::new(name), stages)
    };
    KeyRules {
        keys_max: 100_000,
        keeps_values: false,
        plans: KnownPlans(Some(plans.iter().map(plan).collect())),
    }
}

const PLANS: &[(&str, &[&str])] = &[
    ("basic", &["prod", "test"]),
    ("free", &["test"]),
    ("other", &["beta"]),
];

pub(super) fn new_key(value: &str) -> NewKey {
    NewKey {
        value: Some(Unsaid::new(value.to_owned())),
        ..NewKey::default()
    }
}

fn open(directory: &Path) -> ApiKeyStore {
    ApiKeyStore::open(directory).unwrap()
}

#[track_caller]
fn follow(store: &ApiKeyStore, order: &KeyOrder) -> Followed {
    store.follow(order, &rules(PLANS), 100).unwrap()
}

#[track_caller]
pub(super) fn refused(store: &ApiKeyStore, order: &KeyOrder, rules: &KeyRules) -> KeyRefusal {
    let before = store.keys().all();
    match store.follow(order, rules, 100) {
        Err(FollowError::Refused(refusal)) => {
            assert_eq!(store.keys().all().generation(), before.generation());
            assert_eq!(store.keys().all().keys(), before.keys());
            refusal
        }
        other => panic!("{other:?}"),
    }
}

fn create(store: &ApiKeyStore, new: NewKey) -> ApiKeyId {
    follow(store, &KeyOrder::Create(new)).made.remove(0)
}

#[test]
fn a_key_is_what_was_asked_for_and_found_again_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let changes = store.keys().changes();
    let new = NewKey {
        name: Some("Büro".to_owned()),
        customer: Some("c-7".to_owned()),
        description: Some("for, \"all\"".to_owned()),
        disabled: true,
        plans: vec!["basic".to_owned(), "gone".to_owned()],
        throttle: Some(NewThrottle {
            rate_micro_per_second: 500_000,
            burst: 3,
            monitor: true,
        }),
        ..new_key(VALUE)
    };
    let followed = follow(&store, &KeyOrder::Create(new));
    assert_eq!(followed.drawn, None);
    assert_eq!(
        followed.remarks,
        [
            "the configuration has no usage plan `gone`, without which that counts for nothing: add \
             it"
        ]
    );
    // Everybody knows by now.
    assert!(changes.has_changed().unwrap());
    let all = store.keys().all();
    assert_eq!(all.generation(), 1);
    let [key] = all.keys() else { panic!("{all:?}") };
    assert_eq!(key.id, followed.made[0]);
    assert_eq!(store.keys().mac_of(VALUE.as_bytes()), key.mac);
    assert_eq!(key.name.as_deref(), Some("Büro"));
    assert_eq!(key.customer.as_deref(), Some("c-7"));
    assert_eq!(key.description.as_deref(), Some("for, \"all\""));
    assert!(!key.is_enabled && !key.is_readable);
    assert_eq!(
        (key.created_unix_seconds, key.updated_unix_seconds),
        (100, 100)
    );
    let plans: Vec<_> = key.plans.iter().map(|it| it.plan.as_str()).collect();
    assert_eq!(plans, ["basic", "gone"]);
    let throttle = key.throttle.unwrap();
    assert_eq!(
        (throttle.rate().micro_per_second, throttle.burst()),
        (500_000, 3)
    );
    assert!(throttle.is_monitored());

    let refused = ApiKeyStore::open(directory.path()).unwrap_err();
    assert!(matches!(refused, ApiKeyError::InUse(_)), "{refused}");
    drop((store, changes));
    let store = open(directory.path());
    assert_eq!(store.keys().all().keys(), all.keys());
    // By the same secret.
    assert_eq!(store.keys().mac_of(VALUE.as_bytes()), key.mac);
    for (file, mode) in [(DATABASE, 0o600), (SECRET, 0o600)] {
        let found = std::fs::metadata(directory.path().join(file)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{file}");
    }
    let files = std::fs::read_dir(directory.path()).unwrap();
    assert_eq!(files.count(), 2, "nothing is left of making them");
}

#[test]
fn a_value_that_is_drawn_is_told_once_and_belongs_to_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let made = follow(&store, &KeyOrder::Create(NewKey::default()));
    let drawn = made.drawn.unwrap();
    assert_eq!(drawn.expose().len(), DRAWN_CHARACTERS);
    let mac = store.keys().mac_of(drawn.expose().as_bytes());
    assert_eq!(store.keys().all().find(&made.made[0]).unwrap().mac, mac);
    let again = KeyOrder::Create(new_key(drawn.expose()));
    let taken = refused(&store, &again, &rules(PLANS));
    assert_eq!(taken, KeyRefusal::ValueTaken(made.made[0].clone()));
    assert!(!taken.to_string().contains(drawn.expose()));
    let not_kept = store.value(&unsaid(made.made[0].as_str())).unwrap_err();
    assert!(
        matches!(not_kept, FollowError::Refused(KeyRefusal::NotReadable(_))),
        "{not_kept}"
    );
    // Whose key is deleted may be used again.
    let id = unsaid(made.made[0].as_str());
    follow(&store, &KeyOrder::Delete { id });
    follow(&store, &again);
}

#[test]
fn a_key_is_changed_by_its_id_until_it_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let key = create(&store, new_key(VALUE));
    let id = || unsaid(key.as_str());
    let attach = |plan: &str| KeyOrder::Attach {
        id: id(),
        plan: plan.to_owned(),
    };
    let detach = |plan: &str| KeyOrder::Detach {
        id: id(),
        plan: plan.to_owned(),
    };
    let (disable, enable) = (
        KeyOrder::Disable { id: id() },
        KeyOrder::Enable { id: id() },
    );
    for (order, note, generation) in [
        (&disable, "is disabled", 2),
        (&disable, "is disabled already", 2),
        (&enable, "is enabled", 3),
        (&enable, "is enabled already", 3),
        (&attach("basic"), "belongs to the usage plan `basic`", 4),
        (&attach("other"), "belongs to the usage plan `other`", 5),
        (
            &detach("basic"),
            "does not belong to the usage plan `basic` any more",
            6,
        ),
        (&attach("free"), "belongs to the usage plan `free`", 7),
        (&KeyOrder::Delete { id: id() }, "is deleted", 8),
    ] {
        let followed = store.follow(order, &rules(PLANS), 200).unwrap();
        assert_eq!(followed.note, format!("the API key `{key}` {note}"));
        let all = store.keys().all();
        assert_eq!(all.generation(), generation, "{note}");
        if let Some(key) = all.find(&key) {
            assert_eq!(
                (key.created_unix_seconds, key.updated_unix_seconds),
                (100, 200)
            );
        }
    }
    assert_eq!(store.keys().all().keys(), []);
    for order in [
        enable,
        disable,
        attach("basic"),
        KeyOrder::Delete { id: id() },
    ] {
        let gone = refused(&store, &order, &rules(PLANS));
        assert_eq!(gone, KeyRefusal::NoKey(key.clone()));
    }
}

/// A store, and a key in it that belongs to the plan `basic`.
fn basic_key(directory: &Path) -> (ApiKeyStore, ApiKeyId) {
    let store = open(directory);
    let plans = vec!["basic".to_owned()];
    let id = create(
        &store,
        NewKey {
            plans,
            ..new_key(VALUE)
        },
    );
    (store, id)
}

#[track_caller]
fn check_refused(store: &ApiKeyStore, order: &KeyOrder, expected: &str) {
    let said = refused(store, order, &rules(PLANS)).to_string();
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains(VALUE), "{said}");
}

fn other_key() -> NewKey {
    new_key("anotherVeryWellKnownValue0123456")
}

#[test]
fn keys_that_make_no_sense_are_refused_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let text = |text: String| {
        KeyOrder::Create(NewKey {
            name: Some(text),
            ..other_key()
        })
    };
    let throttle = |rate_micro_per_second, burst| {
        let throttle = Some(NewThrottle {
            rate_micro_per_second,
            burst,
            monitor: false,
        });
        KeyOrder::Create(NewKey {
            throttle,
            ..other_key()
        })
    };
    let value = |value: &str| KeyOrder::Create(new_key(value));
    for (order, expected) in [
        (
            KeyOrder::Enable { id: unsaid(VALUE) },
            "this is no id of an API key",
        ),
        (value("short"), "has 5 characters: write 20 to 128"),
        (value("twenty characters..."), "other characters"),
        (
            text("x".repeat(TEXT_BYTES_MAX + 1)),
            "one line of at most 1024 bytes",
        ),
        (text("two\nlines".to_owned()), "a name is one line"),
        (throttle(0, 1), "a rate of 0 would never admit anything"),
        (
            throttle(1_000_000, 0),
            "a burst of 0 would never admit anything",
        ),
        (throttle(1, 1), "slower than one request per day"),
        (throttle(1_000_000, u64::MAX), "more than a year"),
        (throttle(u64::MAX, 1), "cannot be kept"),
    ] {
        check_refused(&store, &order, expected);
    }
}

#[test]
fn plans_that_make_no_sense_are_refused_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, key) = basic_key(directory.path());
    let attach = |plan: &str| KeyOrder::Attach {
        id: unsaid(key.as_str()),
        plan: plan.to_owned(),
    };
    let detach = |plan: &str| KeyOrder::Detach {
        id: unsaid(key.as_str()),
        plan: plan.to_owned(),
    };
    let plans = |plans: &[&str]| {
        KeyOrder::Create(NewKey {
            plans: plans.iter().map(|plan| (*plan).to_owned()).collect(),
            ..other_key()
        })
    };
    let many: Vec<String> = (0..=PLANS_MAX).map(|plan| format!("p{plan}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (order, expected) in [
        (plans(&["b c"]), "`b c` is not the name of a usage plan"),
        (plans(&["other", "other"]), "`other` is named twice"),
        (plans(&many), "at most 10 usage plans"),
        (
            plans(&["basic", "free"]),
            "`free` and `basic` are both for the stage `test` of `a`",
        ),
        (attach("free"), "both for the stage `test` of `a`"),
        (attach("basic"), "belongs to the usage plan `basic` already"),
        (attach(""), "is not the name of a usage plan"),
        (
            detach("other"),
            "does not belong to the usage plan `other`: `gateway keys show",
        ),
    ] {
        check_refused(&store, &order, expected);
    }
    // Where the plans are not known, nothing is said against any.
    let unknown = KeyRules {
        plans: KnownPlans::default(),
        ..rules(&[])
    };
    let followed = store.follow(&attach("free"), &unknown, 100).unwrap();
    assert_eq!(followed.remarks, Vec::<String>::new());
}

#[test]
fn there_are_so_many_keys_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let few = KeyRules {
        keys_max: 2,
        ..rules(PLANS)
    };
    for _ in 0..2 {
        store
            .follow(&KeyOrder::Create(NewKey::default()), &few, 0)
            .unwrap();
    }
    let order = KeyOrder::Create(NewKey::default());
    assert_eq!(
        refused(&store, &order, &few),
        KeyRefusal::TooMany { max: 2 }
    );
}

#[test]
fn values_are_read_back_where_they_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let keeps = KeyRules {
        keeps_values: true,
        ..rules(PLANS)
    };
    let order = KeyOrder::Create(new_key(VALUE));
    let id = store.follow(&order, &keeps, 0).unwrap().made.remove(0);
    let unkept = create(&store, NewKey::default());
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.value(&unsaid(id.as_str())).unwrap().expose(), VALUE);
    assert!(store.keys().all().find(&id).unwrap().is_readable);
    assert!(store.value(&unsaid(unkept.as_str())).is_err());
    // It stays as the key changes, and goes with it.
    follow(
        &store,
        &KeyOrder::Disable {
            id: unsaid(id.as_str()),
        },
    );
    assert_eq!(store.value(&unsaid(id.as_str())).unwrap().expose(), VALUE);
    follow(
        &store,
        &KeyOrder::Delete {
            id: unsaid(id.as_str()),
        },
    );
    assert!(store.value(&unsaid(id.as_str())).is_err());
}

#[test]
fn no_value_is_in_the_files_or_in_what_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut told = String::new();
    let mut values = vec![VALUE.to_owned()];
    for keeps_values in [false, true] {
        let rules = KeyRules {
            keeps_values,
            ..rules(PLANS)
        };
        let value = format!("{VALUE}{}", u8::from(keeps_values));
        let csv = format!("Key,Name\n{value}1,n\n{value}1,n\n{value}-,n\n\"{value}\"");
        for order in [
            KeyOrder::Create(new_key(&value)),
            KeyOrder::Create(new_key(&value)),
            KeyOrder::Create(new_key(&format!("{value}-"))),
            KeyOrder::Create(NewKey::default()),
            KeyOrder::Enable { id: unsaid(&value) },
            KeyOrder::Import {
                csv: Unsaid::new(format!("{csv}x")),
                fail_on_warnings: true,
            },
            KeyOrder::Import {
                csv: Unsaid::new(csv.clone()),
                fail_on_warnings: false,
            },
        ] {
            let outcome = store.follow(&order, &rules, 0);
            told.push_str(&format!("{order:?} {outcome:?}"));
            match outcome {
                Ok(Followed {
                    drawn: Some(drawn), ..
                }) => values.push(drawn.expose().to_owned()),
                Ok(followed) => told.extend(followed.warnings.lines()),
                Err(error) => told.push_str(&explain(&error)),
            }
        }
        values.push(value);
    }
    let all = store.keys().all();
    told.push_str(&format!("{store:?} {all:?}"));
    assert!(all.keys().len() >= 6, "{told}");
    drop(store);
    let database = std::fs::read(directory.path().join(DATABASE)).unwrap();
    for value in values {
        assert!(!told.contains(&value), "{told}");
        let found = database
            .windows(value.len())
            .any(|it| it == value.as_bytes());
        assert!(!found, "{value}");
    }
    // What is looked for would be found.
    let id = all.keys()[0].id.as_str().as_bytes();
    assert!(database.windows(id.len()).any(|it| it == id));
    for key in all.keys() {
        assert!(!told.contains(&format!("{:?}", key.mac.0)));
    }
}

/// A directory with one key.
fn one_key() -> (tempfile::TempDir, ApiKeyId) {
    let directory = tempfile::tempdir().unwrap();
    let id = create(&open(directory.path()), new_key(VALUE));
    (directory, id)
}

#[track_caller]
fn is_refused(directory: &Path, expected: &str) {
    for _ in 0..2 {
        let refused = ApiKeyStore::open(directory).unwrap_err();
        let said = explain(&refused);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_secret_that_is_missing_or_another_one_is_told_and_not_made_anew() {
    let (directory, id) = one_key();
    let directory = directory.path();
    let secret = directory.join(SECRET);
    let bytes = std::fs::read(&secret).unwrap();
    let write = |bytes: &[u8]| std::fs::write(&secret, bytes).unwrap();

    std::fs::remove_file(&secret).unwrap();
    is_refused(
        directory,
        "api-keys.secret` is missing, by which the API keys in",
    );
    assert!(!secret.exists());
    write(&[7; 32]);
    is_refused(directory, "others than its owner may use");
    let mode =
        |mode| std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    is_refused(directory, "is not the secret by which the API keys in");
    for wrong in [&bytes[..31], &[], &[bytes.as_slice(), &[0]].concat()] {
        write(wrong);
        is_refused(directory, "it has to have 32 bytes: put a copy of it back");
    }
    write(&bytes);
    mode(0o640);
    is_refused(directory, "mode 0640: chmod 600 it");
    mode(0o400);
    assert!(open(directory).keys().all().find(&id).is_some());
}

#[test]
fn a_database_that_is_damaged_is_told_and_not_made_anew() {
    let (directory, id) = one_key();
    let directory = directory.path();
    let path = directory.join(DATABASE);
    let whole = std::fs::read(&path).unwrap();
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    write(b"");
    is_refused(directory, "the file is empty");
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    write(b"this is no database");
    is_refused(directory, "is damaged: put a copy of it back");
    for share in 1..=9 {
        write(&whole[..whole.len() * share / 10]);
        is_refused(directory, DATABASE);
    }
    // A row that somebody has changed, or that a disk has.
    let place = whole
        .windows(10)
        .position(|it| it == b"\"enabled\":")
        .unwrap();
    let mut changed = whole.clone();
    changed[place + 1] ^= 1;
    write(&changed);
    is_refused(directory, &format!("of the API key `{id}` is damaged"));
    // A copy that is put back is good again, and a database that was moved away is made anew.
    write(&whole);
    assert!(open(directory).keys().all().find(&id).is_some());
    std::fs::rename(&path, directory.join("away")).unwrap();
    assert_eq!(open(directory).keys().all().keys(), []);
}

fn table<'a, V: redb::Value>(name: &'a str) -> redb::TableDefinition<'a, &'static str, V> {
    redb::TableDefinition::new(name)
}

#[test]
fn another_version_and_rows_that_are_missing_or_of_another_key_are_told() {
    let (directory, id) = one_key();
    let directory = directory.path();
    let path = directory.join(DATABASE);
    let whole = std::fs::read(&path).unwrap();
    let with = |work: &dyn Fn(&redb::WriteTransaction)| {
        std::fs::write(&path, &whole).unwrap();
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        work(&transaction);
        transaction.commit().unwrap();
    };
    with(&|it| {
        let mut facts = it.open_table(table::<u64>("facts")).unwrap();
        facts.insert("version", 2).unwrap();
    });
    is_refused(
        directory,
        "has version 2, and this gateway knows 1: start the gateway that wrote it",
    );
    with(&|it| {
        let mut keys = it.open_table(table::<&[u8]>("keys")).unwrap();
        keys.remove(id.as_str()).unwrap();
    });
    is_refused(directory, "holds 0 API keys instead of 1");
    with(&|it| {
        let mut keys = it.open_table(table::<&[u8]>("keys")).unwrap();
        let row = keys.remove(id.as_str()).unwrap().unwrap().value().to_vec();
        keys.insert("otherkey00", row.as_slice()).unwrap();
    });
    is_refused(directory, "of the API key `otherkey00` is damaged");
    with(&|it| assert!(it.delete_table(table::<&[u8]>("keys")).unwrap()));
    is_refused(directory, DATABASE);
}

/// Whatever byte of the file a disk changes: it is told, or it was none that counts.
#[test]
fn no_damaged_byte_makes_other_keys_or_ends_the_process() {
    let (directory, _) = one_key();
    let directory = directory.path();
    let path = directory.join(DATABASE);
    let all = open(directory).keys().all();
    let whole = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..whole.len())
        .filter(|place| whole[*place] != 0)
        .collect();
    let (mut told, mut harmless) = (0, 0);
    for place in used.iter().step_by(used.len().div_ceil(150)) {
        let mut changed = whole.clone();
        changed[*place] ^= 0x10;
        std::fs::write(&path, changed).unwrap();
        match ApiKeyStore::open(directory) {
            Ok(store) => {
                assert_eq!(store.keys().all().keys(), all.keys(), "{place}");
                harmless += 1;
            }
            Err(error) => {
                assert!(explain(&error).contains(DATABASE), "{place}: {error}");
                told += 1;
            }
        }
    }
    assert!(told > 0 && harmless > 0, "{told} {harmless}");
}

#[test]
fn pages_show_each_key_once_in_the_order_of_ids() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..7 {
        let plans = if number < 3 {
            vec!["basic".to_owned()]
        } else {
            Vec::new()
        };
        create(
            &store,
            NewKey {
                plans,
                ..NewKey::default()
            },
        );
    }
    let all = store.keys().all();
    let basic = UsagePlanName::new("basic");
    for (plan, expected) in [(None, 7), (Some(&basic), 3)] {
        let (mut seen, mut after) = (Vec::<ApiKeyId>::new(), None);
        loop {
            let (page, has_more) = all.page(after.as_ref(), plan, 2);
            seen.extend(page.iter().map(|key| key.id.clone()));
            after = seen.last().cloned();
            if !has_more {
                break;
            }
        }
        assert!(seen.is_sorted());
        assert_eq!(seen.len(), expected);
    }
}

#[test]
fn of_several_that_make_the_files_at_once_one_has_them() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = directory.path().join(round.to_string());
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let open = || ApiKeyStore::open(&path);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (mut owners, mut in_use) = (0, 0);
        for outcome in &outcomes {
            match outcome {
                Ok(_) => owners += 1,
                Err(ApiKeyError::InUse(_)) => in_use += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((owners, in_use), (1, 3));
        drop(outcomes);
        create(&open(&path), new_key(VALUE));
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
    }
}

#[test]
fn a_key_has_the_id_that_it_is_to_have_and_no_other_key_gets_that() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let with_id = |id: &str, value: &str| NewKey {
        id: Some(Unsaid::new(id.to_owned())),
        ..new_key(value)
    };
    let id = create(&store, with_id("k81h2j3m4n", VALUE));
    assert_eq!(id.as_str(), "k81h2j3m4n");
    let other = "x".repeat(40);
    for (id, expected) in [
        ("k81h2j3m4n", KeyRefusal::IdTaken(id)),
        (
            "K81H2J3M4N",
            KeyRefusal::NoId(ApiKeyId::parse("").unwrap_err()),
        ),
    ] {
        let order = KeyOrder::Create(with_id(id, &other));
        assert_eq!(refused(&store, &order, &rules(PLANS)), expected);
    }
    let csv = format!("Id,Key\nabcdefghij,{other}\n");
    let order = KeyOrder::Import {
        csv: Unsaid::new(csv),
        fail_on_warnings: true,
    };
    let made = follow(&store, &order).made;
    assert_eq!(made, [ApiKeyId::new("abcdefghij")]);
}
