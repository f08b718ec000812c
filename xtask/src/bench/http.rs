//! What a proxied request costs in processor time, user and system together.
//!
//! The proxy has one core, the clients and the upstream another. 32 keep-alive connections ask in a
//! closed loop over plaintext HTTP/1.1 for 100 bytes of JSON; access logs are on. Windows of the
//! gateway and of the baseline alternate; one with an answer other than 200 is void and repeated.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context as _;
use serde_json::Value;

use super::proxy::{self, Limits, Proxy};
use super::report::{Case, Report};
use crate::process::{self, Profile, Programs};

/// Windows for each proxy, unless told otherwise.
pub(super) const WINDOWS: u16 = 7;

/// Length of one window.
const WINDOW_MS: u64 = 2000;

/// Length of the unmeasured window each proxy gets first.
const WARM_UP_MS: u64 = 1000;

/// Connections of the only case so far.
const CONNECTIONS: u16 = 32;

/// Where the proxy runs, and where everything else does.
pub(super) const PROXY_CPU: usize = 0;
pub(super) const OTHER_CPU: usize = 1;

/// Processor microseconds per request, one for each window that counts.
type Windows = Vec<f64>;

/// What the clients ask for, and what has to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    pub(super) status: u16,
    /// Files of header lines.
    pub(super) headers: &'a [PathBuf],
    /// The certificate of whom to ask over TLS; `None` for plaintext.
    pub(super) authority: Option<&'a Path>,
}

/// What a report without a baseline says.
pub(super) const NO_NGINX: &str = "nginx is not installed (on Debian: apt-get install nginx-light)";

const FIXED: Asked<'static> = Asked {
    path: "/fixed",
    status: 200,
    headers: &[],
    authority: None,
};

pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let programs = programs()?;
    let directory = proxy::directory()?;
    let (_upstream, upstream) = process::upstream(&programs.workbench, Some(OTHER_CPU))?;
    let gateway = Proxy::gateway(&programs, &directory, upstream, PROXY_CPU)?;
    let nginx = Proxy::nginx(&programs, &directory, upstream, (PROXY_CPU, Limits::None))?;

    let proxies = std::iter::once(&gateway).chain(&nginx);
    let proxies = proxies.map(|proxy| (proxy, FIXED)).collect();
    let mut costs = alternating(&programs.workbench, proxies, windows)?.into_iter();
    let (value, baseline) = (costs.next().unwrap_or_default(), costs.next());
    let case = Case::new("forward_c32", "us", &value, baseline.as_deref())?;
    let mut notes =
        vec!["microseconds of processor time per request; the baseline is nginx".to_owned()];
    if baseline.is_none() {
        notes.push(format!("{NO_NGINX}: no baseline"));
    }
    Report {
        cases: vec![case],
        notes,
        void: Vec::new(),
    }
    .print(json)
}

/// What runs on the two processors.
///
/// # Errors
/// There is only one, or the build fails.
pub(super) fn programs() -> anyhow::Result<Programs> {
    let cpus = std::thread::available_parallelism()
        .context("number of processors")?
        .get();
    anyhow::ensure!(
        cpus > OTHER_CPU,
        "this benchmark needs two processors, here is `{cpus}`"
    );
    process::build(Profile::Release)
}

/// Windows of each proxy in turn.
pub(super) fn alternating(
    workbench: &Path,
    proxies: Vec<(&Proxy, Asked<'_>)>,
    windows: u16,
) -> anyhow::Result<Vec<Windows>> {
    let mut costs: Vec<Windows> = proxies.iter().map(|_| Windows::new()).collect();
    for (proxy, asked) in &proxies {
        window(workbench, proxy.address(), asked, WARM_UP_MS)?;
    }
    for _ in 0..windows {
        for ((proxy, asked), costs) in proxies.iter().zip(&mut costs) {
            costs.push(measured(workbench, proxy, asked)?);
        }
    }
    Ok(costs)
}

/// One window that counts: processor microseconds per request.
fn measured(workbench: &Path, proxy: &Proxy, asked: &Asked<'_>) -> anyhow::Result<f64> {
    /// A proxy that fails this often in a row is broken and not worth a figure.
    const ATTEMPTS: usize = 3;
    for _ in 0..ATTEMPTS {
        let before = proxy.cpu_ns()?;
        let answers = window(workbench, proxy.address(), asked, WINDOW_MS)?;
        let spent = proxy
            .cpu_ns()?
            .checked_sub(before)
            .context("a thread of the proxy ended in the window")?;
        if answers.unexpected == 0 && answers.requests > 0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a window has far fewer than 2^52 of either"
            )]
            return Ok(spent as f64 / 1000.0 / answers.requests as f64);
        }
    }
    anyhow::bail!(
        "{ATTEMPTS} windows in a row had answers other than {} from `{}`",
        asked.status,
        proxy.address()
    )
}

/// What a client of the workbench printed.
///
/// # Errors
/// It failed, or printed something else than JSON.
pub(super) fn printed(output: &Output) -> anyhow::Result<Value> {
    anyhow::ensure!(output.status.success(), "clients failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("what clients printed")
}

/// What the clients saw.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) requests: u64,
    unexpected: u64,
}

pub(super) fn window(
    workbench: &Path,
    address: SocketAddr,
    asked: &Asked<'_>,
    milliseconds: u64,
) -> anyhow::Result<Answers> {
    let headers = asked.headers.iter();
    let headers = headers.flat_map(|file| [OsStr::new("--headers"), file.as_os_str()]);
    let authority = asked.authority.iter();
    let authority = authority.flat_map(|file| [OsStr::new("--authority"), file.as_os_str()]);
    let output = Command::new(workbench)
        .args(["load", "--parent", &std::process::id().to_string()])
        .args(["--cpu", &OTHER_CPU.to_string()])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--milliseconds", &milliseconds.to_string()])
        .args(["--status", &asked.status.to_string()])
        .args(headers)
        .args(authority)
        .arg(address.to_string())
        .arg(asked.path)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("starting the load")?;
    let told = printed(&output)?;
    let number = |name: &str| {
        told.get(name)
            .and_then(Value::as_u64)
            .with_context(|| format!("clients told no `{name}`"))
    };
    Ok(Answers {
        requests: number("requests")?,
        unexpected: number("unexpected")?,
    })
}
