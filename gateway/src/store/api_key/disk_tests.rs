//! A disk that fails to take what was written: see [`crate::store::faulty_disk`].

use std::path::Path;
use std::sync::Arc;

use redb::Database;

use super::database::{make, open};
use super::disk::Disk;
use super::tests::unsaid;
use super::vault::Vault;
use super::*;
use crate::model::ApiKeyId;
use crate::store::faulty_disk::{Faulty, REACHES};
use crate::telemetry::operator_log::explain;

const PATH: &str = "api-keys.redb";
/// The keys that there are take several pages.
const KEYS: usize = 40;
const NAME_BYTES: usize = 900;

impl Disk for Faulty {
    fn open(&self, vault: &Vault) -> Result<Database, ApiKeyError> {
        open(Path::new(PATH), self.clone(), vault, Path::new("secret"))
    }
}

fn vault() -> Vault {
    Vault::of(&[7; 32]).unwrap()
}

fn store_on(disk: &Faulty) -> ApiKeyStore {
    let database = Disk::open(disk, &vault()).unwrap();
    let path = Path::new(PATH).into();
    ApiKeyStore::new(path, Arc::new(disk.clone()), database, vault()).unwrap()
}

fn rules() -> KeyRules {
    KeyRules {
        keys_max: 100_000,
        keeps_values: true,
        plans: KnownPlans::default(),
    }
}

fn value(number: usize) -> String {
    format!("value{number:025}")
}

fn import(numbers: std::ops::Range<usize>) -> KeyOrder {
    let name = "x".repeat(NAME_BYTES);
    let rows = numbers.map(|number| format!("{},{name}\n", value(number)));
    KeyOrder::Import {
        csv: Unsaid::new(format!("Key,Name\n{}", rows.collect::<String>())),
        fail_on_warnings: true,
    }
}

/// What was written, and what is known of it.
struct Before {
    bytes: Vec<u8>,
    ids: Vec<ApiKeyId>,
}

fn before() -> Before {
    let disk = Faulty::with(Vec::new());
    drop(make(Path::new(PATH), disk.clone(), &vault()).unwrap());
    let store = store_on(&disk);
    let ids = store.follow(&import(0..KEYS), &rules(), 1).unwrap().made;
    drop(store);
    Before {
        bytes: disk.kept(),
        ids,
    }
}

impl Before {
    /// Orders of which each changes another kind of rows.
    fn orders(&self) -> [KeyOrder; 4] {
        let id = unsaid(self.ids[KEYS / 2].as_str());
        let create = NewKey {
            value: Some(Unsaid::new(value(KEYS))),
            name: Some("y".repeat(NAME_BYTES)),
            ..NewKey::default()
        };
        [
            KeyOrder::Create(create),
            KeyOrder::Disable { id: id.clone() },
            KeyOrder::Delete { id },
            import(KEYS..2 * KEYS),
        ]
    }

    /// Whether a store has what was there before, values included.
    fn is_in(&self, store: &ApiKeyStore) -> bool {
        let all = store.keys().all();
        all.keys().len() == KEYS
            && self.ids.iter().enumerate().all(|(number, id)| {
                let is_enabled = all.find(id).is_some_and(|key| key.is_enabled);
                is_enabled && store.value(&unsaid(id.as_str())).unwrap().expose() == value(number)
            })
    }
}

#[test]
fn an_order_that_fails_at_any_sync_is_undone_also_where_it_can_be_read() {
    let before = before();
    let (mut readable, mut in_doubt, mut refused) = (0, 0, 0);
    for order in before.orders() {
        for (name, reaches) in REACHES {
            for (skipped, times) in (0..4).flat_map(|skipped| (1..5).map(move |it| (skipped, it))) {
                let case = format!("{times} from {skipped} on, {name} written");
                let disk = Faulty::with(before.bytes.clone());
                let store = store_on(&disk);
                disk.fail(skipped, times, reaches);
                let Err(error) = store.follow(&order, &rules(), 2) else {
                    assert_eq!(disk.failures(), 0, "{case}");
                    assert!(!before.is_in(&store), "{case}");
                    let next = store_on(&disk.behind_a_crash());
                    assert_eq!(
                        next.keys().all().keys(),
                        store.keys().all().keys(),
                        "{case}"
                    );
                    continue;
                };
                // What was not acknowledged is in no memory, whatever the disk has.
                assert_eq!(store.keys().all().generation(), 0, "{case}");
                readable += usize::from(!before.is_in(&store_on(&Faulty::with(disk.seen()))));
                match error {
                    FollowError::Store(ApiKeyError::InDoubt { .. }) => {
                        in_doubt += 1;
                        // Nothing is taken before it is settled, and trying settles it.
                        while disk.failures() < times {
                            let refused = store.follow(&order, &rules(), 2).unwrap_err();
                            let refused = explain(&refused);
                            assert!(
                                refused.contains("could not be put back"),
                                "{case}: {refused}"
                            );
                        }
                        store.settle().unwrap();
                    }
                    FollowError::Store(ApiKeyError::Disk { .. }) => refused += 1,
                    error => panic!("{case}: {error}"),
                }
                assert!(before.is_in(&store), "{case}");
                assert!(before.is_in(&store_on(&disk.behind_a_crash())), "{case}");
                store.follow(&order, &rules(), 2).unwrap();
                let next = store_on(&disk.behind_a_crash());
                assert_eq!(
                    next.keys().all().keys(),
                    store.keys().all().keys(),
                    "{case}"
                );
            }
        }
    }
    assert!(
        readable > 0 && in_doubt > 0 && refused > 0,
        "{readable} {in_doubt} {refused}"
    );
}

/// A store that refused an order which could not be undone then, and which the next process would
/// find.
pub(crate) struct Refused {
    disk: Faulty,
    pub(crate) store: ApiKeyStore,
    pub(crate) error: FollowError,
    before: Before,
}

impl Refused {
    /// The disk is sound again when so many more syncs have failed.
    pub(crate) fn new(failures: usize) -> Self {
        let before = before();
        for skipped in 0..4 {
            let disk = Faulty::with(before.bytes.clone());
            let store = store_on(&disk);
            disk.fail(skipped, usize::MAX / 2, |_| true);
            let [order, ..] = before.orders();
            let error = store.follow(&order, &rules(), 2).unwrap_err();
            if !before.is_in(&store_on(&disk.behind_a_crash())) {
                disk.fail(0, failures, |_| true);
                return Self {
                    disk,
                    store,
                    error,
                    before,
                };
            }
        }
        panic!("no order that failed is found");
    }

    /// Whether the next process finds what was before.
    pub(crate) fn is_undone(&self) -> bool {
        self.before.is_in(&store_on(&self.disk.behind_a_crash()))
    }
}

#[test]
fn what_is_in_doubt_is_settled_though_nobody_uses_it_and_says_why_it_was() {
    let refused = Refused::new(1);
    let error = explain(&refused.error);
    assert!(error.contains("while it was written (sync)"), "{error}");
    refused.store.settle().unwrap_err();
    assert!(!refused.is_undone());
    refused.store.settle().unwrap();
    assert!(refused.is_undone());
    let syncs = refused.disk.syncs();
    refused.store.settle().unwrap();
    assert_eq!(refused.disk.syncs(), syncs, "once is enough");
}
