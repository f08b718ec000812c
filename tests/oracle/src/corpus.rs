//! The frames worth keeping, one per file in `tests/corpus/frame`: those that the fuzzer found to go
//! a way through the parser that no other goes, named by their hash, and those put there by hand,
//! with a name that says what they are.

use std::io;
use std::path::{Path, PathBuf};

/// Where they lie.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/frame")
}

/// Every frame with the name of its file, in the order of the names.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn frames() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(directory())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        frames.push((name, std::fs::read(entry.path())?));
    }
    frames.sort();
    Ok(frames)
}
