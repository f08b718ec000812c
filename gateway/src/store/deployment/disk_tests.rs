//! A disk that fails to take what was written: see [`crate::store::faulty_disk`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use redb::Database;

use super::database::open_database;
use super::disk::{Disk, Missing, StateDirectory};
use super::tests::api;
use super::*;
use crate::model::{ApiId, DeploymentNumber};
use crate::store::faulty_disk::{FailingFile, Faulty, REACHES};
use crate::telemetry::operator_log::explain;

const PATH: &str = "gateway.redb";
const STAGES: &[(&str, bool)] = &[("auto", true)];
/// Some texts share a page, which is split when there are more of them; one is larger than what the
/// file has to spare.
const SMALL_BYTES: usize = 700;
const LARGE_BYTES: usize = 600_000;

fn store_on(disk: &Faulty) -> DeploymentStore {
    DeploymentStore::open_on(Path::new(PATH).into(), Arc::new(disk.clone())).unwrap()
}

impl Disk for Faulty {
    fn open(&self, _missing: Missing) -> Result<Database, DeploymentError> {
        open_database(Path::new(PATH), self.clone())
    }
}

type Texts = Vec<(ApiId, DeploymentNumber, String)>;

/// A ledger with all its texts.
#[derive(Debug)]
struct Whole {
    ledger: Ledger,
    texts: Texts,
}

impl Whole {
    /// Whether this is what a store has, texts included.
    fn is_in(&self, store: &DeploymentStore) -> bool {
        let is_read = store.read().unwrap().apis == self.ledger.apis;
        is_read
            && self.texts.iter().all(|(id, number, text)| {
                let found = store.text(id, *number).unwrap();
                *found == **text
            })
    }
}

/// An API with that many deployments.
fn follow(ledger: &mut Ledger, name: &str, deployments: u32, bytes: usize) -> Texts {
    let all = (1..=deployments).map(|number| {
        let text = format!("{name} {number} {}", "x".repeat(bytes));
        let described = api(name, &text, STAGES);
        ledger
            .follow_one(&described, number.into(), None, None)
            .unwrap();
        (ApiId::new(name), DeploymentNumber(number), text)
    });
    all.collect()
}

/// What was written, and what is to be: one API goes with its text, and the text of another one comes
/// between those that stay, some of which it moves to another page.
fn before_and_after() -> (Vec<u8>, Whole, Whole) {
    let disk = Faulty::with(Vec::new());
    let store = store_on(&disk);
    let mut ledger = Ledger::default();
    let mut stay = follow(&mut ledger, "a", 12, SMALL_BYTES);
    stay.extend(follow(&mut ledger, "c", 12, SMALL_BYTES));
    let goes = follow(&mut ledger, "d", 1, LARGE_BYTES);
    store.write(&ledger).unwrap();
    drop(store);
    let bytes = disk.kept();
    let before = Whole {
        texts: [stay.clone(), goes].concat(),
        ledger,
    };
    let mut ledger = store_on(&disk).read().unwrap();
    ledger.apis.remove(&ApiId::new("d"));
    let comes = follow(&mut ledger, "b", 1, SMALL_BYTES);
    let after = Whole {
        texts: [stay, comes].concat(),
        ledger,
    };
    (bytes, before, after)
}

