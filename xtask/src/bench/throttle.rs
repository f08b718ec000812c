//! `cargo xtask bench throttle`: what limits cost: a charge, a refusal, the whole chain of a request with a token
//! and an API key, and attempts of those who are penalised.
//!
//! Processor time of a proxy is measured as in `bench http`, whose windows these are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::http::{self, Asked, NO_NGINX, OTHER_CPU, PROXY_CPU, alternating};
use super::measured as program;
use super::proxy::{self, Limits, Proxy};
use super::report::{Budget, Case, Report};
use super::task::{AUDIENCE, ISSUER, Task};
use crate::process::{self, Programs};

/// Windows for each case, unless told otherwise.
pub(super) const WINDOWS: u16 = 7;

/// What an attempt of a penalised source may cost, of what a refusal over TLS does.
const PENALISED_MOST: f64 = 0.05;

/// The value of the API key.
const KEY: &str = "aKeyThatIsOnlyShownByTheBenchmark0123456";

/// Measures and prints.
///
/// # Errors
/// What is missing on this machine.
pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let programs = http::programs()?;
    let measure = program::build()?;
    let told = windows.to_string();
    let mut report = program::run(&measure, &["throttle", "--windows", &told])?;
    let over_tls = refusal_over_tls(&programs, windows)?;
    for case in &mut report.cases {
        if case.name == "penalised_attempt" {
            // It is told in nanoseconds.
            let baseline = over_tls.value * 1_000.0;
            case.compare(baseline);
            case.budget = Some(Budget::AtMost {
                most: baseline * PENALISED_MOST,
            });
        }
    }
    report.cases.push(over_tls);
    report
        .cases
        .push(refusal(&programs, windows, &mut report.notes)?);
    report.cases.extend(chain(&programs, windows)?);
    report.notes.push(
        "the baseline of full_chain is a plain forward by an HTTP API; that of chain_steps is the same request, \
         with its token and key, forwarded by a REST API that asks for neither"
            .to_owned(),
    );
    report.print(json)
}

/// A request that is refused for its route's throttle, beside one that nginx refuses by `limit_req`.
fn refusal(programs: &Programs, windows: u16, notes: &mut Vec<String>) -> anyhow::Result<Case> {
    let directory = proxy::directory()?;
    let (_upstream, upstream) = process::upstream(&programs.workbench, Some(OTHER_CPU))?;
    let task = (PROXY_CPU, &Task::Refuse);
    let gateway = Proxy::gateway_for(programs, &directory, upstream, task)?;
    let nginx = Proxy::nginx(programs, &directory, upstream, (PROXY_CPU, Limits::All))?;
    let asked = Asked {
        path: "/fixed",
        status: 429,
        headers: &[],
        authority: None,
    };
    let proxies = std::iter::once(&gateway).chain(&nginx);
    let proxies = proxies.map(|proxy| (proxy, asked)).collect();
    let mut costs = alternating(&programs.workbench, proxies, windows)?.into_iter();
    let (value, baseline) = (costs.next().unwrap_or_default(), costs.next());
    if baseline.is_none() {
        notes.push(format!("{NO_NGINX}: no baseline of reject_429"));
    }
    let case = Case::new("reject_429", "us", &value, baseline.as_deref())?;
    Ok(Case {
        budget: baseline.map(|_| Budget::Over {
            ratio: 1.0,
            increment: 0.0,
        }),
        ..case
    })
}

/// A request that is refused for its route's throttle, over TLS.
fn refusal_over_tls(programs: &Programs, windows: u16) -> anyhow::Result<Case> {
    let directory = proxy::directory()?;
    let (_upstream, upstream) = process::upstream(&programs.workbench, Some(OTHER_CPU))?;
    let credentials = directory.join("credentials");
    shown(programs, &credentials)?;
    let task = (PROXY_CPU, &Task::RefuseOverTls);
    let gateway = Proxy::gateway_for(programs, &directory, upstream, task)?;
    let authority = credentials.join("certificate.pem");
    let asked = Asked {
        path: "/fixed",
        status: 429,
        headers: &[],
        authority: Some(&authority),
    };
    let costs = alternating(&programs.workbench, vec![(&gateway, asked)], windows)?;
    let costs = costs.first().context("windows")?;
    Case::new("reject_429_tls", "us", costs, None)
}

/// A request with a token, an API key, a plan, buckets and a quota, a log and metrics, beside one that is
/// merely forwarded, and beside itself where nobody asks for any of it.
fn chain(programs: &Programs, windows: u16) -> anyhow::Result<[Case; 2]> {
    let directory = proxy::directory()?;
    let (_upstream, upstream) = process::upstream(&programs.workbench, Some(OTHER_CPU))?;
    let [plain, bare, full] = ["plain", "bare", "full"].map(|name| directory.join(name));
    create(&plain)?;
    create(&bare)?;
    let headers = shown(programs, &full.join("credentials"))?;
    let value = full.join("value");
    proxy::write(&value, KEY)?;
    let task = (PROXY_CPU, &Task::Everything { value });
    let everything = Proxy::gateway_for(programs, &full, upstream, task)?;
    let forward = Proxy::gateway(programs, &plain, upstream, PROXY_CPU)?;
    let task = (PROXY_CPU, &Task::ForwardRest);
    let nothing_asked = Proxy::gateway_for(programs, &bare, upstream, task)?;
    let asked = |path, headers| Asked {
        path,
        status: 200,
        headers,
        authority: None,
    };
    let proxies = vec![
        (&everything, asked("/prod/fixed", &headers)),
        (&forward, asked("/fixed", &[])),
        (&nothing_asked, asked("/prod/fixed", &headers)),
    ];
    let costs = alternating(&programs.workbench, proxies, windows)?;
    let [value, plain, bare] = costs.as_slice() else {
        anyhow::bail!("three proxies have three costs");
    };
    let over_plain = Case {
        budget: Some(Budget::Over {
            ratio: 1.15,
            increment: 2.0,
        }),
        ..Case::new("full_chain", "us", value, Some(plain))?
    };
    let steps = Case::new("chain_steps", "us", value, Some(bare))?;
    Ok([over_plain, steps])
}

/// Writes credentials into a new directory, and returns the files of headers that clients show: a token, and
/// the API key.
fn shown(programs: &Programs, credentials: &Path) -> anyhow::Result<Vec<PathBuf>> {
    create(credentials)?;
    let mut command = Command::new(&programs.workbench);
    command.args(["credentials", "--issuer", ISSUER, "--audience", AUDIENCE]);
    process::succeed(command.arg(credentials))?;
    let key = credentials.join("key");
    proxy::write(&key, &format!("x-api-key: {KEY}\n"))?;
    Ok(vec![credentials.join("authorization"), key])
}

fn create(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("creating `{}`", directory.display()))
}
