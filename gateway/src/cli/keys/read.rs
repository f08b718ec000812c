//! What `gateway keys` reads: values and files of them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;

use crate::store::api_key::{CSV_BYTES_MAX, Unsaid, VALUE_CHARACTERS_MAX};

/// What is read of a file that should hold one value.
const VALUE_FILE_BYTES_MAX: u64 = 4 * VALUE_CHARACTERS_MAX as u64;

/// The value in a file or on standard input, if one of them was named. What a line ends with is no
/// part of it.
pub(super) fn value(file: Option<&Path>, stdin: bool) -> anyhow::Result<Option<Unsaid>> {
    let (bytes, name) = match file {
        Some(path) => {
            let name = format!("`{}`", path.display());
            let file = File::open(path).with_context(|| format!("open {name}"))?;
            (bounded(file, VALUE_FILE_BYTES_MAX, &name)?, name)
        }
        None if stdin => {
            let name = "standard input".to_owned();
            let bytes = bounded(std::io::stdin().lock(), VALUE_FILE_BYTES_MAX, &name)?;
            (bytes, name)
        }
        None => return Ok(None),
    };
    // The error holds what was read.
    let text = String::from_utf8(bytes)
        .map_err(|_error| anyhow::anyhow!("{name} holds no text: write the value alone into it"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Some(Unsaid::new(line.to_owned())))
}

/// A file of keys.
pub(super) fn table(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = format!("`{}`", path.display());
    let file = File::open(path).with_context(|| format!("open {name}"))?;
    bounded(file, CSV_BYTES_MAX as u64, &name)
}

fn bounded(from: impl Read, bytes_max: u64, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(bytes_max + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("read {name}"))?;
    if bytes.len() as u64 > bytes_max {
        anyhow::bail!("{name} has more than {bytes_max} bytes: name a shorter one");
    }
    Ok(bytes)
}
