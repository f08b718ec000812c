//! Paths, and whether what they name can be read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Lowering;
use crate::config::cursor::Cursor;

impl Lowering<'_> {
    /// A path; relative ones start at the configuration's directory.
    pub(super) fn path(&mut self, written: &str, at: &Cursor<'_>) -> PathBuf {
        if written.is_empty() || written.contains('\0') {
            self.error(at, "this is not a path");
        }
        self.base.join(written)
    }

    /// A path whose file can be read now.
    pub(super) fn readable_file(&mut self, written: &str, at: &Cursor<'_>) -> PathBuf {
        let path = self.path(written, at);
        if let Err(error) = probe(&path) {
            self.error(at, format!("cannot read `{}`: {error}", path.display()));
        }
        path
    }

    /// A readable file that holds a private key.
    pub(super) fn private_key_file(&mut self, written: &str, at: &Cursor<'_>) -> PathBuf {
        let path = self.readable_file(written, at);
        if let Ok(metadata) = path.metadata()
            && metadata.permissions().mode() & 0o004 != 0
        {
            let shown = path.display();
            self.warning(
                at,
                format!("every user can read the private key: chmod o-r {shown}"),
            );
        }
        path
    }
}

/// Opens the file and reads its first byte: a directory can be opened, but not read.
fn probe(path: &Path) -> std::io::Result<()> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    // Opening a FIFO would wait for its writer.
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    match File::open(path)?.read(&mut [0])? {
        0 => Err(std::io::Error::other("it is empty")),
        _ => Ok(()),
    }
}
