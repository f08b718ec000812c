//! Files of the gateway's own that nobody else may read.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

/// What becomes of a file that is not there, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is made.
    Made,
    /// It was there before, so something else is wrong than that nobody has made it yet.
    Refused,
}

/// A system call that failed.
#[derive(Debug)]
pub(super) struct FileError {
    pub(super) call: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Opens a file for reading and writing, which belongs to whom its directory belongs to: root may use
/// what is of a gateway that runs as another user, who has to use it afterwards.
///
/// # Errors
/// `open`'s, `stat`'s and `fchown`'s; also where the path is a symbolic link.
pub(super) fn open(path: &Path, directory: &Path, missing: Missing) -> Result<File, FileError> {
    let file = options()
        .create(missing == Missing::Made)
        .open(path)
        .map_err(failed("open", path))?;
    if missing == Missing::Refused {
        let length = file.metadata().map_err(failed("stat", path))?.len();
        if length == 0 {
            let empty = io::Error::new(ErrorKind::UnexpectedEof, "the file is empty");
            return Err(failed("open", path)(empty));
        }
    }
    hand_over(&file, path, directory)?;
    Ok(file)
}

/// As [`open`], of a file that is there and only to be read.
///
/// # Errors
/// As [`open`]'s.
pub(super) fn open_to_read(path: &Path, directory: &Path) -> Result<File, FileError> {
    let file = options().write(false).open(path);
    let file = file.map_err(failed("open", path))?;
    hand_over(&file, path, directory)?;
    Ok(file)
}

fn options() -> std::fs::OpenOptions {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow);
    options
}

fn hand_over(file: &File, path: &Path, directory: &Path) -> Result<(), FileError> {
    if rustix::process::geteuid().is_root() {
        let owner = std::fs::metadata(directory).map_err(failed("stat", path))?;
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
            .map_err(failed("fchown", path))?;
    }
    Ok(())
}

/// A file that is being made under a name of its own, so that nobody ever finds a part of it under
/// the name that it is for. It goes with this value; what was published stays.
#[derive(Debug)]
pub(super) struct Unpublished {
    path: PathBuf,
    directory: PathBuf,
}

impl Unpublished {
    /// Makes an empty file beside the one that it is for.
    ///
    /// # Errors
    /// `open`'s and `fchown`'s, and that the system gives no randomness for its name.
    pub(super) fn make(published: &Path, directory: &Path) -> Result<(Self, File), FileError> {
        let mut drawn = [0; 8];
        rand::fill(&mut drawn).map_err(|_unspecified| {
            failed("getrandom", published)(io::Error::other("no randomness"))
        })?;
        let mut name = published.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}", u64::from_ne_bytes(drawn)));
        let path = directory.join(name);
        let file = options().create_new(true).open(&path);
        let file = file.map_err(failed("create", &path))?;
        let unpublished = Self {
            path,
            directory: directory.to_owned(),
        };
        hand_over(&file, &unpublished.path, directory)?;
        Ok((unpublished, file))
    }

    /// Gives the file its name. Its content has to be on the disk; when this returns its name is as
    /// well. Whether it has got it: not where there is such a file by now, which stays as it is.
    ///
    /// # Errors
    /// `link`'s and `fsync`'s.
    pub(super) fn publish(self, published: &Path) -> Result<bool, FileError> {
        match std::fs::hard_link(&self.path, published) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(failed("link", published)(error)),
        }
        let directory = File::open(&self.directory).map_err(failed("open", &self.directory))?;
        directory
            .sync_all()
            .map_err(failed("fsync", &self.directory))?;
        Ok(true)
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::debug!(%path, %error, "a file of no use stays behind");
        }
    }
}

pub(super) fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { call, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_never_replaces_another() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let path = directory.join("it");
        let (first, mut file) = Unpublished::make(&path, directory).unwrap();
        let (second, _) = Unpublished::make(&path, directory).unwrap();
        file.write_all(b"whole").unwrap();
        assert!(!path.exists());
        assert!(first.publish(&path).unwrap());
        assert!(!second.publish(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);

        let (given_up, _) = Unpublished::make(&path, directory).unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn links_are_not_followed_and_what_is_empty_is_not_taken_for_what_was() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (path, link) = (directory.join("it"), directory.join("link"));
        let refused = open(&path, directory, Missing::Refused).unwrap_err();
        assert_eq!(refused.source.kind(), ErrorKind::NotFound);
        open(&path, directory, Missing::Made).unwrap();
        let refused = open(&path, directory, Missing::Refused).unwrap_err();
        assert_eq!(refused.source.kind(), ErrorKind::UnexpectedEof);
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link, directory, Missing::Made).is_err());
    }
}
