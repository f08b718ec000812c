//! `cargo xtask bench abuse`: what is left to honest clients while others ignore their limits.
//!
//! Honest clients offer three tenths of what the proxy can do, steadily; ten clients with API keys of their own
//! offer nine times as much and do not listen to what comes back. Windows without and with them alternate, and
//! so do the gateway, with its penalties and without the kernel, and nginx with `limit_req`. In each window the
//! others come on new connections, so that each has the second in which they are told before they are slowed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use super::http::{self, Asked, OTHER_CPU, PROXY_CPU, printed, window};
use super::proxy::{self, Limits, Proxy};
use super::report::{Budget, Case, Report, median};
use super::task::Task;
use crate::process::{self, Programs};

/// Windows of each kind, unless told otherwise.
pub(super) const WINDOWS: u16 = 5;

/// Length of a window.
const SECONDS: f64 = 5.0;
const WINDOW_MS: u64 = 5_000;
/// Length of the window in which it is found out what a proxy can do.
const CAPACITY_MS: u64 = 2_000;
/// Clients who do not listen.
const ABUSERS: usize = 10;
/// Connections of honest clients.
const HONEST: u16 = 32;
/// Where either come from.
const HONEST_SOURCE: &str = "127.0.0.2";
const ABUSIVE_SOURCE: &str = "127.0.0.3";

/// What honest clients saw.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Answers as expected, per second.
    goodput: f64,
    p99_us: f64,
}

/// Windows of one proxy.
#[derive(Debug, Default)]
struct Windows {
    quiet: Vec<Seen>,
    abused: Vec<Seen>,
    /// Requests per second that others got rid of.
    sent: Vec<f64>,
}

/// A proxy, and what is asked of it.
#[derive(Debug)]
struct Subject<'a> {
    name: &'static str,
    proxy: &'a Proxy,
    path: &'static str,
    /// Requests per second of honest clients.
    rate: u64,
}

