//! A disk that fails to take what was written, as the worst of systems has it: what a failed sync was
//! to write is read as if it were there, is not written by the next one, and may be lost.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::database::open_database;
use super::disk::{Disk, Missing, StateDirectory};
use super::tests::api;
use super::*;
use crate::model::{ApiId, DeploymentNumber};
use crate::telemetry::operator_log::explain;

const PAGE_BYTES: usize = 4096;
const PATH: &str = "gateway.redb";
const STAGES: &[(&str, bool)] = &[("auto", true)];
/// Some texts share a page, which is split when there are more of them; one is larger than what the
/// file has to spare.
const SMALL_BYTES: usize = 700;
const LARGE_BYTES: usize = 600_000;

/// Which pages a sync writes that fails.
type Reaches = fn(usize) -> bool;
const REACHES: [(&str, Reaches); 4] = [
    ("none", |_| false),
    ("all", |_| true),
    ("the header", |page| page == 0),
    ("all but the header", |page| page != 0),
];

#[derive(Clone, Debug)]
struct Faulty(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What is read.
    cached: Vec<u8>,
    /// What is left behind a crash.
    kept: Vec<u8>,
    dirty: BTreeSet<usize>,
    syncs: usize,
    failing: Range<usize>,
    reaches: Reaches,
    /// What was read behind each sync that failed.
    seen: Vec<Vec<u8>>,
}

impl Faulty {
    fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            cached: bytes.clone(),
            kept: bytes,
            dirty: BTreeSet::new(),
            syncs: 0,
            failing: 0..0,
            reaches: |_| false,
            seen: Vec::new(),
        })))
    }

    fn store(&self) -> DeploymentStore {
        DeploymentStore::open_on(Path::new(PATH).into(), Arc::new(self.clone())).unwrap()
    }

    fn fail(&self, skipped: usize, times: usize, reaches: Reaches) {
        let mut state = self.0.lock().unwrap();
        let first = state.syncs + skipped;
        state.failing = first..first + times;
        state.reaches = reaches;
    }

    /// What the next process finds.
    fn behind_a_crash(&self) -> Self {
        Self::with(self.0.lock().unwrap().kept.clone())
    }

    /// How many syncs have failed.
    fn failures(&self) -> usize {
        self.0.lock().unwrap().seen.len()
    }
}

impl State {
    fn write(&mut self, offset: usize, data: &[u8]) {
        self.cached[offset..offset + data.len()].copy_from_slice(data);
        let last = (offset + data.len() - 1) / PAGE_BYTES;
        self.dirty.extend(offset / PAGE_BYTES..=last);
    }

    fn sync(&mut self) -> io::Result<()> {
        let fails = self.failing.contains(&self.syncs);
        self.syncs += 1;
        self.kept.resize(self.cached.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let start = page * PAGE_BYTES;
            let end = self.cached.len().min(start + PAGE_BYTES);
            if start < end && (!fails || (self.reaches)(page)) {
                self.kept[start..end].copy_from_slice(&self.cached[start..end]);
            }
        }
        if fails {
            self.seen.push(self.cached.clone());
            return Err(io::Error::other("sync"));
        }
        Ok(())
    }
}

impl Disk for Faulty {
    fn open(&self, _missing: Missing) -> Result<Database, DeploymentError> {
        open_database(Path::new(PATH), self.clone())
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let state = self.0.lock().unwrap();
        out.copy_from_slice(&state.cached[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.0.lock().unwrap().cached.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().unwrap().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.0.lock().unwrap().write(offset, data);
        Ok(())
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
    let store = disk.store();
    let mut ledger = Ledger::default();
    let mut stay = follow(&mut ledger, "a", 12, SMALL_BYTES);
    stay.extend(follow(&mut ledger, "c", 12, SMALL_BYTES));
    let goes = follow(&mut ledger, "d", 1, LARGE_BYTES);
    store.write(&ledger).unwrap();
    drop(store);
    let bytes = disk.0.lock().unwrap().kept.clone();
    let before = Whole {
        texts: [stay.clone(), goes].concat(),
        ledger,
    };
    let mut ledger = disk.store().read().unwrap();
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
            let store = disk.store();
            disk.fail(skipped, times, reaches);
            let outcome = store.write(&after.ledger);
            let Err(error) = outcome else {
                assert_eq!(disk.failures(), 0, "{case}");
                assert!(after.is_in(&store), "{case}");
                assert!(after.is_in(&disk.behind_a_crash().store()), "{case}");
                continue;
            };
            let seen = disk.0.lock().unwrap().seen[0].clone();
            readable += usize::from(after.is_in(&Faulty::with(seen).store()));
            match error {
                DeploymentError::InDoubt { .. } => {
                    in_doubt += 1;
                    let next = disk.behind_a_crash().store();
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
            assert!(before.is_in(&disk.behind_a_crash().store()), "{case}");
            store.write(&after.ledger).unwrap();
            assert!(after.is_in(&store), "{case}");
            assert!(after.is_in(&disk.behind_a_crash().store()), "{case}");
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
            let store = disk.store();
            disk.fail(skipped, usize::MAX / 2, |_| true);
            let error = store.write(&after.ledger).unwrap_err();
            if after.is_in(&disk.behind_a_crash().store()) {
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
        self.before.is_in(&self.disk.behind_a_crash().store())
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
    let syncs = refused.disk.0.lock().unwrap().syncs;
    refused.store.settle().unwrap();
    assert_eq!(
        refused.disk.0.lock().unwrap().syncs,
        syncs,
        "once is enough"
    );
}

/// The file in a directory, of which as many syncs fail as are left to.
#[derive(Debug)]
struct Failing {
    file: StateDirectory,
    left: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FailingFile(FileBackend, Arc<AtomicUsize>);

impl Disk for Failing {
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError> {
        let file = FailingFile(self.file.backend(missing)?, Arc::clone(&self.left));
        open_database(&self.file.path, file)
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let take = |left: usize| left.checked_sub(1);
        match self.1.fetch_update(Relaxed, Relaxed, take) {
            Ok(_) => Err(io::Error::other("sync")),
            Err(_) => self.0.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
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
