//! The output of `ipset save`: sets of addresses or networks of either family.
//!
//! Entries whose meaning a list cannot keep are refused: exceptions (`nomatch`) and entries that
//! end by themselves (`timeout`).

use std::path::Path;

use super::{FileError, LineError, collect, lines, prefix, shortened};
use crate::model::Prefix;

pub(super) fn parse(path: &Path, content: &[u8]) -> Result<Vec<Prefix>, FileError> {
    let mut sets: Vec<&str> = Vec::new();
    collect(path, lines(content), |line| {
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or_default() {
            "create" => {
                let set = words.next().ok_or(LineError::Short)?;
                match words.next().ok_or(LineError::Short)? {
                    "hash:ip" | "hash:net" => sets.push(set),
                    other => return Err(LineError::SetType(shortened(other))),
                }
                Ok(None)
            }
            "add" => {
                let set = words.next().ok_or(LineError::Short)?;
                if !sets.contains(&set) {
                    return Err(LineError::UnknownSet(shortened(set)));
                }
                let entry = words.next().ok_or(LineError::Short)?;
                check_options(words)?;
                prefix(entry).map(Some)
            }
            other => Err(LineError::Command(shortened(other))),
        }
    })
}

fn check_options<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<(), LineError> {
    while let Some(word) = words.next() {
        match word {
            "nomatch" => return Err(LineError::Option(word.to_owned())),
            // Zero is for good.
            "timeout" if words.next() != Some("0") => {
                return Err(LineError::Option(word.to_owned()));
            }
            // Behind a comment nothing of meaning follows.
            "comment" => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
