//! `gateway diff API`: what changes between deployments, or against the configuration.

use std::process::ExitCode;

use serde::Serialize;

use super::orders;
use super::output::Output;
use super::target::{Target, TargetArguments};
use crate::config::{self, Detail, Difference, difference};
use crate::daemon::deployments::described;

/// Options of `gateway diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name or id of the API.
    api: String,
    /// Number of the deployment to compare. Default: the one that the stage serves.
    #[arg(value_name = "FROM", value_parser = orders::deployment, conflicts_with = "stage")]
    from: Option<u32>,
    /// Number of the deployment to compare it with. Default: what the configuration says.
    #[arg(value_name = "TO", value_parser = orders::deployment, requires = "from")]
    to: Option<u32>,
    /// Stage whose deployment is compared with what the configuration says. Default: the only one.
    #[arg(long)]
    stage: Option<String>,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let from = match arguments.from {
        Some(number) => number,
        None => orders::served(&target, &arguments.api, arguments.stage.as_deref(), output)?,
    };
    let api = &arguments.api;
    let before = orders::frozen(&target, api, Some(from))?;
    let after = match arguments.to {
        Some(number) => orders::frozen(&target, api, Some(number))?,
        None => file(&target, api)?,
    };
    let from = format!("deployment {from}");
    let to = match arguments.to {
        Some(number) => format!("deployment {number}"),
        None => "the configuration".to_owned(),
    };
    let found = difference((&from, &before), (&to, &after));
    let found = found.map_err(|report| anyhow::anyhow!("{report}"))?;
    if arguments.json {
        output.line(&serde_json::to_string(&json(&from, &to, &found))?);
    } else {
        output.line(&text(&from, &to, &found));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the configuration says now: the one that was named or, of the gateway that runs, its own.
fn file(target: &Target, api: &str) -> anyhow::Result<String> {
    let Some(path) = &target.config else {
        return orders::frozen(target, api, None);
    };
    let configuration = config::open(path).map_err(|report| anyhow::anyhow!("{report}"))?;
    Ok(described(&configuration, api)?.text.to_string())
}

#[derive(Serialize)]
struct Json<'a> {
    from: &'a str,
    to: &'a str,
    settings: Vec<JsonDetail<'a>>,
    routes_added: &'a [String],
    routes_removed: &'a [String],
    routes_changed: Vec<JsonRoute<'a>>,
}

#[derive(Serialize)]
struct JsonRoute<'a> {
    route: &'a str,
    settings: Vec<JsonDetail<'a>>,
}

#[derive(Serialize)]
struct JsonDetail<'a> {
    setting: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

fn json<'a>(from: &'a str, to: &'a str, found: &'a Difference) -> Json<'a> {
    let details = |details: &'a [Detail]| {
        let details = details.iter().map(|detail| JsonDetail {
            setting: &detail.setting,
            before: detail.before.as_deref(),
            after: detail.after.as_deref(),
        });
        details.collect()
    };
    Json {
        from,
        to,
        settings: details(&found.settings),
        routes_added: &found.added,
        routes_removed: &found.removed,
        routes_changed: found
            .changed
            .iter()
            .map(|changed| JsonRoute {
                route: &changed.route,
                settings: details(&changed.settings),
            })
            .collect(),
    }
}

fn text(from: &str, to: &str, found: &Difference) -> String {
    if found.is_none() {
        return format!("{from} and {to} say the same");
    }
    let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "(not written)".to_owned());
    let line = |detail: &Detail| {
        let (before, after) = (side(&detail.before), side(&detail.after));
        format!("{}: {before} -> {after}", detail.setting)
    };
    let mut lines = vec![format!("from {from} to {to}:")];
    lines.extend(
        found
            .settings
            .iter()
            .map(|detail| format!("~ {}", line(detail))),
    );
    lines.extend(found.removed.iter().map(|route| format!("- {route}")));
    lines.extend(found.added.iter().map(|route| format!("+ {route}")));
    for changed in &found.changed {
        lines.push(format!("~ {}", changed.route));
        let settings = changed.settings.iter();
        lines.extend(settings.map(|detail| format!("    {}", line(detail))));
    }
    lines.join("\n")
}
