//! The maps that a gateway has pinned, as anybody with root may open them.

use std::path::{Path, PathBuf};

use aya::maps::{Map, MapData, MapError};
use gateway_common::layout::LAYOUT_VERSION;

/// Directory of an instance's pins in this layout.
#[must_use]
pub fn directory(instance: &str) -> PathBuf {
    let instance = Path::new("/sys/fs/bpf/gateway").join(instance);
    instance.join(format!("v{LAYOUT_VERSION}"))
}

/// A pinned map by its name.
///
/// # Panics
/// When it is not there or of another type.
#[must_use]
pub fn pinned<T: TryFrom<Map, Error = MapError>>(instance: &str, name: &str) -> T {
    let data = MapData::from_pin(directory(instance).join(name)).expect("the map is pinned");
    let map = Map::from_map_data(data).expect("its type is known");
    T::try_from(map).expect("it is of this type")
}
