//! Rules over the kernel, this process and the listeners.

use std::io;
use std::path::Path;

use super::host::{self, Host};
use super::{Finding, Level};
use crate::model::Gateway;

/// The first kernel with everything that the program uses: `bpf_xdp_get_buff_len` and frames in
/// fragments came with 5.18, links for XDP with 5.9, compare-exchange with 5.12.
const KERNEL_MIN: (u32, u32) = (5, 18);
/// The first one on which changing open maps takes no capability.
const KERNEL_WITHOUT_CAPABILITY: (u32, u32) = (5, 19);
/// Clock sources that are read in tens of nanoseconds, from user space as well.
const FAST_CLOCKS: [&str; 4] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
];
/// Open files besides connections: maps, sockets, logs, key files.
const OPEN_FILES_BESIDE: u64 = 256;

const SYSCTL_NET: &str = "kernel: Documentation/admin-guide/sysctl/net.rst";
const SYSCTL_KERNEL: &str = "kernel: Documentation/admin-guide/sysctl/kernel.rst";
const SYSCTL_IP: &str = "kernel: Documentation/networking/ip-sysctl.rst";

/// What holds for every gateway.
pub(super) fn examine(host: &Host) -> Vec<Finding> {
    [
        release(host),
        jit(host),
        file_system(host),
        capabilities(host),
        unprivileged(host),
        clock(host),
        syn_cookies(host),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What depends on the configuration.
pub(super) fn examine_for(host: &Host, gateway: &Gateway) -> Vec<Finding> {
    [
        low_ports(host, gateway),
        open_files(host, gateway),
        cookies_from_xdp(host.syn_cookies, gateway.edge.under_attack.syn_cookies),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn release(host: &Host) -> Option<Finding> {
    let name = &host.release_name;
    let finding = |level, text| Finding::new(level, "kernel", format!("Linux {name}{text}"));
    Some(if host.release < KERNEL_MIN {
        finding(
            Level::Fail,
            " cannot load the program, which needs 5.18 or later: use a later kernel, or set \
             `xdp.mode: off`",
        )
        .source("kernel: include/uapi/linux/bpf.h, bpf_xdp_get_buff_len")
    } else if host.release < KERNEL_WITHOUT_CAPABILITY && host.unprivileged_bpf_disabled != Some(0)
    {
        finding(
            Level::Warn,
            ": the gateway keeps CAP_BPF for as long as it runs; from 5.19 on it needs none",
        )
        .source("kernel: kernel/bpf/syscall.c, __sys_bpf")
    } else {
        finding(Level::Ok, " has everything that the program uses")
    })
}

fn jit(host: &Host) -> Option<Finding> {
    Some(match (host.jit?, host.jit_harden) {
        (0, _) => Finding::new(
            Level::Warn,
            "jit",
            "the BPF JIT compiler is off: the program is interpreted, at a multiple of its cost",
        )
        .command("sudo sysctl -w net.core.bpf_jit_enable=1"),
        (_, Some(2)) => Finding::new(
            Level::Warn,
            "jit",
            "the BPF JIT compiler hardens the programs of root too, which makes them slower",
        )
        .command("sudo sysctl -w net.core.bpf_jit_harden=1"),
        _ => Finding::new(Level::Ok, "jit", "the BPF JIT compiler is on"),
    }
    .source(SYSCTL_NET))
}

fn file_system(host: &Host) -> Option<Finding> {
    Some(if host.has_bpf_file_system {
        Finding::new(Level::Ok, "bpffs", "a BPF file system is on `/sys/fs/bpf`")
    } else {
        Finding::new(
            Level::Warn,
            "bpffs",
            "no BPF file system is on `/sys/fs/bpf`: `gateway run` mounts one if it may",
        )
        .command("sudo mount -t bpf bpf /sys/fs/bpf")
    })
}

fn capabilities(host: &Host) -> Option<Finding> {
    let missing = host.missing_capabilities.join(" and ");
    Some(
        if missing.is_empty() {
            Finding::new(
                Level::Ok,
                "privileges",
                "this user may load and attach programs",
            )
        } else {
            Finding::new(
                Level::Warn,
                "privileges",
                format!(
                    "this user lacks {missing}: it could not start the kernel edge, and the \
                     programs of others are seen by their number alone"
                ),
            )
            .command("sudo gateway doctor")
        }
        .source("capabilities(7)"),
    )
}

fn unprivileged(host: &Host) -> Option<Finding> {
    (host.unprivileged_bpf_disabled? == 0).then(|| {
        Finding::new(
            Level::Warn,
            "bpf",
            "every user may load BPF programs, which the gateway does not need",
        )
        .command("sudo sysctl -w kernel.unprivileged_bpf_disabled=2")
        .source(SYSCTL_KERNEL)
    })
}

fn clock(host: &Host) -> Option<Finding> {
    let name = host.clock.as_deref()?;
    if FAST_CLOCKS.contains(&name) {
        let text = format!("the clock source is `{name}`");
        return Some(Finding::new(Level::Ok, "clock", text));
    }
    let text = format!(
        "the clock source is `{name}`, which takes about a microsecond to read, and the time is \
         read for every request"
    );
    let finding = Finding::new(Level::Warn, "clock", text)
        .source("kernel: Documentation/admin-guide/kernel-parameters.txt, clocksource=");
    let better = FAST_CLOCKS
        .iter()
        .find(|fast| host.clocks.iter().any(|there| there == *fast));
    Some(match better {
        Some(better) => finding.command(format!(
            "echo {better} | sudo tee \
             /sys/devices/system/clocksource/clocksource0/current_clocksource"
        )),
        None => finding,
    })
}

fn syn_cookies(host: &Host) -> Option<Finding> {
    (host.syn_cookies? == 0).then(|| {
        Finding::new(
            Level::Warn,
            "syn cookies",
            "SYN cookies are off: a SYN flood from more sources than the tables hold fills the \
             listeners' queues",
        )
        .command("sudo sysctl -w net.ipv4.tcp_syncookies=1")
        .source(SYSCTL_IP)
    })
}

/// Why SYN cookies are asked for and cannot be had, for whoever starts or reloads the gateway.
pub(super) fn missing_cookies(gateway: &Gateway) -> io::Result<Option<Finding>> {
    let setting = host::syn_cookies(Path::new("/"))?;
    let finding = cookies_from_xdp(setting, gateway.edge.under_attack.syn_cookies);
    Ok(finding.filter(|finding| finding.level == Level::Fail))
}

/// The kernel hands XDP a cookie only where it uses cookies for every connection itself.
fn cookies_from_xdp(setting: Option<u64>, is_wanted: bool) -> Option<Finding> {
    if !is_wanted {
        return None;
    }
    let finding = |level, text| Finding::new(level, "syn cookies", text).source(SYSCTL_IP);
    Some(match setting {
        Some(2) => finding(
            Level::Ok,
            "SYN cookies are on for every connection, as `xdp.under_attack.syn_cookies` needs",
        ),
        Some(_) => finding(
            Level::Fail,
            "`xdp.under_attack.syn_cookies` is on, and the kernel makes no cookie for XDP unless \
             it uses cookies for every connection to this network namespace",
        )
        .command("sudo sysctl -w net.ipv4.tcp_syncookies=2"),
        None => finding(
            Level::Fail,
            "`xdp.under_attack.syn_cookies` is on, and this kernel was built without SYN cookies",
        ),
    })
}

/// A port below the first unprivileged one keeps a capability; good to know, and no fault.
fn low_ports(host: &Host, gateway: &Gateway) -> Option<Finding> {
    let start = host.unprivileged_port_start.unwrap_or(1024);
    let low = |port: u16| port != 0 && u64::from(port) < start;
    let user = gateway.user.as_deref()?;
    let port = gateway
        .listeners
        .iter()
        .map(|listener| listener.address.port())
        .find(|port| low(*port))?;
    let text = format!(
        "port {port} is below {start}: as `{user}` the gateway keeps CAP_NET_BIND_SERVICE, so that \
         a reload can bind it again"
    );
    let finding = Finding::new(Level::Ok, "ports", text);
    Some(finding.source("ip(7), ip_unprivileged_port_start"))
}

/// One descriptor for a connection and one for what it may hold towards an upstream.
fn open_files(host: &Host, gateway: &Gateway) -> Option<Finding> {
    let connections: u64 = gateway
        .listeners
        .iter()
        .map(|listener| u64::from(listener.limits.connections_max))
        .sum();
    let wanted = connections
        .saturating_mul(2)
        .saturating_add(OPEN_FILES_BESIDE);
    let max = host.open_files_max?;
    Some(
        if max < wanted {
            Finding::new(
                Level::Warn,
                "open files",
                format!(
                    "the listeners may hold {connections} connections, which with as many to \
                     upstreams takes {wanted} open files; this user may have {max}"
                ),
            )
            .command(format!(
                "LimitNOFILE={wanted} in the unit of the gateway, or `ulimit -n {wanted}`"
            ))
        } else {
            let text = format!("{max} open files are enough for {connections} connections");
            Finding::new(Level::Ok, "open files", text)
        }
        .source("getrlimit(2)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            release: (6, 18),
            release_name: "6.18.0".to_owned(),
            jit: Some(1),
            jit_harden: Some(0),
            unprivileged_bpf_disabled: Some(2),
            syn_cookies: Some(1),
            unprivileged_port_start: Some(1024),
            clock: Some("tsc".to_owned()),
            clocks: vec!["tsc".to_owned(), "hpet".to_owned()],
            has_bpf_file_system: true,
            missing_capabilities: Vec::new(),
            open_files_max: Some(1_048_576),
        }
    }

    fn worst(host: &Host, subject: &str) -> (Level, String) {
        let found = examine(host);
        let found = found.iter().find(|it| it.subject == subject).unwrap();
        (found.level, found.command.clone().unwrap_or_default())
    }

    #[test]
    fn a_host_as_it_should_be_has_nothing_to_change() {
        for finding in examine(&host()) {
            assert_eq!(
                (finding.level, &finding.command),
                (Level::Ok, &None),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn cookies_from_xdp_need_cookies_for_everybody() {
        let level =
            |setting, is_wanted| cookies_from_xdp(setting, is_wanted).map(|finding| finding.level);
        assert_eq!(level(Some(1), false), None);
        assert_eq!(level(Some(1), true), Some(Level::Fail));
        assert_eq!(level(Some(2), true), Some(Level::Ok));
        assert_eq!(level(None, true), Some(Level::Fail));
    }

    #[test]
    fn what_is_missing_is_told_with_its_command() {
        type Case = (fn(&mut Host), &'static str, Level, &'static str);
        let cases: [Case; 9] = [
            (|it| it.release = (5, 17), "kernel", Level::Fail, ""),
            (|it| it.release = (5, 18), "kernel", Level::Warn, ""),
            (
                |it| it.jit = Some(0),
                "jit",
                Level::Warn,
                "bpf_jit_enable=1",
            ),
            (
                |it| it.jit_harden = Some(2),
                "jit",
                Level::Warn,
                "bpf_jit_harden=1",
            ),
            (
                |it| it.has_bpf_file_system = false,
                "bpffs",
                Level::Warn,
                "mount -t bpf",
            ),
            (
                |it| it.missing_capabilities = vec!["CAP_BPF"],
                "privileges",
                Level::Warn,
                "sudo",
            ),
            (
                |it| it.unprivileged_bpf_disabled = Some(0),
                "bpf",
                Level::Warn,
                "unprivileged_bpf_disabled=2",
            ),
            (
                |it| it.clock = Some("hpet".to_owned()),
                "clock",
                Level::Warn,
                "echo tsc",
            ),
            (
                |it| it.syn_cookies = Some(0),
                "syn cookies",
                Level::Warn,
                "tcp_syncookies=1",
            ),
        ];
        for (change, subject, level, command) in cases {
            let mut host = host();
            change(&mut host);
            let found = worst(&host, subject);
            assert_eq!(found.0, level, "{subject}");
            assert!(found.1.contains(command), "{subject}: {}", found.1);
        }
    }
}
