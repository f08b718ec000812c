//! A disk that fails to take what was written, as the worst of systems has it: what a failed sync was
//! to write is read as if it were there, is not written by the next one, and may be lost.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

use super::database::{Disk, open_database};
use super::tests::api;
use super::*;
use crate::model::{ApiId, DeploymentNumber};

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
    fn open(&self) -> Result<Database, DeploymentError> {
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
