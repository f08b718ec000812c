//! What the kernel edge knows by number, by the names that the operator gave.

use gateway_common::list::{LIST_ALLOW, LIST_MANAGEMENT, LIST_OPERATOR};

use super::target::Target;

/// Names of listeners and lists, as far as they are known: those of the configuration are where one
/// was named on the command line.
#[derive(Debug)]
pub(super) struct Names {
    listeners: Vec<String>,
}

impl Names {
    pub(super) fn of(target: &Target) -> Self {
        Self {
            listeners: target.listeners.clone(),
        }
    }

    /// A listener by its number in the endpoint table, which counts from one.
    pub(super) fn listener(&self, number: u32) -> String {
        let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        index
            .and_then(|index| self.listeners.get(index))
            .map_or_else(|| format!("#{number}"), Clone::clone)
    }

    /// A list by its number.
    pub(super) fn list(&self, number: u32) -> String {
        let fixed = [
            (LIST_OPERATOR, "operator"),
            (LIST_ALLOW, "allow"),
            (LIST_MANAGEMENT, "management"),
        ];
        let found = fixed.iter().find(|(known, _)| u32::from(*known) == number);
        found.map_or_else(|| format!("#{number}"), |(_, name)| (*name).to_owned())
    }
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
