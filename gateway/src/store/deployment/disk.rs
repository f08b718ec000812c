//! The file of the database: where it is, whose it is, and when it may be made.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::Database;
use redb::backends::FileBackend;

use super::database::{open_database, opening};
use super::error::DeploymentError;
use crate::store::directory;

/// Name of the file in the state directory.
const FILE_NAME: &str = "gateway.redb";

/// What opens the file of a database.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// The file, which is open once at a time.
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError>;
}

/// What becomes of a file that is not there, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is made.
    Made,
    /// It was there before, so something else than deployments is wrong, and a new one would lack the
    /// texts of those that stages serve.
    Refused,
}

/// The file in a state directory.
#[derive(Debug)]
pub(super) struct StateDirectory {
    directory: Box<Path>,
    pub(super) path: Arc<Path>,
}

/// Where the file of a state directory is.
pub(super) fn path(state_directory: &Path) -> PathBuf {
    state_directory.join(FILE_NAME)
}

impl StateDirectory {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            path: path(directory).into(),
        }
    }

    /// The file, unread. Belongs to nobody else while it is open.
    pub(super) fn backend(&self, missing: Missing) -> Result<FileBackend, DeploymentError> {
        let Self { directory, path } = self;
        if missing == Missing::Made {
            directory::create(directory, 0o700).map_err(io_error("create", directory))?;
        }
        let file = open_private(path, directory, missing)?;
        FileBackend::new(file).map_err(|error| opening(path, error))
    }
}

impl Disk for StateDirectory {
    fn open(&self, missing: Missing) -> Result<Database, DeploymentError> {
        open_database(&self.path, self.backend(missing)?)
    }
}

/// Root may write the deployments of a gateway that runs as another user, who has to read them
/// afterwards: so the file belongs to whom its directory belongs to.
fn open_private(
    path: &Path,
    state_directory: &Path,
    missing: Missing,
) -> Result<File, DeploymentError> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = File::options()
        .create(missing == Missing::Made)
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(io_error("open", path))?;
    if missing == Missing::Refused {
        let length = file.metadata().map_err(io_error("stat", path))?.len();
        if length == 0 {
            let empty = std::io::Error::new(ErrorKind::UnexpectedEof, "the file is empty");
            return Err(io_error("open", path)(empty));
        }
    }
    if rustix::process::geteuid().is_root() {
        let owner = std::fs::metadata(state_directory).map_err(io_error("stat", path))?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))
            .map_err(io_error("fchown", path))?;
    }
    Ok(file)
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DeploymentError {
    let path = PathBuf::from(path);
    move |source| DeploymentError::Io { call, path, source }
}
