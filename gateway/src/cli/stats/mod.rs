//! `gateway stats`: what the kernel edge and the buckets counted.
//!
//! Reads the pinned maps itself, so it works while no gateway runs. Without a kernel edge it reads
//! the mapped file, and says so.

pub(super) mod penalties;
mod report;
mod stages;
mod text;
mod throttled;

use std::process::ExitCode;
use std::time::Duration;

use super::output::Output;
use super::source::Source;
use super::target::TargetArguments;
use crate::clock;
use crate::daemon::names::Names;
use report::Report;

/// Time between two readings of `--watch`.
const PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `gateway stats`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
    /// Print again every second with the rates since the last time, until interrupted.
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let source = Source::find(&target)?;
    let names = source.names().unwrap_or_else(|error| {
        output.error(&format!("warning: {error:#}"));
        Names::default()
    });
    let mut before: Option<Report> = None;
    let mut is_told = false;
    loop {
        // A reload may have changed them.
        let names = source.names().unwrap_or_else(|_told_before| names.clone());
        let at_ns = clock::monotonic_ns();
        let counted = source.counted()?;
        let owing = source.debts(at_ns)?.callers.len();
        let (instance, attachments) = (&target.instance, source.attachments());
        let mut report = Report::new(instance, attachments, (&counted, owing), &names);
        report.at_ns = at_ns;
        if let Some(before) = &before {
            report.add_rates(before);
        }
        let (stages, hindrance) = stages::counted(&target)?;
        if let Some(hindrance) = hindrance.filter(|_| !is_told) {
            output.error(&format!(
                "warning: what stages counted is not shown: {hindrance}"
            ));
            is_told = true;
        }
        let callers = throttled::callers(&target, &names)?;
        let penalties = penalties::penalties(&target)?;
        if arguments.json {
            let whole = stages::Whole {
                report: &report,
                stages: &stages,
                throttled_callers: &callers,
                penalties: penalties.as_ref(),
            };
            output.line(&serde_json::to_string(&whole)?);
        } else {
            output.line(&text::text(&report));
            let tables = [
                penalties
                    .as_ref()
                    .and_then(|it| penalties::table(it, &report)),
                throttled::table(&report.throttles, &callers),
                stages::table(&stages),
            ];
            for table in tables.into_iter().flatten() {
                output.line(&table);
            }
        }
        if !arguments.watch || output.is_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        before = Some(report);
        std::thread::sleep(PERIOD);
    }
}
