//! Where a veth interface receives: by default wherever the sender runs, which would charge one
//! side's work to the other's processor.

use std::collections::HashSet;
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::namespace::Namespace;
use crate::process::output;

/// Gives `interface` a receiving thread of its own (threaded NAPI, Linux 5.12) and ties it to
/// `cpu`. To be called for both ends, before a program is attached, and at one place at a time.
/// Returns the thread's number, one for each queue.
///
/// # Errors
/// Names what is missing: `ethtool`, `unshare`, or the kernel's support.
pub fn pin(namespace: &Namespace, interface: &str, cpu: usize) -> anyhow::Result<Vec<i32>> {
    let before = threads(interface)?;
    // Without a program it is GRO that makes a veth interface receive by NAPI, and only what comes
    // from an end that leaves segmentation to nobody (`veth_skb_is_eligible_for_gro` in
    // drivers/net/veth.c); a program turns that off anyway.
    let features = ["ethtool", "-K", interface, "gro", "on", "tso", "off"];
    run(namespace, &features)?;
    // /sys shows the namespace in which it was mounted.
    let script =
        format!("mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/{interface}/threaded");
    run(namespace, &["unshare", "--mount", "sh", "-c", &script])?;
    let mut only = CpuSet::new();
    only.set(cpu);
    let ours: Vec<_> = threads(interface)?.difference(&before).copied().collect();
    anyhow::ensure!(!ours.is_empty(), "`{interface}` has no receiving thread");
    for thread in &ours {
        sched_setaffinity(Pid::from_raw(*thread), &only)
            .with_context(|| format!("sched_setaffinity of thread {thread}"))?;
    }
    Ok(ours)
}

/// Processor time that receiving threads have used, in nanoseconds: the first field of
/// /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst).
///
/// # Errors
/// When one has ended.
pub fn spent_ns(threads: &[i32]) -> anyhow::Result<u64> {
    let mut total = 0;
    for thread in threads {
        let path = format!("/proc/{thread}/schedstat");
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let spent = text
            .split_whitespace()
            .next()
            .context("schedstat is empty")?;
        total += spent.parse::<u64>().with_context(|| path)?;
    }
    Ok(total)
}

/// The kernel's receiving threads for interfaces of this name, in any namespace.
fn threads(interface: &str) -> anyhow::Result<HashSet<i32>> {
    // Followed by the number of the queue; the kernel keeps 15 characters.
    let prefix = format!("napi/{interface}-");
    let mut found = HashSet::new();
    for entry in std::fs::read_dir("/proc").context("/proc")? {
        let entry = entry.context("/proc")?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may have ended since.
        let Ok(name) = std::fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        if name.starts_with(&prefix) {
            found.insert(id);
        }
    }
    Ok(found)
}

fn run(namespace: &Namespace, words: &[&str]) -> anyhow::Result<()> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let output = namespace
        .run(move || output(&mut command))
        .with_context(|| format!("cannot run `{program}`, which the package of that name has"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("`{}`: {}", words.join(" "), complaint.trim());
    }
    Ok(())
}
