//! The object that logs: built for debugging only, and still working.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_tests::capability::or_skip;

use crate::site::segment;
use gateway_tests::packet::ACK;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<String>>>);

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

fn load() -> anyhow::Result<Ebpf> {
    let path = std::env::var_os("GATEWAY_EBPF_LOG_OBJECT").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/ebpf/gateway-ebpf-log.o"),
        PathBuf::from,
    );
    let bytes = std::fs::read(&path).with_context(|| {
        let path = path.display();
        format!("cannot read `{path}`: `cargo xtask ebpf --log` builds it")
    })?;
    EbpfLoader::new()
        .load(&bytes)
        .context("cannot create BPF maps (needs root or CAP_BPF and CAP_NET_ADMIN)")
}

#[test]
fn the_debug_entry_point_logs_every_judgement() {
    let Some(mut ebpf) = or_skip(load()) else {
        return;
    };
    let records = Records::default();
    let mut logger = EbpfLogger::init_with_logger(&mut ebpf, records.clone()).unwrap();
    let debug: &mut Xdp = ebpf
        .program_mut(name::PROGRAM_DEBUG)
        .unwrap()
        .try_into()
        .unwrap();
    debug.load().unwrap();
    debug
        .test_run(TestRunOptions {
            data_in: Some(&segment(ACK)),
            ..TestRunOptions::new()
        })
        .unwrap();
    logger.flush();
    // Nobody listens in a fresh set of maps.
    let expected = format!(
        "verdict {} reason {} family {} bytes 60",
        Verdict::Pass as u32,
        Reason::NotOurs as u32,
        Family::Ipv4 as u32
    );
    assert_eq!(*records.0.lock().unwrap(), [expected]);
}
