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
mod rate;
mod shared;
mod clock;
mod life;
mod sync;
mod replace;
mod privilege;
mod differential;
mod corpus;
mod cookies;
mod hazards;
mod artefact;
mod log;
mod veth_path;
mod veth_deny;
mod veth_rate;
mod veth_scope;
mod veth_restart;
mod veth_vlan;
mod veth_flood;
mod veth_cookies;
mod veth_privilege;
mod veth_refusal;
mod veth_absent;
mod veth_apply;
mod veth_attach;
mod veth_stats;
