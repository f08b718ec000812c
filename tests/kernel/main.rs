//! Tests in the kernel: every verdict through `BPF_PROG_TEST_RUN`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on fails, figures are reported, and tables are long"
)]

mod site;
mod verdict;
mod parse;
mod deny;
mod lists;
mod other;
mod bytes;
mod attack;
mod penalty;
mod monitor;
mod rate;
mod slack;
mod shared;
mod clock;
mod life;
mod sync;
mod many_prefixes;
mod replace;
mod penalty_store;
mod vouched;
mod privilege;
mod differential;
mod corpus;
mod cookies;
mod hazards;
mod artefact;
mod btf;
mod log;
mod explain;
mod events;
mod veth_path;
mod veth_penalties;
mod veth_handshakes;
mod veth_deny;
mod veth_events;
mod veth_rate;
mod veth_scope;
mod veth_restart;
mod veth_vlan;
mod veth_flood;
mod veth_known_good;
mod veth_cookies;
mod veth_privilege;
#[cfg(test)]
mod veth_proxies;
mod veth_refusal;
mod veth_absent;
mod veth_apply;
mod veth_attach;
mod veth_doctor;
mod veth_stats;
mod veth_other;
mod veth_attack;
mod veth_rules;
mod veth_offload;
