//! `gateway explain --request-id ID`: what became of a request.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use super::request::RequestArguments;
use crate::cli::output::Output;
use crate::cli::time::moment;
use crate::daemon::protocol::{Request, Response, call};
use crate::telemetry::recent::Kept;

pub(super) fn run(
    id: &str,
    arguments: &RequestArguments,
    output: &mut Output,
) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let request = Request::Recent { id: id.to_owned() };
    let requests = match call(&target.admin_socket, &request)? {
        Response::Recent { requests } => requests,
        other => {
            other.done()?;
            bail!("the gateway answered something else: is it of another version?");
        }
    };
    if requests.is_empty() {
        bail!(
            "the gateway does not know `{id}`: it keeps the last requests alone \
             (telemetry.recent_requests); the access log has older ones"
        );
    }
    for kept in &requests {
        if arguments.json {
            output.line(&serde_json::to_string(kept)?);
        } else {
            output.line(&text(kept));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One request, a line for each thing that is known.
fn text(kept: &Kept) -> String {
    let method = kept.method.as_deref().unwrap_or_default();
    let status = kept.status.map(|status| status.to_string());
    let mut lines = vec![format!("{method} {}{}", kept.host, kept.path)];
    let mut line = |name: &str, said: Option<&str>| {
        if let Some(said) = said {
            lines.push(format!("  {name:<12} {said}"));
        }
    };
    line("at", Some(&moment(kept.time_unix_ms / 1_000)));
    line("listener", Some(&kept.listener));
    line("client", kept.client.as_deref());
    line("destination", destination(kept).as_deref());
    line("route", kept.route.as_deref());
    line("authorizer", kept.authorizer.as_deref());
    line("caller", kept.subject.as_deref());
    line("decided by", kept.decided_by.as_deref());
    let policies = Some(kept.policies.join(", "));
    line("policies", policies.as_deref().filter(|it| !it.is_empty()));
    line("monitored", kept.monitored.as_deref());
    let upstream = kept.upstream_status.map(|status| status.to_string());
    line("upstream", upstream.as_deref());
    line(
        "status",
        Some(status.as_deref().unwrap_or("the client had left")),
    );
    line("reason", kept.reason.as_deref());
    line("detail", kept.detail.as_deref());
    let took = humantime::format_duration(Duration::from_micros(kept.duration_us));
    line("took", Some(&took.to_string()));
    lines.join("\n")
}

fn destination(kept: &Kept) -> Option<String> {
    let mut said = format!("API `{}`", kept.api.as_ref()?);
    if let Some(stage) = &kept.stage {
        said.push_str(&format!(", stage `{stage}`"));
    }
    if let Some(number) = kept.deployment {
        said.push_str(&format!(", deployment {number}"));
    }
    if kept.canary {
        said.push_str(", its canary");
    }
    Some(said)
}
