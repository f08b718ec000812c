//! `gateway doctor`: what this host has and lacks for the kernel edge.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::output::Output;
use crate::config;
use crate::xdp::doctor::{Finding, Level, examine};

/// Arguments of `gateway doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; without one the host and every interface that is up are examined.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// The worst level of all.
    level: &'static str,
    findings: Vec<Reported>,
}

#[derive(Serialize)]
struct Reported {
    level: &'static str,
    subject: String,
    text: String,
    command: Option<String>,
    source: Option<&'static str>,
}

/// Exit code 1 where something fails, so that a deployment can depend on it.
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let gateway = match &arguments.config {
        Some(path) => {
            let loaded =
                config::load_settings(path).map_err(|report| anyhow::anyhow!("{report}"))?;
            Some(loaded.gateway)
        }
        None => None,
    };
    let findings = examine(gateway.as_ref())?;
    let worst = findings.iter().map(|finding| finding.level).max();
    let worst = worst.unwrap_or(Level::Ok);
    if arguments.json {
        let report = Report {
            level: worst.name(),
            findings: findings.into_iter().map(reported).collect(),
        };
        output.line(&serde_json::to_string(&report)?);
    } else {
        for finding in &findings {
            output.line(&text(finding));
        }
    }
    Ok(if worst == Level::Fail {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn reported(finding: Finding) -> Reported {
    Reported {
        level: finding.level.name(),
        subject: finding.subject,
        text: finding.text,
        command: finding.command,
        source: finding.source,
    }
}

/// The finding, and below it what changes it and what says so.
fn text(finding: &Finding) -> String {
    let level = format!("[{}]", finding.level.name());
    let mut lines = vec![format!("{level:<6} {}: {}", finding.subject, finding.text)];
    if let Some(command) = &finding.command {
        lines.push(format!("       to change this: {command}"));
    }
    if let Some(source) = finding.source {
        lines.push(format!("       source: {source}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_and_source_stand_below_their_finding() {
        let finding = Finding {
            level: Level::Warn,
            subject: "jit".to_owned(),
            text: "it is off".to_owned(),
            command: Some("sudo on".to_owned()),
            source: Some("book"),
        };
        assert_eq!(
            text(&finding),
            "[warn] jit: it is off\n       to change this: sudo on\n       source: book"
        );
    }
}
