//! Giving privileges up: after loading, attaching and binding, before any thread starts.
//!
//! `capset` and the bounding set belong to a thread, and threads inherit them, so a process that
//! does this while it has one thread has done it for all. What survives: lookups and updates on
//! BPF maps that are open, their mappings, and detaching by closing a link. What does not: loading
//! programs, creating maps, attaching to another interface, and binding ports below 1024 unless
//! that one capability is kept.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Whom the gateway runs as once it has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
    /// Supplementary groups, as the system's group file says.
    groups: Vec<Gid>,
    /// Whether this differs from who the process is now.
    changes: bool,
}

/// What was given up and what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// User id from now on.
    pub user: u32,
    /// Group id from now on.
    pub group: u32,
    /// Capabilities kept, with what each is kept for.
    pub kept: Vec<(&'static str, &'static str)>,
}

/// Why privileges cannot be given up as configured.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("there is no user `{0}`: create it with `useradd --system {0}`, or change `user`")]
    UnknownUser(String),
    /// No such group.
    #[error("there is no group `{0}`: create it with `groupadd --system {0}`, or change `group`")]
    UnknownGroup(String),
    /// Only root can become somebody else.
    #[error("running as `{wanted}` takes a start as root; this is user {user}")]
    NotRoot {
        /// As configured.
        wanted: String,
        /// Who this is.
        user: u32,
    },
    /// Threads that would keep their privileges.
    #[error("privileges must be given up before threads start, and {0} run already")]
    Threads(usize),
    /// A system call failed.
    #[error("{call}")]
    System {
        /// Its name.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A path that could not be handed over.
    #[error("chown `{}`", path.display())]
    Own {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Identity {
    /// Looks up the configured names; none of them means whoever this is.
    ///
    /// # Errors
    /// [`PrivilegeError::UnknownUser`], [`PrivilegeError::UnknownGroup`], and
    /// [`PrivilegeError::NotRoot`] for somebody else's name without root.
    pub fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Self, PrivilegeError> {
        let me = nix::unistd::geteuid();
        let (mut uid, mut gid) = (me, nix::unistd::getegid());
        let mut groups = Vec::new();
        if let Some(name) = user {
            let found = User::from_name(name)
                .map_err(failed("getpwnam"))?
                .ok_or_else(|| PrivilegeError::UnknownUser(name.to_owned()))?;
            (uid, gid) = (found.uid, found.gid);
        }
        if let Some(name) = group {
            gid = Group::from_name(name)
                .map_err(failed("getgrnam"))?
                .ok_or_else(|| PrivilegeError::UnknownGroup(name.to_owned()))?
                .gid;
        }
        if let Some(name) = user {
            let name =
                CString::new(name).map_err(|_nul| PrivilegeError::UnknownUser(name.to_owned()))?;
            groups = nix::unistd::getgrouplist(&name, gid).map_err(failed("getgrouplist"))?;
        }
        let changes = (uid, gid) != (me, nix::unistd::getegid());
        if changes && !me.is_root() {
            let wanted = user.or(group).unwrap_or_default().to_owned();
            return Err(PrivilegeError::NotRoot {
                wanted,
                user: me.as_raw(),
            });
        }
        Ok(Self {
            user: uid.as_raw(),
            group: gid.as_raw(),
            groups,
            changes,
        })
    }

    /// Makes an open file belong to this identity; see [`Identity::own`].
    ///
    /// # Errors
    /// `fchown`'s.
    pub fn own_file(&self, file: &std::fs::File) -> Result<(), PrivilegeError> {
        if !self.changes {
            return Ok(());
        }
        std::os::unix::fs::fchown(file, Some(self.user), Some(self.group)).map_err(|source| {
            PrivilegeError::System {
                call: "fchown",
                source,
            }
        })
    }

    /// Makes a directory or file belong to this identity, so that it can still be written after
    /// the change. Does nothing where nothing changes.
    ///
    /// # Errors
    /// `lchown`'s.
    pub fn own(&self, path: &Path) -> Result<(), PrivilegeError> {
        if !self.changes {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.user), Some(self.group)).map_err(|source| {
            PrivilegeError::Own {
                path: path.to_owned(),
                source,
            }
        })
    }
}

/// Becomes `identity` with no capability but the ones that must be kept: `CAP_NET_BIND_SERVICE`
/// where `binds_low_ports` says that a listener has a port below 1024 (so that a reload can bind
/// another one), and `CAP_BPF` on kernels before 5.19 that refuse unprivileged BPF where
/// `changes_maps` says that there are maps to change. Nothing that is executed later gains any.
///
/// # Errors
/// See [`PrivilegeError`]; the process must end then, because it may have given up only a part.
pub fn drop_to(
    identity: &Identity,
    binds_low_ports: bool,
    changes_maps: bool,
) -> Result<Dropped, PrivilegeError> {
    require_one_thread()?;
    let held = rustix::thread::capabilities(None)
        .map_err(|errno| system("capget", errno))?
        .permitted;
    let mut keep = CapabilitySet::empty();
    let mut kept = Vec::new();
    let wanted = [
        (
            binds_low_ports,
            CapabilitySet::NET_BIND_SERVICE,
            ("CAP_NET_BIND_SERVICE", "listeners on ports below 1024"),
        ),
        (
            changes_maps && maps_need_capability()?,
            CapabilitySet::BPF,
            ("CAP_BPF", "changing BPF maps on a kernel before 5.19"),
        ),
    ];
    for (is_needed, capability, names) in wanted {
        if is_needed && held.contains(capability) {
            keep |= capability;
            kept.push(names);
        }
    }
    empty_bounding_set(keep)?;
    rustix::thread::set_keep_capabilities(true)
        .map_err(|errno| system("PR_SET_KEEPCAPS", errno))?;
    become_identity(identity)?;
    rustix::thread::set_keep_capabilities(false)
        .map_err(|errno| system("PR_SET_KEEPCAPS", errno))?;
    rustix::thread::clear_ambient_capability_set()
        .map_err(|errno| system("PR_CAP_AMBIENT", errno))?;
    let sets = CapabilitySets {
        effective: keep,
        permitted: keep,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(|errno| system("capset", errno))?;
    rustix::thread::set_no_new_privs(true).map_err(|errno| system("PR_SET_NO_NEW_PRIVS", errno))?;
    Ok(Dropped {
        user: identity.user,
        group: identity.group,
        kept,
    })
}

/// A process of another user could not be looked into by its own user after the change, so the
/// order is: groups, group, user.
fn become_identity(identity: &Identity) -> Result<(), PrivilegeError> {
    if !identity.changes {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(identity.user), Gid::from_raw(identity.group));
    nix::unistd::setgroups(&identity.groups).map_err(failed("setgroups"))?;
    nix::unistd::setresgid(group, group, group).map_err(failed("setresgid"))?;
    nix::unistd::setresuid(user, user, user).map_err(failed("setresuid"))
}

/// Without `CAP_SETPCAP` there is nothing to empty and nothing to lose: such a process gains no
/// capability anyway once `PR_SET_NO_NEW_PRIVS` is set.
fn empty_bounding_set(keep: CapabilitySet) -> Result<(), PrivilegeError> {
    let effective = rustix::thread::capabilities(None)
        .map_err(|errno| system("capget", errno))?
        .effective;
    if !effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if keep.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the last capability that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(errno) => return Err(system("PR_CAPBSET_DROP", errno)),
        }
    }
    Ok(())
}

