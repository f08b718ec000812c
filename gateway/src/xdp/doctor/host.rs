//! What the kernel says of itself in `/proc` and `/sys`.

use std::io;
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use rustix::thread::CapabilitySet;

/// Facts about this host and this process. What a kernel does not tell is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// Major and minor version of the kernel, and its whole name.
    pub(super) release: (u32, u32),
    pub(super) release_name: String,
    /// `net.core.bpf_jit_enable`.
    pub(super) jit: Option<u64>,
    /// `net.core.bpf_jit_harden`.
    pub(super) jit_harden: Option<u64>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub(super) unprivileged_bpf_disabled: Option<u64>,
    /// `net.ipv4.tcp_syncookies`.
    pub(super) syn_cookies: Option<u64>,
    /// `net.ipv4.ip_unprivileged_port_start`.
    pub(super) unprivileged_port_start: Option<u64>,
    /// The clock source in use, and those there are.
    pub(super) clock: Option<String>,
    pub(super) clocks: Vec<String>,
    /// Whether a BPF file system is on `/sys/fs/bpf`.
    pub(super) has_bpf_file_system: bool,
    /// Capabilities of this process that loading and attaching take, and it has not.
    pub(super) missing_capabilities: Vec<&'static str>,
    /// Open files that this process may raise its limit to; `None`: any number.
    pub(super) open_files_max: Option<u64>,
}

impl Host {
    /// Reads everything below `root`, which is `/` outside tests.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let text = |path: &str| read(&root.join(path));
        let number = |path: &str| Ok::<_, io::Error>(text(path)?.and_then(|it| it.parse().ok()));
        let clock_source = "sys/devices/system/clocksource/clocksource0";
        let release_name = text("proc/sys/kernel/osrelease")?.unwrap_or_default();
        let held = rustix::thread::capabilities(None)?.effective;
        let needed = [
            (CapabilitySet::BPF | CapabilitySet::SYS_ADMIN, "CAP_BPF"),
            (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        ];
        Ok(Self {
            release: release(&release_name),
            release_name,
            jit: number("proc/sys/net/core/bpf_jit_enable")?,
            jit_harden: number("proc/sys/net/core/bpf_jit_harden")?,
            unprivileged_bpf_disabled: number("proc/sys/kernel/unprivileged_bpf_disabled")?,
            syn_cookies: syn_cookies(root)?,
            unprivileged_port_start: number("proc/sys/net/ipv4/ip_unprivileged_port_start")?,
            clock: text(&format!("{clock_source}/current_clocksource"))?,
            clocks: text(&format!("{clock_source}/available_clocksource"))?
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            has_bpf_file_system: crate::xdp::pins::is_mounted(&root.join("sys/fs/bpf")),
            missing_capabilities: needed
                .into_iter()
                .filter(|(any, _)| !held.intersects(*any))
                .map(|(_, name)| name)
                .collect(),
            open_files_max: getrlimit(Resource::Nofile).maximum,
        })
    }
}

/// `net.ipv4.tcp_syncookies` of this network namespace; `None` in a kernel without SYN cookies.
pub(super) fn syn_cookies(root: &Path) -> io::Result<Option<u64>> {
    let text = read(&root.join("proc/sys/net/ipv4/tcp_syncookies"))?;
    Ok(text.and_then(|it| it.parse().ok()))
}

/// A file's text without the line's end; `None` where there is no such file, or none for us.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The first two numbers of a release such as `6.18.0-generic`.
fn release(name: &str) -> (u32, u32) {
    let mut numbers = name
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_files_is_read_and_what_is_missing_is_unknown() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/sys/kernel/osrelease", "5.15.0-91-generic\n");
        write("proc/sys/net/core/bpf_jit_enable", "0\n");
        let clock = "sys/devices/system/clocksource/clocksource0";
        write(&format!("{clock}/current_clocksource"), "hpet\n");
        write(
            &format!("{clock}/available_clocksource"),
            "tsc hpet acpi_pm \n",
        );
        let host = Host::read(root.path()).unwrap();
        assert_eq!(host.release, (5, 15));
        assert_eq!(host.jit, Some(0));
        assert_eq!(host.jit_harden, None);
        assert_eq!(host.clock.as_deref(), Some("hpet"));
        assert_eq!(host.clocks, ["tsc", "hpet", "acpi_pm"]);
        assert!(!host.has_bpf_file_system);
    }
}
