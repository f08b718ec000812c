//! The deny case of xdp-filter (xdp-tools) beside ours: its program for one denied address, on the
//! same frame by test run, as it is installed here.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aya::EbpfLoader;
use aya::maps::{PerCpuHashMap, PerCpuValues};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::util::nr_cpus;

use crate::outcome::{Case, Outcome};
use crate::place;

/// Where Debian and others keep the object that passes whatever it has no entry for.
const FOLDERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/bpf",
    "/usr/lib/aarch64-linux-gnu/bpf",
    "/usr/lib64/bpf",
    "/usr/lib/bpf",
];
const OBJECT: &str = "xdpfilt_alw_ip.o";
const PROGRAM: &str = "xdpfilt_alw_ip";
/// A frame's source, as a key, and "is a source" in the words of xdp-filter.
const ADDRESSES: &str = "filter_ipv4";
const IS_SOURCE: u64 = 1;

/// Loops in a window, and packets in a loop.
const LOOPS: u16 = 4;
const PACKETS: u32 = 400_000;
const XDP_DROP: u32 = 1;

/// Adds the case, or a note where xdp-filter is not installed.
pub(crate) fn measure(windows: u16, outcome: &mut Outcome) -> anyhow::Result<()> {
    let found = FOLDERS.map(|folder| Path::new(folder).join(OBJECT));
    let Some(path) = found.iter().find(|path| path.is_file()) else {
        outcome.notes.push(
            "xdp-filter is not installed (on Debian: apt-get install xdp-tools): not compared"
                .to_owned(),
        );
        return Ok(());
    };
    let pins = Pins::new()?;
    let mut ebpf = EbpfLoader::new()
        .default_map_pin_directory(&pins.0)
        .load_file(path)
        .with_context(|| format!("cannot load `{}`", path.display()))?;
    let mut addresses =
        PerCpuHashMap::<_, u32, u64>::try_from(ebpf.map_mut(ADDRESSES).context(ADDRESSES)?)?;
    let values = PerCpuValues::try_from(vec![IS_SOURCE; nr_cpus().map_err(|(_, error)| error)?])?;
    addresses.insert(place::CLIENT.to_be(), values, 0)?;
    let program: &mut Xdp = ebpf.program_mut(PROGRAM).context(PROGRAM)?.try_into()?;
    program.load()?;
    let frame = place::segment(place::CLIENT);
    let mut values = Vec::new();
    for _ in 0..windows {
        let mut sum = 0.0;
        for _ in 0..LOOPS {
            let done = program.test_run(TestRunOptions {
                data_in: Some(&frame),
                repeat: PACKETS,
                ..TestRunOptions::new()
            })?;
            anyhow::ensure!(done.return_value == XDP_DROP, "xdp-filter did not drop");
            sum += done.duration.as_secs_f64() * 1e9;
        }
        values.push(sum / f64::from(LOOPS));
    }
    outcome.cases.push(Case {
        name: "xdp_filter_deny_hit".to_owned(),
        unit: "ns",
        windows: values,
        baseline: Vec::new(),
        budget: None,
    });
    Ok(())
}

/// Where its maps are pinned meanwhile, because they ask to be.
struct Pins(PathBuf);

impl Pins {
    fn new() -> anyhow::Result<Self> {
        let name = format!("/sys/fs/bpf/gateway/measure-{}", std::process::id());
        let path = PathBuf::from(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            let told = writeln!(
                std::io::stderr(),
                "measure: cannot remove `{}`: {error}",
                self.0.display()
            );
            // Standard error is gone: there is nobody left to tell.
            drop(told);
        }
    }
}
