//! Where programs and maps outlive the daemon: directories on the BPF file system.
//!
//! `/sys/fs/bpf/gateway/<instance>/v<layout version>` holds a pin for every map and one for every
//! attached link. It is mode 0700 and its owner is checked, because whoever can write a pin decides
//! what this gateway believes. A lock on the instance's directory keeps a second daemon out.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use gateway_common::layout::LAYOUT_VERSION;
use rustix::fs::{FlockOperation, Mode, OFlags};

use super::attach::remove_pin;
use super::error::{EdgeError, errno, system};
use crate::model::InstanceName;

/// Where the BPF file system belongs.
pub(super) const FILE_SYSTEM: &str = "/sys/fs/bpf";
/// `BPF_FS_MAGIC` of `linux/magic.h`.
const MAGIC: i64 = 0xcafe_4a11;
/// Start of the names of link pins.
pub(super) const LINK_PREFIX: &str = "link_";

/// The pins of one instance in this layout version.
#[derive(Debug)]
pub(super) struct Pins {
    directory: PathBuf,
    /// Held for as long as the pins are ours to change.
    lock: File,
    /// The network namespace whose interfaces these links are on.
    namespace: u64,
}

impl Drop for Pins {
    /// Unlocks explicitly: a child that was forked and has not executed its program yet still has
    /// the descriptor, and with it would keep the lock.
    fn drop(&mut self) {
        if let Err(errno) = rustix::fs::flock(&self.lock, FlockOperation::Unlock) {
            tracing::debug!(%errno, "the instance's pin directory stays locked until exit");
        }
    }
}

/// Directory of an instance, whether it exists or not.
pub(super) fn instance_directory(instance: &InstanceName) -> PathBuf {
    Path::new(FILE_SYSTEM)
        .join("gateway")
        .join(instance.as_str())
}

/// Directory of the pins of this layout version, whether it exists or not.
pub(super) fn directory(instance: &InstanceName) -> PathBuf {
    instance_directory(instance).join(format!("v{LAYOUT_VERSION}"))
}

/// The directory of an instance's pins, for whoever looks at them and changes nothing.
pub(super) fn existing(instance: &InstanceName) -> Result<PathBuf, EdgeError> {
    let path = directory(instance);
    match std::fs::metadata(&path) {
        Ok(_) => return Ok(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(pin_error("stat", &path, error));
        }
        Err(_missing) => {}
    }
    let parent = instance_directory(instance);
    let instance = instance.to_string();
    let others = match std::fs::metadata(&parent) {
        Ok(_) => list(&parent)?,
        Err(_missing) => Vec::new(),
    };
    if others.is_empty() {
        return Err(EdgeError::NotPinned { instance, path });
    }
    let names = others.iter().filter_map(|path| path.file_name());
    let names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    Err(EdgeError::OtherLayout {
        instance,
        found: names.join(", "),
    })
}

/// Whether an instance has pins, as far as this user can see.
pub(super) fn left_over(instance: &InstanceName) -> bool {
    match directory(instance).symlink_metadata() {
        Ok(_) => true,
        // Closed to this user, so somebody else made it; without the instance's directory there
        // would be nothing to be closed.
        Err(error) => {
            error.kind() == io::ErrorKind::PermissionDenied
                && instance_directory(instance).symlink_metadata().is_ok()
        }
    }
}

impl Pins {
    /// Creates what is missing, down to mounting the file system, and locks the instance. Pins of
    /// a user other than this one and `user` are refused.
    pub(super) fn create(instance: &InstanceName, user: Option<u32>) -> Result<Self, EdgeError> {
        ensure_file_system()?;
        let parent = instance_directory(instance);
        let directory = directory(instance);
        create_directory(&Path::new(FILE_SYSTEM).join("gateway"), 0o755)?;
        for path in [&parent, &directory] {
            create_directory(path, 0o700)?;
            let owner =
                std::fs::symlink_metadata(path).map_err(|error| pin_error("stat", path, error))?;
            if owner.uid() != rustix::process::geteuid().as_raw() && Some(owner.uid()) != user {
                return Err(foreign(path, &owner));
            }
        }
        Self::lock(instance)
    }

    /// Locks the pins of an instance that has some; `None` where there are none.
    pub(super) fn open(instance: &InstanceName) -> Result<Option<Self>, EdgeError> {
        let directory = directory(instance);
        match std::fs::metadata(&directory) {
            Ok(_) => Self::lock(instance).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(pin_error("stat", &directory, error)),
        }
    }

