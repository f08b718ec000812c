//! What the kernel edge knows by number, by the names that the operator gave.

use super::output::Output;
use super::target::Target;
use crate::daemon::names::Names;

/// The names that the last configuration gave to listeners and lists; where they cannot be read,
/// numbers are shown, and the warning says why.
pub(super) fn of(target: &Target, output: &mut Output) -> Names {
    let directory = &target.runtime_directory;
    Names::read(directory).unwrap_or_else(|error| {
        let directory = directory.display();
        output.error(&format!(
            "warning: cannot read the names in `{directory}`, so numbers are shown: {error}"
        ));
        Names::default()
    })
}

/// An interface of this network namespace by its index.
pub(super) fn interface(index: u32) -> String {
    nix::net::if_::if_indextoname(index).map_or_else(
        |_unknown_here| format!("#{index}"),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The index of an interface of this network namespace.
pub(super) fn index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}
