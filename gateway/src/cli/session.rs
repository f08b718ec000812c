//! Where the session comes from that this command runs in.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What sshd sets: address and port of the client, address and port of the server.
const VARIABLE: &str = "SSH_CONNECTION";
/// Parents that are asked: a login shell, sudo, and what is started in between.
const PARENTS_MAX: usize = 16;
/// Most that is read of one environment: what the kernel lets a program be started with.
const ENVIRONMENT_BYTES_MAX: u64 = 1 << 21;

/// The address of the client's end of the SSH connection that this command runs in.
pub(super) fn address() -> Option<IpAddr> {
    let own = std::env::var_os(VARIABLE);
    // sudo leaves it out, but the shell that sudo was typed into has it.
    own.and_then(|connection| client(&connection))
        .or_else(|| of_parents(Path::new("/proc"), std::os::unix::process::parent_id()))
}

/// The address in the environment of the nearest parent that has one, from `process` on.
fn of_parents(proc: &Path, mut process: u32) -> Option<IpAddr> {
    for _ in 0..PARENTS_MAX {
        if process == 0 {
            return None;
        }
        let directory = proc.join(process.to_string());
        if let Some(address) = of_environment(&directory.join("environ")) {
            return Some(address);
        }
        process = parent(&directory.join("status"))?;
    }
    None
}

/// What the environment of a process says; nothing where it may not be read.
fn of_environment(path: &Path) -> Option<IpAddr> {
    let mut environment = Vec::new();
    let file = File::open(path).ok()?;
    file.take(ENVIRONMENT_BYTES_MAX)
        .read_to_end(&mut environment)
        .ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| {
        let value = variable.strip_prefix(VARIABLE.as_bytes())?;
        client(OsStr::from_bytes(value.strip_prefix(b"=")?))
    })
}

/// The parent of a process, by its status file.
fn parent(path: &Path) -> Option<u32> {
    let status = std::fs::read(path).ok()?;
    // The name of a program may be anything.
    let status = String::from_utf8_lossy(&status);
    let mut lines = status.lines();
    let parent = lines.find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok()
}

fn client(connection: &OsStr) -> Option<IpAddr> {
    let first = connection.to_str()?.split_ascii_whitespace().next()?;
    first.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process with its parent, and its environment if that can be read.
    fn process(proc: &Path, number: u32, parent: u32, environment: Option<&[u8]>) {
        let directory = proc.join(number.to_string());
        std::fs::create_dir(&directory).unwrap();
        let status = format!("Name:\tx\nPid:\t{number}\nPPid:\t{parent}\nTracerPid:\t0\n");
        std::fs::write(directory.join("status"), status).unwrap();
        if let Some(environment) = environment {
            std::fs::write(directory.join("environ"), environment).unwrap();
        }
    }

    #[test]
    fn a_session_is_found_behind_what_stripped_its_environment() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        process(proc, 1, 0, Some(b"TERM=linux\0"));
        let shell = b"A=1\0OLD_SSH_CONNECTION=192.0.2.9 1 2 3\0\
            SSH_CONNECTION=2001:db8::7 50000 2001:db8::1 22\0\xff\0";
        process(proc, 20, 1, Some(shell));
        // Not readable.
        process(proc, 30, 20, None);
        process(proc, 31, 30, Some(b"SUDO_USER=somebody\0SSH_CONNECTION=\0"));
        let expected = Some("2001:db8::7".parse().unwrap());
        assert_eq!(of_parents(proc, 31), expected);
        assert_eq!(of_parents(proc, 20), expected);
        // On the console, and where a process has gone meanwhile.
        assert_eq!(of_parents(proc, 1), None);
        assert_eq!(of_parents(proc, 99), None);
    }

    #[test]
    fn only_so_many_parents_are_asked() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        let session: &[u8] = b"SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22\0";
        process(proc, 100, 1, Some(session));
        for number in 101..120 {
            process(proc, number, number - 1, Some(b""));
        }
        assert_eq!(of_parents(proc, 115), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(of_parents(proc, 116), None);
        // Their own parent, which no kernel says.
        process(proc, 7, 7, None);
        assert_eq!(of_parents(proc, 7), None);
    }
}