fn require_one_thread() -> Result<(), PrivilegeError> {
    let count = std::fs::read_dir("/proc/self/task")
        .map_err(|source| PrivilegeError::System {
            call: "list /proc/self/task",
            source,
        })?
        .count();
    if count == 1 {
        Ok(())
    } else {
        Err(PrivilegeError::Threads(count))
    }
}

/// Linux 5.19 was the first to check, with unprivileged BPF disabled, only what creates programs
/// and maps (`kernel/bpf/syscall.c`, `__sys_bpf`).
fn maps_need_capability() -> Result<bool, PrivilegeError> {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    if at_least(&release, 5, 19) {
        return Ok(false);
    }
    let path = "/proc/sys/kernel/unprivileged_bpf_disabled";
    let setting = std::fs::read_to_string(path).map_err(|source| PrivilegeError::System {
        call: "read /proc/sys/kernel/unprivileged_bpf_disabled",
        source,
    })?;
    Ok(setting.trim() != "0")
}

/// Whether a kernel release such as `6.18.0-generic` is that version or later.
fn at_least(release: &str, major: u32, minor: u32) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= (major, minor)
}

fn failed(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> PrivilegeError {
    move |errno| PrivilegeError::System {
        call,
        source: errno.into(),
    }
}

fn system(call: &'static str, errno: rustix::io::Errno) -> PrivilegeError {
    PrivilegeError::System {
        call,
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_compare_by_number() {
        for (release, expected) in [
            ("6.18.44-vm", true),
            ("5.19.0", true),
            ("5.18.99", false),
            ("5.4.0-100-generic", false),
            ("10.0", true),
        ] {
            assert_eq!(at_least(release, 5, 19), expected, "{release}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_command_that_creates_them() {
        let error = Identity::resolve(Some("no-such-user-here"), None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("useradd --system no-such-user-here")
        );
        let error = Identity::resolve(None, Some("no-such-group-here")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("groupadd --system no-such-group-here")
        );
    }

    #[test]
    fn a_process_with_threads_is_refused() {
        let identity = Identity::resolve(None, None).unwrap();
        // The test harness runs tests in threads of their own.
        let error = drop_to(&identity, false, false).unwrap_err();
        assert!(matches!(error, PrivilegeError::Threads(count) if count > 1));
    }
}
