//! Paths, and whether what they name can be read.

use std::fs::File;
use std::io::{Error, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Files, Lowering};
use crate::config::cursor::Cursor;

/// The largest PEM file that is read.
pub(super) const PEM_BYTES_MAX: u64 = 1 << 20;

/// A path with what its file holds now; `None` where that could not be read, which was reported,
/// or was not to be.
pub(super) type Named = (PathBuf, Option<Vec<u8>>);

impl Lowering<'_> {
    /// A path; relative ones start at the configuration's directory.
    pub(super) fn path(&mut self, written: &str, at: &Cursor<'_>) -> PathBuf {
        if !is_path(written) {
            self.error(
                at,
                "a path has at least one character and none of them is zero",
            );
        }
        self.base.join(written)
    }

    /// A path whose file can be read now and is at most `bytes_max` long.
    pub(super) fn readable(&mut self, written: &str, bytes_max: u64, at: &Cursor<'_>) -> Named {
        let path = self.path(written, at);
        if self.files == Files::Named || !is_path(written) {
            return (path, None);
        }
        let content = read(&path, bytes_max)
            .inspect_err(|error| {
                self.error(at, format!("cannot read `{}`: {error}", path.display()))
            })
            .ok();
        (path, content)
    }

    /// A readable file that should be so to few.
    pub(super) fn secret(&mut self, written: &str, bytes_max: u64, at: &Cursor<'_>) -> Named {
        let (path, content) = self.readable(written, bytes_max, at);
        if content.is_some()
            && let Ok(metadata) = path.metadata()
            && metadata.permissions().mode() & 0o004 != 0
        {
            let shown = path.display();
            self.warning(
                at,
                format!("every user can read this private key: chmod o-r {shown}"),
            );
        }
        (path, content)
    }
}

fn is_path(written: &str) -> bool {
    !written.is_empty() && !written.contains('\0')
}

/// What a regular file of at most `bytes_max` holds.
pub(in crate::config) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(Error::other("it is a directory"));
    }
    // Opening a FIFO would wait for its writer.
    if !metadata.is_file() {
        return Err(Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(content)
}
