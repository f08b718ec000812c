//! `gateway explain METHOD URL`: what a running gateway would make of a request that nobody sends.
//!
//! The answer is the gateway's own, by the steps that requests take; this command only words it.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::cli::output::Output;
use crate::cli::target::TargetArguments;
use crate::daemon::protocol::{ExplainRequest, Request, Response, call};
use crate::entry::explain::{ExplainedStep, Explanation};

/// Largest token that is read from standard input: no listener takes larger headers.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// Options of `gateway explain METHOD URL`.
#[derive(Debug, clap::Args)]
pub(super) struct RequestArguments {
    /// Method of the request, such as GET.
    #[arg(required_unless_present = "request_id")]
    method: Option<String>,
    /// Absolute URL of the request.
    #[arg(required_unless_present = "request_id")]
    url: Option<String>,
    /// Say what became of the request of this name instead: one of the last ones, by what its client was
    /// told in `apigw-requestid` or `x-amzn-RequestId`.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["method", "url", "headers", "token", "client", "listener", "call"]
    )]
    pub(super) request_id: Option<String>,
    /// A header of the request; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Send this token as `Authorization: Bearer`; `-` reads it from standard input, where no list of
    /// processes shows it.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Address of the client.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// Listener that the request comes to, where scheme and port of the URL do not tell.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Ask others what the gateway does not remember: functions, engines, issuers.
    #[arg(long)]
    call: bool,
    /// Print one JSON object on one line.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) target: TargetArguments,
}

pub(super) fn run(arguments: &RequestArguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let (Some(method), Some(url)) = (&arguments.method, &arguments.url) else {
        bail!("name a method and an absolute URL");
    };
    let target = arguments.target.resolve()?;
    let mut headers = arguments.headers.clone();
    if let Some(token) = &arguments.token {
        headers.push((
            "authorization".to_owned(),
            format!("Bearer {}", read(token)?),
        ));
    }
    let asked = ExplainRequest {
        listener: arguments.listener.clone(),
        client: arguments.client,
        method: method.clone(),
        url: url.clone(),
        headers,
        calls: arguments.call,
    };
    let explanation = match call(&target.admin_socket, &Request::Explain(asked))? {
        Response::Explained(explanation) => explanation,
        other => {
            other.done()?;
            bail!("the gateway answered something else: is it of another version?");
        }
    };
    if arguments.json {
        output.line(&serde_json::to_string(&explanation)?);
    } else {
        output.line(&text(&explanation));
    }
    Ok(ExitCode::SUCCESS)
}

/// A token as it is given, or from standard input.
fn read(token: &str) -> anyhow::Result<String> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(TOKEN_BYTES_MAX);
    input
        .read_to_string(&mut text)
        .context("cannot read a token from standard input")?;
    Ok(text.trim().to_owned())
}

/// `name: value`, as curl takes it.
fn header(written: &str) -> Result<(String, String), String> {
    let (name, value) = written.split_once(':').ok_or("write it as `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn text(explanation: &Explanation) -> String {
    let width = explanation.steps.iter().map(|step| step.step.len()).max();
    let width = width.unwrap_or(0);
    let steps = explanation.steps.iter();
    let steps = steps.map(|ExplainedStep { step, passes, said }| {
        let mark = if *passes { "+" } else { "-" };
        format!("{mark} {step:<width$}  {said}")
    });
    let mut lines: Vec<_> = steps.collect();
    lines.push(match (explanation.status, &explanation.reason) {
        (Some(status), Some(reason)) => {
            let detail = explanation.detail.as_ref();
            let detail = detail
                .map(|detail| format!(": {detail}"))
                .unwrap_or_default();
            format!("refused with {status}, {reason}{detail}")
        }
        _ => "let in".to_owned(),
    });
    lines.join("\n")
}