    /// The pins of a gateway that is running, to change its links beside it: those who would do so
    /// at once keep each other out. `None` where there are none.
    pub(super) fn beside(instance: &InstanceName) -> Result<Option<Self>, EdgeError> {
        let directory = directory(instance);
        match std::fs::metadata(&directory) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(pin_error("stat", &directory, error)),
        }
        check_all(&instance_directory(instance), &directory)?;
        // The gateway holds the lock of the instance, this is that of the pins.
        let lock = lock_exclusively(&directory, || EdgeError::BeingApplied {
            instance: instance.to_string(),
        })?;
        Ok(Some(Self {
            directory,
            lock,
            namespace: network_namespace()?,
        }))
    }

    fn lock(instance: &InstanceName) -> Result<Self, EdgeError> {
        let parent = instance_directory(instance);
        let directory = directory(instance);
        check_all(&parent, &directory)?;
        let lock = lock_exclusively(&parent, || EdgeError::InstanceRunning {
            instance: instance.to_string(),
        })?;
        Ok(Self {
            directory,
            lock,
            namespace: network_namespace()?,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The pin of the link on an interface of this network namespace.
    pub(super) fn link_path(&self, interface_index: u32) -> PathBuf {
        self.path(&link_name(self.namespace, interface_index))
    }

    /// The interface indexes of this network namespace that have a pinned link.
    pub(super) fn linked(&self) -> Result<Vec<u32>, EdgeError> {
        linked_in(&self.directory, self.namespace)
    }

    /// Layout versions besides ours whose pins are still there: what another version left.
    pub(super) fn other_versions(&self) -> Result<Vec<PathBuf>, EdgeError> {
        other_versions(&self.directory)
    }

    /// Gives the directories and the links to the user the gateway will run as, so that it can
    /// detach when it stops or an interface is named no longer.
    pub(super) fn hand_over(&self, user: u32, group: u32) -> Result<(), EdgeError> {
        std::os::unix::fs::fchown(&self.lock, Some(user), Some(group))
            .map_err(system("fchown of the instance's pin directory"))?;
        change_owner(&self.directory, user, group)?;
        self.hand_over_links(user, group)
    }

    /// As [`Pins::hand_over`], for links alone.
    pub(super) fn hand_over_links(&self, user: u32, group: u32) -> Result<(), EdgeError> {
        for index in self.linked()? {
            change_owner(&self.link_path(index), user, group)?;
        }
        Ok(())
    }

    /// Removes what other versions have left.
    pub(super) fn remove_versions(&self) -> Result<(), EdgeError> {
        self.other_versions()?
            .iter()
            .try_for_each(|path| remove_version(path))
    }

    /// Removes every pin and the directories that are empty then.
    pub(super) fn remove(self) -> Result<(), EdgeError> {
        remove_version(&self.directory)?;
        let Some(parent) = self.directory.parent() else {
            return Ok(());
        };
        match std::fs::remove_dir(parent) {
            Ok(()) => Ok(()),
            Err(error) => match error.kind() {
                // Pins of another version are left, or the directory above belongs to root while
                // this process no longer does: an empty directory holds nothing.
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::PermissionDenied => Ok(()),
                _ => Err(pin_error("rmdir", parent, error)),
            },
        }
    }
}

/// Directories beside this one: pins of other layout versions.
pub(super) fn other_versions(directory: &Path) -> Result<Vec<PathBuf>, EdgeError> {
    let Some(parent) = directory.parent() else {
        return Ok(Vec::new());
    };
    let mut found = list(parent)?;
    found.retain(|entry| entry != directory);
    Ok(found)
}

/// As [`Pins::link_path`], for the network namespace of this thread.
pub(super) fn link_path(directory: &Path, interface_index: u32) -> Result<PathBuf, EdgeError> {
    Ok(directory.join(link_name(network_namespace()?, interface_index)))
}

fn link_name(namespace: u64, interface_index: u32) -> String {
    format!("{LINK_PREFIX}{namespace}_{interface_index}")
}

/// The interface indexes of this network namespace that have a pinned link in `directory`.
pub(super) fn linked(directory: &Path) -> Result<Vec<u32>, EdgeError> {
    linked_in(directory, network_namespace()?)
}

fn linked_in(directory: &Path, namespace: u64) -> Result<Vec<u32>, EdgeError> {
    let start = format!("{LINK_PREFIX}{namespace}_");
    let names = list(directory)?;
    Ok(names
        .iter()
        .filter_map(|path| {
            path.file_name()?
                .to_str()?
                .strip_prefix(&start)?
                .parse()
                .ok()
        })
        .collect())
}

/// Locks a directory for this process alone; `busy` says what it means that somebody else has it.
fn lock_exclusively(directory: &Path, busy: impl FnOnce() -> EdgeError) -> Result<File, EdgeError> {
    let lock = File::open(directory).map_err(|error| pin_error("open", directory, error))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(busy()),
        Err(error) => Err(errno("flock on the pin directory")(error)),
    }
}

/// Never follows a symbolic link: what is below an instance's directory belongs to a user with less
/// rights than this process may have.
fn change_owner(path: &Path, user: u32, group: u32) -> Result<(), EdgeError> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))
        .map_err(|error| pin_error("lchown", path, error))
}

