//! The orders in force, as whoever looks from outside reads them.

use std::fmt;
use std::path::Path;

use aya::maps::{Array, MapData};
use gateway_common::name::{MAP_CONTROL, MAP_RULES, MAP_SETTINGS};
use gateway_common::settings::{Control, Rules, Settings, rules_index};

use super::error::EdgeError;
use super::maps::open_as;
use super::switch::map_error;

/// The pinned maps with the orders.
pub(super) struct OrderMaps {
    control: Array<MapData, Control>,
    settings: Array<MapData, Settings>,
    rules: Array<MapData, Rules>,
}

/// What the program judges by at one moment. A change that begins meanwhile goes to the other
/// generation, so only a second one can mix into what is read later.
#[derive(Debug)]
pub(super) struct InForce<'a> {
    maps: &'a OrderMaps,
    generation: u32,
    pub(super) control: Control,
    pub(super) settings: Settings,
}

impl fmt::Debug for OrderMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderMaps").finish_non_exhaustive()
    }
}

impl OrderMaps {
    pub(super) fn open(pins: &Path) -> Result<Self, EdgeError> {
        Ok(Self {
            control: open_as(pins, MAP_CONTROL)?,
            settings: open_as(pins, MAP_SETTINGS)?,
            rules: open_as(pins, MAP_RULES)?,
        })
    }

    pub(super) fn in_force(&self) -> Result<InForce<'_>, EdgeError> {
        let control = self.control.get(&0, 0).map_err(map_error(MAP_CONTROL))?;
        let generation = u32::from(control.active & 1 == 1);
        let settings = self.settings.get(&generation, 0);
        Ok(InForce {
            maps: self,
            generation,
            control,
            settings: settings.map_err(map_error(MAP_SETTINGS))?,
        })
    }
}

impl InForce<'_> {
    /// The rules of a listener by its number; zero: those of what is for none.
    pub(super) fn rules(&self, listener: u32) -> Result<Rules, EdgeError> {
        let index = rules_index(self.generation, listener);
        let rules = self.maps.rules.get(&index, 0);
        rules.map_err(map_error(MAP_RULES))
    }
}