#[test]
fn a_write_that_fails_at_any_sync_is_undone_also_where_it_can_be_read() {
    let (bytes, before, after) = before_and_after();
    let (mut readable, mut in_doubt, mut refused) = (0, 0, 0);
    for (name, reaches) in REACHES {
        for (skipped, times) in (0..4).flat_map(|skipped| (1..8).map(move |it| (skipped, it))) {
            let case = format!("{times} from {skipped} on, {name} written");
            let disk = Faulty::with(bytes.clone());
            let store = store_on(&disk);
            disk.fail(skipped, times, reaches);
            let outcome = store.write(&after.ledger);
            let Err(error) = outcome else {
                assert_eq!(disk.failures(), 0, "{case}");
                assert!(after.is_in(&store), "{case}");
                assert!(after.is_in(&store_on(&disk.behind_a_crash())), "{case}");
                continue;
            };
            let seen = disk.seen();
            readable += usize::from(after.is_in(&store_on(&Faulty::with(seen))));
            match error {
                DeploymentError::InDoubt { .. } => {
                    in_doubt += 1;
                    let next = store_on(&disk.behind_a_crash());
                    assert!(before.is_in(&next) || after.is_in(&next), "{case}");
                    // Nothing is told or taken before it is settled, and trying settles it.
                    while disk.failures() < times {
                        let refused = store.read().unwrap_err();
                        let is_in_doubt = matches!(refused, DeploymentError::InDoubt { .. });
                        assert!(is_in_doubt, "{case}: {refused}");
                    }
                }
                DeploymentError::Disk { .. } => refused += 1,
                error => panic!("{case}: {error}"),
            }
            assert!(before.is_in(&store), "{case}");
            assert!(before.is_in(&store_on(&disk.behind_a_crash())), "{case}");
            store.write(&after.ledger).unwrap();
            assert!(after.is_in(&store), "{case}");
            assert!(after.is_in(&store_on(&disk.behind_a_crash())), "{case}");
        }
    }
    assert!(
        readable > 0 && in_doubt > 0 && refused > 0,
        "{readable} {in_doubt} {refused}"
    );
}

/// A store that refused a write which could not be undone then, and which the next process would find.
#[derive(Debug)]
pub(crate) struct Refused {
    disk: Faulty,
    pub(crate) store: DeploymentStore,
    pub(crate) error: DeploymentError,
    before: Whole,
}

impl Refused {
    /// The disk is sound again when so many more syncs have failed.
    pub(crate) fn new(failures: usize) -> Self {
        let (bytes, before, after) = before_and_after();
        for skipped in 0..4 {
            let disk = Faulty::with(bytes.clone());
            let store = store_on(&disk);
            disk.fail(skipped, usize::MAX / 2, |_| true);
            let error = store.write(&after.ledger).unwrap_err();
            if after.is_in(&store_on(&disk.behind_a_crash())) {
                disk.fail(0, failures, |_| true);
                return Self {
                    disk,
                    store,
                    error,
                    before,
                };
            }
        }
        panic!("no write that failed is found");
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
    assert_eq!(error.matches("sync").count(), 2, "{error}");
    assert!(error.contains("while it was written (sync)"), "{error}");
    refused.store.settle().unwrap_err();
    assert!(!refused.is_undone());
    refused.store.settle().unwrap();
    assert!(refused.is_undone());
    let syncs = refused.disk.syncs();
    refused.store.settle().unwrap();
    assert_eq!(refused.disk.syncs(), syncs, "once is enough");
}

/// The file in a directory, of which as many syncs fail as are left to.
#[derive(Debug)]
struct Failing {
    file: StateDirectory,
    left: Arc<AtomicUsize>,
}

impl Disk for Failing {
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError> {
        let file = FailingFile(self.file.backend(missing)?, Arc::clone(&self.left));
        open_database(&self.file.0.path, file)
    }
}

#[test]
fn a_file_that_has_gone_is_not_made_anew_behind_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(PATH);
    let left = Arc::new(AtomicUsize::new(0));
    let disk = Failing {
        file: StateDirectory::new(directory.path()),
        left: Arc::clone(&left),
    };
    let store = DeploymentStore::open_on(path.as_path().into(), Arc::new(disk)).unwrap();
    let mut ledger = Ledger::default();
    let texts = follow(&mut ledger, "a", 2, SMALL_BYTES);
    store.write(&ledger).unwrap();
    let before = Whole { ledger, texts };
    let mut ledger = store.read().unwrap();
    follow(&mut ledger, "b", 1, SMALL_BYTES);
    left.store(usize::MAX, Relaxed);
    store.write(&ledger).unwrap_err();
    left.store(0, Relaxed);

    let away = directory.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    let check = |cause: &str| {
        for _ in 0..2 {
            let error = store.settle().unwrap_err();
            let is_in_doubt = matches!(error, DeploymentError::InDoubt { .. });
            assert!(
                is_in_doubt && explain(&error).contains(cause),
                "{}",
                explain(&error)
            );
        }
        store.read().unwrap_err();
    };
    check("No such file");
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    check("the file is empty");
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::rename(&away, &path).unwrap();
    store.settle().unwrap();
    assert!(before.is_in(&store));
    drop(store);
    assert!(before.is_in(&DeploymentStore::open(directory.path()).unwrap()));
}
