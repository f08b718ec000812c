//! One generation of the lists' tables.

use std::net::IpAddr;

use gateway_common::list::{Ipv4Key, Ipv4PrefixData, Ipv6Key, PlainEntry, ipv4_prefix_data};

use super::family::Place;
use super::filter::{Filter4, Filter6};
use crate::model::Prefix;
use crate::store::list::{Effective, Picture};
use crate::xdp::error::EdgeError;
use crate::xdp::maps::GenerationMaps;

/// The tables, and whether they are known to be empty.
#[derive(Debug)]
pub(super) struct Generation {
    /// 0 or 1.
    pub(super) number: u32,
    maps: GenerationMaps,
    is_clear: bool,
}

/// The place of a prefix in the tables of its family.
enum At {
    Ipv4(Place<Ipv4Key, Ipv4PrefixData>),
    Ipv6(Place<Ipv6Key, Ipv6Key>),
}

fn at(prefix: Prefix) -> At {
    let length = prefix.length();
    match prefix.network() {
        IpAddr::V4(v4) if length == 32 => At::Ipv4(Place::Exact(v4.octets())),
        IpAddr::V4(v4) => {
            let data = ipv4_prefix_data(v4.into());
            At::Ipv4(Place::Prefix(length.into(), data))
        }
        IpAddr::V6(v6) if length == 128 => At::Ipv6(Place::Exact(v6.octets())),
        IpAddr::V6(v6) => At::Ipv6(Place::Prefix(length.into(), v6.octets())),
    }
}

impl Generation {
    pub(super) const fn new(number: u32, maps: GenerationMaps, is_clear: bool) -> Self {
        Self {
            number,
            maps,
            is_clear,
        }
    }

    /// Empties tables and filters.
    pub(super) fn clear(&mut self, filter4: &Filter4, filter6: &Filter6) -> Result<(), EdgeError> {
        if self.is_clear {
            return Ok(());
        }
        self.maps.ipv4.clear()?;
        self.maps.ipv6.clear()?;
        filter4.clear(self.number);
        filter6.clear(self.number);
        self.is_clear = true;
        Ok(())
    }

    /// Writes every entry of a picture into empty tables.
    pub(super) fn fill(
        &mut self,
        picture: &Picture,
        filter4: &Filter4,
        filter6: &Filter6,
    ) -> Result<(), EdgeError> {
        self.is_clear = false;
        for effective in picture.all() {
            self.put(&effective)?;
            self.mark(effective.prefix, filter4, filter6);
        }
        Ok(())
    }

    /// Turns `old` into `new`, which differ inside `prefixes` only, of which none covers another.
    /// Entries come before the filter bits that lead to them and go after them, and what covers
    /// comes before what it covers.
    pub(super) fn change(
        &mut self,
        old: &Picture,
        new: &Picture,
        prefixes: &[Prefix],
        filter4: &Filter4,
        filter6: &Filter6,
    ) -> Result<(), EdgeError> {
        self.is_clear = false;
        let mut gone = Vec::new();
        for prefix in prefixes {
            self.write_within((old, new), *prefix, &mut gone, (filter4, filter6))?;
        }
        filter4.prune(self.number, &gone, new);
        filter6.prune(self.number, &gone, new);
        for prefix in gone {
            match at(prefix) {
                At::Ipv4(place) => self.maps.ipv4.remove(place)?,
                At::Ipv6(place) => self.maps.ipv6.remove(place)?,
            }
        }
        Ok(())
    }

    /// Writes what comes and changes inside `prefix`; what goes is added to `gone`.
    fn write_within(
        &mut self,
        (old, new): (&Picture, &Picture),
        prefix: Prefix,
        gone: &mut Vec<Prefix>,
        (filter4, filter6): (&Filter4, &Filter6),
    ) -> Result<(), EdgeError> {
        let mut before = old.within(prefix).peekable();
        for effective in new.within(prefix) {
            while let Some(earlier) = before.next_if(|it| it.prefix < effective.prefix) {
                gone.push(earlier.prefix);
            }
            match before.next_if(|it| it.prefix == effective.prefix) {
                Some(same) if same == effective => {}
                Some(_) => self.rewrite(&effective)?,
                None => {
                    self.put(&effective)?;
                    self.mark(effective.prefix, filter4, filter6);
                }
            }
        }
        gone.extend(before.map(|it| it.prefix));
        Ok(())
    }

    /// The hits of an entry that is there.
    pub(super) fn hits(&self, prefix: Prefix) -> Result<Option<u64>, EdgeError> {
        Ok(self.get(prefix)?.map(|found| found.hits))
    }

    /// The hits of an entry, which may not be there.
    pub(super) fn hits_if_there(&mut self, prefix: Prefix) -> Result<Option<u64>, EdgeError> {
        let Some(found) = self.get(prefix)? else {
            return Ok(None);
        };
        // The trie may have answered with what covers the prefix; only a write tells.
        let is_there = prefix.is_host() || self.replace(prefix, found)?;
        Ok(is_there.then_some(found.hits))
    }

    /// Gives an entry hits, if it is there.
    pub(super) fn set_hits(&mut self, prefix: Prefix, hits: u64) -> Result<(), EdgeError> {
        if let Some(found) = self.get(prefix)? {
            self.replace(prefix, PlainEntry { hits, ..found })?;
        }
        Ok(())
    }

    /// Writes an entry that is there already: its hits stay.
    fn rewrite(&mut self, effective: &Effective) -> Result<(), EdgeError> {
        let hits = self.get(effective.prefix)?.map_or(0, |found| found.hits);
        self.put(&Effective {
            entry: PlainEntry {
                hits,
                ..effective.entry
            },
            ..*effective
        })
    }

    fn get(&self, prefix: Prefix) -> Result<Option<PlainEntry>, EdgeError> {
        match at(prefix) {
            At::Ipv4(place) => self.maps.ipv4.get(place),
            At::Ipv6(place) => self.maps.ipv6.get(place),
        }
    }

    fn put(&mut self, effective: &Effective) -> Result<(), EdgeError> {
        match at(effective.prefix) {
            At::Ipv4(place) => self.maps.ipv4.put(place, effective.entry),
            At::Ipv6(place) => self.maps.ipv6.put(place, effective.entry),
        }
    }

    fn replace(&mut self, prefix: Prefix, entry: PlainEntry) -> Result<bool, EdgeError> {
        match at(prefix) {
            At::Ipv4(place) => self.maps.ipv4.replace(place, entry),
            At::Ipv6(place) => self.maps.ipv6.replace(place, entry),
        }
    }

    fn mark(&self, prefix: Prefix, filter4: &Filter4, filter6: &Filter6) {
        let length = prefix.length();
        match prefix.network() {
            IpAddr::V4(v4) => filter4.mark(self.number, v4.into(), length),
            IpAddr::V6(v6) => filter6.mark(self.number, v6.octets(), length),
        }
    }
}
