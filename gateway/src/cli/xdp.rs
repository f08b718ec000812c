//! `gateway xdp`: the kernel edge's links, by hand.
//!
//! `apply` does what a gateway without privileges cannot: it loads the program of this binary,
//! attaches and replaces. `detach` takes away what a stopped gateway left. `status` looks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output::Output;
use super::target::TargetArguments;
use super::xdp_status;
use crate::config;
use crate::daemon::privilege::Identity;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::model::{Gateway, OnExit};
use crate::store::list::{Lists, Moment};
use crate::telemetry::operator_log::explain;
use crate::xdp::{self, Attachment, Detached};

/// Arguments of `gateway xdp`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Attach as the configuration says and replace the program without a gap, as root. A running
    /// gateway is told and reads its configuration again.
    Apply {
        /// Configuration file, the one that the gateway runs with.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Take away what a stopped gateway left: the programs, and with them limits, lists and
    /// counters in the kernel.
    Detach {
        /// Only the program on this interface; everything else stays.
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show interfaces, programs, flags and memory.
    Status {
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Apply { config } => apply(config, output),
        Action::Detach { interface, target } => {
            detach(interface.as_deref(), &target.resolve()?, output)
        }
        Action::Status { json, target } => xdp_status::run(&target.resolve()?, *json, output),
    }
}

fn apply(path: &Path, output: &mut Output) -> anyhow::Result<ExitCode> {
    let loaded = config::load(path).map_err(|report| anyhow::anyhow!("{report}"))?;
    for warning in &loaded.warnings {
        output.error(&format!("warning: {warning}"));
    }
    let gateway = loaded.gateway;
    match call(&gateway.admin.socket, &Request::Hello) {
        Ok(_) => apply_beside(path, &gateway, output),
        Err(CallError::NotRunning(_)) => apply_alone(&gateway, output),
        Err(error) => Err(error.into()),
    }
}

/// What holds when nobody knows whether the gateway has heard.
const UNTOLD: &str = "the programs are attached, but the gateway did not say that it follows: look \
                      with `gateway xdp status`, then `gateway reload`";

fn apply_beside(path: &Path, gateway: &Gateway, output: &mut Output) -> anyhow::Result<ExitCode> {
    let config = std::fs::canonicalize(path)
        .with_context(|| format!("cannot resolve `{}`", path.display()))?;
    let identity = Identity::resolve(gateway.user.as_deref(), gateway.group.as_deref())?;
    let applied =
        xdp::apply_beside(gateway, (identity.user, identity.group)).map_err(with_remedy)?;
    let request = Request::XdpApply {
        config,
        interfaces: applied.interfaces().to_vec(),
    };
    match call(&gateway.admin.socket, &request).and_then(Response::done) {
        Ok(message) => {
            show(applied.attachments(), applied.notes(), output);
            output.line(&message);
            Ok(ExitCode::SUCCESS)
        }
        Err(CallError::Refused(message)) => {
            applied.undo().context("detaching again")?;
            bail!("the gateway refused, and what was attached anew is detached again: {message}")
        }
        // It may have followed already: taking programs away behind its back would be worse.
        Err(error) => Err(anyhow::Error::new(error).context(UNTOLD)),
    }
}

fn apply_alone(gateway: &Gateway, output: &mut Output) -> anyhow::Result<ExitCode> {
    let identity = Identity::resolve(gateway.user.as_deref(), gateway.group.as_deref())?;
    xdp::may_apply(gateway).map_err(with_remedy)?;
    // Before anything judges: a list that cannot be read must not leave half an edge behind.
    let lists = Lists::open(&gateway.state_directory, Moment::now())?;
    identity.own(&gateway.state_directory)?;
    let unsaved = lists.install_or_owe(lists.prepare(&gateway.lists)?)?;
    let edge = xdp::apply_alone(gateway, |sink| {
        lists.attach(sink)?;
        lists.retire()
    })
    .map_err(with_remedy)?;
    edge.hand_over(identity.user, identity.group)?;
    show(edge.attachments(), edge.notes(), output);
    for unguarded in edge.unguarded() {
        output.error(&format!(
            "warning: `{}` carries no program: {}",
            unguarded.interface, unguarded.cause
        ));
    }
    edge.shutdown(OnExit::Keep)?;
    output.line("no gateway is running: the next `gateway run` takes over without a gap");
    let Some(unsaved) = unsaved else {
        return Ok(ExitCode::SUCCESS);
    };
    // Nobody is left who would try again, and other commands go by what is saved.
    output.error(&format!(
        "all of this is in force, but {}: repeat this command when they can be, before any other that \
         changes lists",
        explain(&unsaved)
    ));
    Ok(ExitCode::FAILURE)
}

fn show(attachments: &[Attachment], notes: &[String], output: &mut Output) {
    for attachment in attachments {
        let how = if attachment.adopted {
            "program replaced without a gap"
        } else {
            "program attached"
        };
        let (interface, mode) = (&attachment.interface, attachment.mode.name());
        output.line(&format!("{interface}: {how}, {mode} mode"));
    }
    for note in notes {
        output.error(&format!("note: {note}"));
    }
}

fn detach(
    interface: Option<&str>,
    target: &super::target::Target,
    output: &mut Output,
) -> anyhow::Result<ExitCode> {
    let instance = &target.instance;
    let detached = match xdp::detach(instance, interface) {
        Err(error @ xdp::EdgeError::InstanceRunning { .. }) => {
            let advice = match interface {
                Some(name) => format!(
                    "take `{name}` out of `xdp.interfaces` and run `gateway xdp apply`, or stop \
                     the gateway first"
                ),
                None => "stop the gateway first; to run it without XDP, set `xdp.mode: off` and \
                         start it again"
                    .to_owned(),
            };
            return Err(anyhow::Error::new(error).context(advice));
        }
        outcome => outcome?,
    };
    match (detached, interface) {
        (Detached::Everything, _) => output.line(&format!(
            "instance `{instance}`: programs, limits, lists and counters are gone from the kernel"
        )),
        (Detached::Interface, name) => output.line(&format!(
            "instance `{instance}`: `{}` carries no program any more",
            name.unwrap_or_default()
        )),
        (Detached::Nothing, Some(name)) => {
            bail!(
                "instance `{instance}` has pinned nothing for `{name}`: `gateway xdp status` shows what it has"
            )
        }
        (Detached::Nothing, None) => {
            bail!(
                "instance `{instance}` has pinned nothing: name another one with --instance or --config"
            )
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what to run, where the error itself does not.
fn with_remedy(error: xdp::EdgeError) -> anyhow::Error {
    match error.remedy() {
        Some(remedy) => anyhow::Error::new(error).context(remedy),
        None => error.into(),
    }
}
