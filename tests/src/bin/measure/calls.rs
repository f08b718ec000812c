//! Helper calls that are left on the way of a packet within its limits, counted from the program
//! as the kernel has translated it: what it inlines is no call any more.
//!
//! A call is on that way unless its helper belongs to one of the blocks named here, each of which
//! a packet enters for a reason of its own.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context as _;
use aya::programs::Xdp;
use gateway_common::name;
use gateway_tests::object::Object;

use crate::outcome::{Budget, Case, Outcome};

/// Helpers by the beginning of their names, and the block that calls them.
const BLOCKS: [(&str, &str); 11] = [
    (
        "bpf_ktime_get_ns",
        "the clock's refresh, or a precise limit",
    ),
    (
        "__htab_map_lookup_elem",
        "a set bit in a list's filter, or a penalised flow",
    ),
    // Where the map depends on the generation, the kernel cannot name its own function for it.
    ("bpf_map_lookup_elem", "a set bit in a list's filter"),
    ("trie_lookup_elem", "a set bit in a list's filter"),
    (
        "bpf_xdp_get_buff_len",
        "a header that claims more than the linear part holds",
    ),
    ("bpf_xdp_load_bytes", "the sample of an event"),
    ("bpf_ringbuf_", "an event"),
    ("bpf_xdp_skc_lookup_tcp", "a SYN cookie"),
    ("bpf_tcp_gen_syncookie", "a SYN cookie"),
    ("bpf_sk_release", "a SYN cookie"),
    ("bpf_xdp_adjust_tail", "a SYN cookie"),
];

/// Adds the case, or a note where bpftool is not installed.
pub(crate) fn measure(outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut object = Object::load()?;
    let edge = object.ebpf().program_mut(name::PROGRAM_EDGE);
    let edge: &mut Xdp = edge.context("the object judges packets")?.try_into()?;
    let id = edge.info()?.id();
    let output = Command::new("bpftool")
        .args(["prog", "dump", "xlated", "id", &id.to_string()])
        .output();
    let Ok(output) = output else {
        outcome
            .notes
            .push("helper_calls_pass: bpftool is not installed".to_owned());
        return Ok(());
    };
    anyhow::ensure!(
        output.status.success(),
        "bpftool: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = str::from_utf8(&output.stdout).context("what bpftool printed")?;
    let mut left = 0_u32;
    let mut named = BTreeMap::<&str, u32>::new();
    for helper in text.lines().filter_map(called) {
        match BLOCKS.iter().find(|(prefix, _)| helper.starts_with(prefix)) {
            Some((_, block)) => *named.entry(block).or_default() += 1,
            None => {
                left += 1;
                outcome.notes.push(format!(
                    "helper_calls_pass: `{helper}` is in no named block"
                ));
            }
        }
    }
    for (block, count) in named {
        outcome
            .notes
            .push(format!("helper calls elsewhere: {count} for {block}"));
    }
    let case = Case::value("helper_calls_pass", "count", f64::from(left));
    outcome.cases.push(case.within(Budget::AtMost(0.0)));
    Ok(())
}

/// The helper that a line of translated code calls; parts of the program itself are none.
fn called(line: &str) -> Option<&str> {
    let (_, called) = line.split_once(" call ")?;
    let name = called.split('#').next()?;
    (!name.starts_with("pc+") && !name.starts_with("pc-")).then_some(name)
}
