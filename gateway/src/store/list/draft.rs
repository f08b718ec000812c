//! Files of the state directory: closed to others, owned by the directory's owner, replaced whole.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::Serialize;

use super::error::{ListError, io_error};

/// Replaces the JSON file at `path`: after a crash there is the old one or the new one.
pub(super) fn replace(path: &Path, document: &impl Serialize) -> Result<(), ListError> {
    let text = serde_json::to_vec_pretty(document).map_err(|source| ListError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    let draft = path.with_extension("json.new");
    let mut file = open_private(&draft, true)?;
    file.write_all(&text).map_err(io_error("write", &draft))?;
    file.sync_all().map_err(io_error("fsync", &draft))?;
    std::fs::rename(&draft, path).map_err(io_error("rename", path))?;
    if let Some(directory) = path.parent() {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error("fsync", directory))?;
    }
    Ok(())
}

/// Opens a file of mode 0600 for writing, in the ownership of its directory: root may write the
/// lists of a gateway that runs as another user, who has to read them afterwards.
pub(super) fn open_private(path: &Path, truncate: bool) -> Result<File, ListError> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(truncate)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(io_error("open", path))?;
    if let Some(directory) = path.parent()
        && rustix::process::geteuid().is_root()
    {
        let owner = std::fs::metadata(directory).map_err(io_error("stat", directory))?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))
            .map_err(io_error("fchown", path))?;
    }
    Ok(file)
}