/// The files of headers that clients show.
#[derive(Debug)]
struct Shown {
    honest: PathBuf,
    abusers: Vec<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// What is missing on this machine.
pub(super) fn run(json: bool, windows: u16) -> anyhow::Result<Report> {
    let programs = http::programs()?;
    let directory = proxy::directory()?;
    let (_upstream, upstream) = process::upstream(&programs.workbench, Some(OTHER_CPU))?;
    let (shown, keys) = write_keys(&directory)?;
    let task = (PROXY_CPU, &Task::Plans { keys });
    let gateway = Proxy::gateway_for(&programs, &directory, upstream, task)?;
    let nginx = Proxy::nginx(&programs, &directory, upstream, (PROXY_CPU, Limits::PerKey))?;

    let mut subjects = vec![("gateway", &gateway, "/prod/fixed")];
    subjects.extend(nginx.as_ref().map(|nginx| ("nginx", nginx, "/fixed")));
    let subjects = subjects.into_iter().map(|(name, proxy, path)| {
        let headers = std::slice::from_ref(&shown.honest);
        let asked = Asked {
            path,
            status: 200,
            headers,
            authority: None,
        };
        let answers = window(&programs.workbench, proxy.address(), &asked, CAPACITY_MS)?;
        let capacity = answers.requests * 1_000 / CAPACITY_MS;
        Ok(Subject {
            name,
            proxy,
            path,
            rate: (capacity * 3 / 10).max(1),
        })
    });
    let subjects = subjects.collect::<anyhow::Result<Vec<_>>>()?;
    let mut found: Vec<Windows> = subjects.iter().map(|_| Windows::default()).collect();
    for _ in 0..windows {
        for (subject, found) in subjects.iter().zip(&mut found) {
            found.quiet.push(honest(&programs, subject, &shown)?);
            let abuse = abuse(&programs, subject, &shown)?;
            found.abused.push(honest(&programs, subject, &shown)?);
            let abuse = abuse.wait_with_output().context("waiting for the abuse")?;
            found
                .sent
                .push(number(&printed(&abuse)?, "sent")? / SECONDS);
        }
    }
    let mut report = Report::default();
    for (subject, found) in subjects.iter().zip(&found) {
        report.cases.extend(cases(subject, found)?);
        report.notes.push(format!(
            "{}: {} requests per second of honest clients; others want to send {}, and get rid of {:.0}",
            subject.name,
            subject.rate,
            subject.rate * 9,
            median(&found.sent).context("windows")?
        ));
    }
    report.notes.push(
        "goodput: answers per second to honest clients; p99 in microseconds from when a request was due; the \
         baselines are windows without abuse"
            .to_owned(),
    );
    report.print(json)
}

fn cases(subject: &Subject<'_>, found: &Windows) -> anyhow::Result<[Case; 2]> {
    let of = |windows: &[Seen], value: fn(&Seen) -> f64| -> Vec<f64> {
        windows.iter().map(value).collect()
    };
    let is_ours = subject.name == "gateway";
    let case = |what: &str, unit: &str, value: fn(&Seen) -> f64, budget| {
        let name = format!("{}_{what}_abused", subject.name);
        let (abused, quiet) = (of(&found.abused, value), of(&found.quiet, value));
        let case = Case::new(&name, unit, &abused, Some(&quiet))?;
        Ok::<_, anyhow::Error>(Case {
            budget: is_ours.then_some(budget),
            ..case
        })
    };
    Ok([
        case(
            "goodput",
            "1/s",
            |seen| seen.goodput,
            Budget::Keeps { keeps: 0.95 },
        )?,
        case(
            "p99",
            "us",
            |seen| seen.p99_us,
            Budget::Over {
                ratio: 2.0,
                increment: 0.0,
            },
        )?,
    ])
}

/// One window of honest clients.
fn honest(programs: &Programs, subject: &Subject<'_>, shown: &Shown) -> anyhow::Result<Seen> {
    let mut command = client(programs, "steady", (HONEST_SOURCE, subject.rate));
    command
        .args(["--connections", &HONEST.to_string()])
        .arg("--headers")
        .arg(&shown.honest)
        .arg(subject.proxy.address().to_string())
        .arg(subject.path)
        .stderr(Stdio::inherit());
    let output = command.output().context("starting honest clients")?;
    let told = printed(&output)?;
    Ok(Seen {
        goodput: (number(&told, "requests")? - number(&told, "unexpected")?) / SECONDS,
        p99_us: number(&told, "p99_us")?,
    })
}

fn number(told: &Value, name: &str) -> anyhow::Result<f64> {
    let found = told.get(name).and_then(Value::as_f64);
    found.with_context(|| format!("clients told no `{name}`"))
}

/// Sets those to work who do not listen, for one window.
fn abuse(
    programs: &Programs,
    subject: &Subject<'_>,
    shown: &Shown,
) -> anyhow::Result<std::process::Child> {
    let headers = shown.abusers.iter();
    let headers = headers.flat_map(|file| [Path::new("--headers"), file.as_path()]);
    let mut command = client(programs, "abuse", (ABUSIVE_SOURCE, subject.rate * 9));
    command
        .args(headers)
        .arg(subject.proxy.address().to_string())
        .arg(subject.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command.spawn().context("starting the abuse")
}

fn client(programs: &Programs, what: &str, (source, rate): (&str, u64)) -> Command {
    let mut command = Command::new(&programs.workbench);
    command
        .args([what, "--parent", &std::process::id().to_string()])
        .args(["--cpu", &OTHER_CPU.to_string()])
        .args(["--rate", &rate.to_string()])
        .args(["--milliseconds", &WINDOW_MS.to_string()])
        .args(["--source", source]);
    command
}

/// Writes the keys as `gateway keys import` takes them, and as clients show them.
fn write_keys(directory: &Path) -> anyhow::Result<(Shown, PathBuf)> {
    let value = |number: usize| format!("{number:0>40}");
    let shown = |number: usize| {
        let path = directory.join(format!("headers-{number}"));
        proxy::write(&path, &format!("x-api-key: {}\n", value(number)))?;
        anyhow::Ok(path)
    };
    let mut csv = format!("Key,UsagePlanIds\n{},honest\n", value(0));
    let mut abusers = Vec::new();
    for number in 1..=ABUSERS {
        csv.push_str(&format!("{},abuser\n", value(number)));
        abusers.push(shown(number)?);
    }
    let keys = directory.join("keys.csv");
    proxy::write(&keys, &csv)?;
    let honest = shown(0)?;
    Ok((Shown { honest, abusers }, keys))
}
