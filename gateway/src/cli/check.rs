//! `gateway check FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::Output;
use crate::model::Gateway;
use crate::store;
use crate::telemetry::operator_log::explain;

/// Options of `gateway check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Prints every error and warning to standard error, or one line about what the file holds to
/// standard output.
#[expect(clippy::unnecessary_wraps, reason = "every command has this form")]
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let (warnings, outcome) = match crate::config::load(&arguments.file) {
        Ok(loaded) => (loaded.warnings, Ok(loaded.gateway)),
        Err(report) => (report.warnings.clone(), Err(report)),
    };
    for warning in warnings {
        output.error(&format!("warning: {warning}"));
    }
    let unusable = outcome.as_ref().map_or_else(|_| Vec::new(), unusable_lists);
    for error in &unusable {
        output.error(&format!("{}: {error}", arguments.file.display()));
    }
    match outcome {
        Ok(_) if !unusable.is_empty() => Ok(ExitCode::FAILURE),
        Ok(gateway) => {
            output.line(&format!(
                "{}: {}",
                arguments.file.display(),
                summary(&gateway)
            ));
            for line in hosts(&gateway) {
                output.line(&line);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(report) => {
            output.error(&report.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What keeps list files from being read. They are no part of the configuration, because they
/// change while the gateway runs; but without them it does not start.
fn unusable_lists(gateway: &Gateway) -> Vec<String> {
    let named = gateway.lists.named.iter();
    let judged = named.map(|list| {
        let read = store::list::read(&list.file, list.format);
        read.map_err(|error| format!("list `{}`: {}", list.name, explain(&error)))
    });
    judged.filter_map(Result::err).collect()
}

fn summary(gateway: &Gateway) -> String {
    let routes: usize = gateway
        .apis
        .iter()
        .map(|api| api.definition.routes.len())
        .sum();
    format!(
        "ok, {}, {}, {}, {}, {}",
        counted(gateway.listeners.len(), "listener"),
        counted(gateway.apis.len(), "API"),
        counted(routes, "route"),
        counted(gateway.authorizers.len(), "authorizer"),
        counted(gateway.upstreams.len(), "upstream"),
    )
}

/// Where each API answers.
fn hosts(gateway: &Gateway) -> impl Iterator<Item = String> {
    gateway.apis.iter().map(|api| {
        let other = api
            .other_hosts
            .then_some("every host that no other API claims");
        let hosts: Vec<&str> = api.hosts.iter().map(String::as_str).chain(other).collect();
        let hosts = if hosts.is_empty() {
            "custom domains alone".to_owned()
        } else {
            hosts.join(", ")
        };
        format!("API `{}` answers on {hosts}", api.name)
    })
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
