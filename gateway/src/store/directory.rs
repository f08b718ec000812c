//! Directories of the gateway's own.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Creates a directory where it is missing, with this mode. Those above it are for everybody to
/// pass through: the user that the gateway becomes has to.
///
/// # Errors
/// `mkdir`'s.
pub fn create(path: &Path, mode: u32) -> io::Result<()> {
    let build = |path, mode| {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(mode).create(path)
    };
    if let Some(above) = path.parent() {
        build(above, 0o755)?;
    }
    build(path, mode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_last_directory_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let leaf = root.path().join("lib/gateway/default");
        create(&leaf, 0o700).unwrap();
        create(&leaf, 0o700).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // The umask may take more away.
        assert_eq!(mode(&leaf), 0o700);
        assert_eq!(mode(leaf.parent().unwrap()) & 0o700, 0o700);
        assert_ne!(mode(leaf.parent().unwrap()) & 0o055, 0);
    }
}
