//! Arrays of buckets whose size the configuration says, where an earlier run has pinned another one.
//!
//! The kernel cannot make an array larger or smaller. So the old one is set aside, the program is loaded
//! with a new one in its place, and what is owed goes over. The program itself reads neither.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;

use aya::maps::MapData;
use gateway_common::name::{MAP_CALLERS, MAP_SLOTS};

use super::error::{EdgeError, system};
use super::maps::{bucket_tables, open_data};
use super::pins::{Pins, pin_error};
use crate::clock;
use crate::model::BucketTables;
use crate::store::bucket::{Buckets, Outgrown, Resized};

/// Arrays of another size that are pinned no longer.
#[derive(Debug)]
pub(super) struct SetAside {
    slots: Option<Left>,
    callers: Option<Left>,
    sizes: BucketTables,
}

/// One of them, and where it was.
#[derive(Debug)]
struct Left {
    data: MapData,
    pin: PathBuf,
}

/// Sets aside what is pinned in another size than `wanted`; `None` where everything fits, or nothing is
/// pinned.
pub(super) fn set_aside(pins: &Pins, wanted: BucketTables) -> Result<Option<SetAside>, EdgeError> {
    let are_pinned = [MAP_SLOTS, MAP_CALLERS].map(|name| pins.path(name).exists());
    if are_pinned != [true, true] {
        return Ok(None);
    }
    let sizes = bucket_tables(pins.directory())?;
    let of = |name, is_same: bool| -> Result<Option<Left>, EdgeError> {
        if is_same {
            return Ok(None);
        }
        let data = open_data(pins.directory(), name)?;
        let pin = pins.path(name);
        Ok(Some(Left { data, pin }))
    };
    let slots = of(MAP_SLOTS, sizes.throttles() == wanted.throttles())?;
    let callers = of(MAP_CALLERS, sizes.callers() == wanted.callers())?;
    let left = SetAside {
        slots,
        callers,
        sizes,
    };
    let mut any = false;
    for Left { pin, .. } in left.each() {
        std::fs::remove_file(pin).map_err(|error| pin_error("unlink", pin, error))?;
        any = true;
    }
    Ok(any.then_some(left))
}

impl Left {
    fn fd(&self) -> BorrowedFd<'_> {
        self.data.fd().as_fd()
    }
}

impl SetAside {
    fn each(&self) -> impl Iterator<Item = &Left> {
        self.slots.iter().chain(&self.callers)
    }

    /// Pins the arrays again, because those that were to take their place could not be had.
    pub(super) fn put_back(&self) -> Result<(), EdgeError> {
        for Left { data, pin } in self.each() {
            match std::fs::remove_file(pin) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(pin_error("unlink", pin, error));
                }
                Ok(()) | Err(_) => {}
            }
            data.pin(pin)
                .map_err(|error| pin_error("BPF_OBJ_PIN", pin, error))?;
        }
        Ok(())
    }

    /// Has what is owed in them owed in `buckets`.
    pub(super) fn hand_over(&self, buckets: &Buckets) -> Result<Resized, EdgeError> {
        let left = Outgrown {
            slots: self.slots.as_ref().map(Left::fd),
            callers: self.callers.as_ref().map(Left::fd),
            sizes: self.sizes,
        };
        let resized = buckets.take_over(left, clock::monotonic_ns());
        resized.map_err(system("mmap of the bucket arrays of the run before"))
    }
}
