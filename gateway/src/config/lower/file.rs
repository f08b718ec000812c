//! Paths, and whether what they name can be read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::files::{Kept, read, told};

/// The largest PEM file that is read.
pub(super) const PEM_BYTES_MAX: u64 = 1 << 20;

/// A path with what its file held when the configuration was read; `None` where that could not be
/// read, which was reported, or was not to be.
pub(super) type Named = (PathBuf, Option<Arc<[u8]>>);

impl<'a> Lowering<'a> {
    /// A path; relative ones start at the configuration's directory.
    pub(super) fn path(&mut self, written: &str, at: &Cursor<'_>) -> PathBuf {
        if !is_path(written) {
            self.error(
                at,
                "this is no path: write at least one character, none of them zero",
            );
        }
        self.base.join(written)
    }

    /// A path whose file could be read and is at most `bytes_max` long.
    pub(super) fn readable(&mut self, written: &str, bytes_max: u64, at: &Cursor<'_>) -> Named {
        let (path, kept) = self.awaited(written, at);
        let content = kept.and_then(|kept| {
            kept.read(&path, bytes_max)
                .inspect_err(|error| self.unreadable(&path, error, at))
                .ok()
        });
        (path, content)
    }

    /// The content of a readable file that should be so to few, which is kept nowhere, and whether
    /// every user can read it, which was said.
    pub(super) fn secret(
        &mut self,
        written: &str,
        bytes_max: u64,
        at: &Cursor<'_>,
    ) -> Option<(Vec<u8>, bool)> {
        let (path, kept) = self.awaited(written, at);
        kept?;
        let content = read(&path, bytes_max)
            .inspect_err(|error| self.unreadable(&path, error, at))
            .ok()?;
        let metadata = path.metadata();
        let is_exposed = metadata.is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
        if is_exposed {
            self.warn_of_exposed(&path, at);
        }
        Some((content, is_exposed))
    }

    /// Says that every user can read what is secret.
    pub(super) fn warn_of_exposed(&mut self, path: &Path, at: &Cursor<'_>) {
        let shown = path.display();
        let message = format!("every user can read this secret: chmod o-r {shown}");
        self.warning(at, message);
    }

    /// A path, and who reads it where that can and is to be done.
    pub(super) fn awaited(
        &mut self,
        written: &str,
        at: &Cursor<'_>,
    ) -> (PathBuf, Option<&'a Kept>) {
        let path = self.path(written, at);
        (path, self.files.kept().filter(|_| is_path(written)))
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error, at: &Cursor<'_>) {
        self.error(
            at,
            format!("cannot read `{}`: {}", path.display(), told(error)),
        );
    }
}

fn is_path(written: &str) -> bool {
    !written.is_empty() && !written.contains('\0')
}
