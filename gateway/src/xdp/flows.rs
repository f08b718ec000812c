//! The flow table of the program.

use std::fmt;
use std::sync::Mutex;

use aya::maps::{HashMap, MapData, MapError};
use gateway_common::flow::{FlowKey, FlowRow};
use rustix::io::Errno;

use super::lock;
use crate::store::penalty::{FlowError, FlowTable};

/// `BPF_NOEXIST` of `linux/bpf.h`: add, never replace.
const NO_EXIST: u64 = 1;

/// The map of penalised flows. Works on its descriptor after privileges are given up.
pub(super) struct KernelFlows(Mutex<HashMap<MapData, FlowKey, FlowRow>>);

impl KernelFlows {
    pub(super) const fn new(map: HashMap<MapData, FlowKey, FlowRow>) -> Self {
        Self(Mutex::new(map))
    }
}

impl fmt::Debug for KernelFlows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelFlows").finish_non_exhaustive()
    }
}

impl FlowTable for KernelFlows {
    fn insert(&self, key: FlowKey, row: FlowRow) -> Result<(), FlowError> {
        let inserted = lock(&self.0).insert(key, row, NO_EXIST);
        inserted.map_err(|error| match errno(&error) {
            Some(Errno::TOOBIG) => FlowError::Full,
            Some(Errno::EXIST) => FlowError::Held,
            Some(_) | None => failed(error),
        })
    }

    fn remove(&self, key: FlowKey) -> Result<(), FlowError> {
        lock(&self.0).remove(&key).map_err(failed)
    }

    fn clear(&self) -> Result<(), FlowError> {
        let mut map = lock(&self.0);
        let keys: Vec<FlowKey> = map.keys().collect::<Result<_, _>>().map_err(failed)?;
        for key in keys {
            map.remove(&key).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: MapError) -> FlowError {
    FlowError::Failed(Box::new(error))
}

/// What the kernel answered, where it was asked.
fn errno(error: &MapError) -> Option<Errno> {
    match error {
        MapError::SyscallError(failed) => Errno::from_io_error(&failed.io_error),
        _ => None,
    }
}
