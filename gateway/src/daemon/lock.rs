//! One gateway per instance, also where no kernel edge keeps the second one out.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::model::InstanceName;

/// Name of the file in the runtime directory.
const FILE_NAME: &str = "lock";

/// Held for as long as the gateway runs; the kernel releases it with the process, however it ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Why the instance cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("instance `{0}` is already running: stop it, or name another instance")]
    Held(InstanceName),
    /// A system call failed.
    #[error("{call} `{}`", path.display())]
    Io {
        /// Its name.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl InstanceLock {
    /// Locks `instance` by a file in its runtime directory, which exists.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(runtime_directory: &Path, instance: &InstanceName) -> Result<Self, LockError> {
        let path = runtime_directory.join(FILE_NAME);
        let failed = |call| {
            let path = path.clone();
            move |source| LockError::Io { call, path, source }
        };
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow)
            .open(&path)
            .map_err(failed("open"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Held(instance.clone())),
            Err(errno) => Err(failed("flock")(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gateway_is_refused_by_name_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let name = InstanceName::new("blue");
        let first = InstanceLock::take(directory.path(), &name).unwrap();
        let error = InstanceLock::take(directory.path(), &name).unwrap_err();
        assert!(error.to_string().contains("`blue` is already running"));
        drop(first);
        InstanceLock::take(directory.path(), &name).unwrap();
    }
}