/// Removes what other versions have left of an instance that has nothing of this one; `false`
/// where there was nothing.
pub(super) fn remove_left_versions(instance: &InstanceName) -> Result<bool, EdgeError> {
    let parent = instance_directory(instance);
    match std::fs::metadata(&parent) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(pin_error("stat", &parent, error)),
    }
    check_closed(&parent)?;
    let _lock = lock_exclusively(&parent, || EdgeError::InstanceRunning {
        instance: instance.to_string(),
    })?;
    for path in list(&parent)? {
        remove_version(&path)?;
    }
    std::fs::remove_dir(&parent)
        .map(|()| true)
        .map_err(|error| pin_error("rmdir", &parent, error))
}

/// Removes a directory of pins. Whoever owns the directory above could put a symbolic link in its
/// place at any moment, so it is opened once, as what it is, and everything goes through that.
fn remove_version(directory: &Path) -> Result<(), EdgeError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty())
        .map_err(|error| pin_error("open", directory, error))?;
    let file_system =
        rustix::fs::fstatfs(&opened).map_err(|error| pin_error("statfs", directory, error))?;
    if file_system.f_type != MAGIC {
        let cause = io::Error::other("it is not on a BPF file system");
        return Err(pin_error("remove", directory, cause));
    }
    let held = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    for path in list(&held)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(LINK_PREFIX)) {
            remove_pin(&path)?;
        } else {
            std::fs::remove_file(&path).map_err(|error| pin_error("unlink", &path, error))?;
        }
    }
    std::fs::remove_dir(directory).map_err(|error| pin_error("rmdir", directory, error))
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, EdgeError> {
    let failed = |error| pin_error("list", directory, error);
    std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

pub(super) fn pin_error(
    call: &'static str,
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EdgeError {
    EdgeError::Pin {
        call,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Interface indexes mean something within one network namespace only, while the BPF file system
/// is shared by all.
fn network_namespace() -> Result<u64, EdgeError> {
    std::fs::metadata("/proc/thread-self/ns/net")
        .map(|metadata| metadata.ino())
        .map_err(system("stat of the network namespace"))
}

/// Mounts the file system where its directory is there, empty and plain. Gateways that start at
/// once take turns: a second mount on top would hide the first one's pins.
fn ensure_file_system() -> Result<(), EdgeError> {
    let path = Path::new(FILE_SYSTEM);
    let missing = || EdgeError::NoBpfFileSystem {
        path: path.to_owned(),
    };
    if is_file_system(path)? {
        return Ok(());
    }
    let place = File::open(path).map_err(|_missing_or_closed| missing())?;
    rustix::fs::flock(&place, FlockOperation::LockExclusive)
        .map_err(errno("flock on the BPF file system's directory"))?;
    if is_file_system(path)? {
        return Ok(());
    }
    let is_empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        return Err(missing());
    }
    let flags = nix::mount::MsFlags::MS_NOSUID
        | nix::mount::MsFlags::MS_NODEV
        | nix::mount::MsFlags::MS_NOEXEC;
    nix::mount::mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=0755")).map_err(
        |error| EdgeError::NotMounted {
            path: path.to_owned(),
            source: error.into(),
        },
    )?;
    if is_file_system(path)? {
        Ok(())
    } else {
        Err(missing())
    }
}

fn is_file_system(path: &Path) -> Result<bool, EdgeError> {
    match rustix::fs::statfs(path) {
        Ok(found) => Ok(found.f_type == MAGIC),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(errno("statfs of the BPF file system")(error)),
    }
}

/// Whether a BPF file system is mounted on a path.
pub(super) fn is_mounted(path: &Path) -> bool {
    is_file_system(path).unwrap_or(false)
}

fn create_directory(path: &Path, mode: u32) -> Result<(), EdgeError> {
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(pin_error("mkdir", path, error)),
    }
}

/// Nobody but root and the owner can have made what is in the instance's directories.
fn check_all(parent: &Path, directory: &Path) -> Result<(), EdgeError> {
    if let Some(shared) = parent.parent() {
        check_shared(shared)?;
    }
    for path in [parent, directory] {
        check_closed(path)?;
    }
    Ok(())
}

/// The directory of all instances: only root can have made what is in it.
fn check_shared(path: &Path) -> Result<(), EdgeError> {
    let found = std::fs::symlink_metadata(path).map_err(|error| pin_error("stat", path, error))?;
    if found.is_dir() && found.mode() & 0o022 == 0 && found.uid() == 0 {
        Ok(())
    } else {
        Err(foreign(path, &found))
    }
}

/// The directory of one instance: closed to everybody but its owner.
fn check_closed(path: &Path) -> Result<(), EdgeError> {
    let found = std::fs::symlink_metadata(path).map_err(|error| pin_error("stat", path, error))?;
    if found.is_dir() && found.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(foreign(path, &found))
    }
}

fn foreign(path: &Path, found: &std::fs::Metadata) -> EdgeError {
    EdgeError::ForeignPins {
        path: path.to_owned(),
        owner: found.uid(),
        mode: found.mode() & 0o7777,
    }
}
