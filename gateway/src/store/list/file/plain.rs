//! One address or prefix per line, as FireHOL's netsets and most threat feeds have it.

use std::path::Path;

use super::{FileError, LineError, collect, lines, prefix, shortened};
use crate::model::Prefix;

pub(super) fn parse(path: &Path, content: &[u8]) -> Result<Vec<Prefix>, FileError> {
    collect(path, lines(content), |line| {
        match line.split_once(|character: char| character.is_ascii_whitespace()) {
            Some((_, rest)) => Err(LineError::Trailing(shortened(rest.trim_start()))),
            None => prefix(line).map(Some),
        }
    })
}
