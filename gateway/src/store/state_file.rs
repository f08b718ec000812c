//! The file of a database in a state directory: how it is opened, and how it comes to be there.

use std::path::Path;
use std::sync::Arc;

use redb::DatabaseError;
use redb::backends::FileBackend;

use super::private_file::{self, FileError, Missing, Unpublished};

/// The file of a database, which is open once at a time.
#[derive(Debug)]
pub(super) struct StateFile {
    pub(super) directory: Box<Path>,
    pub(super) path: Arc<Path>,
}

impl StateFile {
    /// The file of this name in `directory`.
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        Self {
            directory: directory.into(),
            path: directory.join(name).into(),
        }
    }

    /// The file, unread. Belongs to nobody else while it is open; `opening` words what is against that.
    pub(super) fn backend<E: From<FileError>>(
        &self,
        missing: Missing,
        opening: impl FnOnce(&Path, DatabaseError) -> E,
    ) -> Result<FileBackend, E> {
        let Self { directory, path } = self;
        let file = private_file::open(path, directory, missing)?;
        FileBackend::new(file).map_err(|error| opening(path, error))
    }

    /// What `make` makes of the file, which is not there. A process that is killed meanwhile leaves none
    /// behind that is not whole. Of several that make one at once, the first has it, and the others get
    /// `None`.
    pub(super) fn make<T, E: From<FileError>>(
        &self,
        opening: impl FnOnce(&Path, DatabaseError) -> E,
        make: impl FnOnce(&Path, FileBackend) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Self { directory, path } = self;
        let (unpublished, file) = Unpublished::make(path, directory)?;
        let backend = FileBackend::new(file).map_err(|error| opening(path, error))?;
        // Open when it gets its name, so that nobody else has it before.
        let made = make(path, backend)?;
        Ok(unpublished.publish(path)?.then_some(made))
    }
}
