//! Disks that fail to take what was written, for tests: one as the worst of systems has it, where what
//! a failed sync was to write is read as if it were there, is not written by the next one, and may be
//! lost; and one that fails some syncs of a real file.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

const PAGE_BYTES: usize = 4096;

/// Which pages a sync writes that fails.
pub(super) type Reaches = fn(usize) -> bool;
pub(super) const REACHES: [(&str, Reaches); 4] = [
    ("none", |_| false),
    ("all", |_| true),
    ("the header", |page| page == 0),
    ("all but the header", |page| page != 0),
];

#[derive(Clone, Debug)]
pub(super) struct Faulty(Arc<Mutex<State>>);

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
    pub(super) fn with(bytes: Vec<u8>) -> Self {
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

    /// Fails so many syncs behind those that are skipped.
    pub(super) fn fail(&self, skipped: usize, times: usize, reaches: Reaches) {
        let mut state = self.state();
        let first = state.syncs + skipped;
        state.failing = first..first + times;
        state.reaches = reaches;
    }

    /// A sync may have panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next process finds.
    pub(super) fn behind_a_crash(&self) -> Self {
        Self::with(self.state().kept.clone())
    }

    /// How many syncs have failed.
    pub(super) fn failures(&self) -> usize {
        self.state().seen.len()
    }

    /// How many syncs there were.
    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// What is left behind a crash.
    pub(super) fn kept(&self) -> Vec<u8> {
        self.state().kept.clone()
    }

    /// What was read behind the first sync that failed.
    pub(super) fn seen(&self) -> Vec<u8> {
        self.state().seen[0].clone()
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

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let state = self.state();
        out.copy_from_slice(&state.cached[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.state().cached.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.state().write(offset, data);
        Ok(())
    }
}

/// A file of which as many syncs fail as are left to.
#[derive(Debug)]
pub(super) struct FailingFile(pub(super) FileBackend, pub(super) Arc<AtomicUsize>);

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
