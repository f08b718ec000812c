//! `gateway export API`.

use std::process::ExitCode;

use super::orders;
use super::output::Output;
use super::target::{Target, TargetArguments};
use crate::config::{self, ExportFormat, Exported};
use crate::daemon::deployments::exported;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::model::DeploymentNumber;

/// Options of `gateway export`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name or id of the API.
    api: String,
    /// Stage whose deployment is written. Default: the only one.
    #[arg(long, conflicts_with_all = ["deployment", "file"])]
    stage: Option<String>,
    /// Number of the deployment that is written.
    #[arg(long, value_name = "NUMBER", value_parser = orders::deployment, conflicts_with = "file")]
    deployment: Option<u32>,
    /// Write what the configuration says, deployed or not.
    #[arg(long)]
    file: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value = "yaml")]
    format: Format,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let stage = arguments.stage.as_deref();
    let number = match (arguments.file, arguments.deployment) {
        (true, _) => None,
        (false, Some(number)) => Some(number),
        (false, None) => Some(orders::served(&target, &arguments.api, stage, output)?),
    };
    let format = match arguments.format {
        Format::Yaml => ExportFormat::Yaml,
        Format::Json => ExportFormat::Json,
    };
    let request = Request::Export {
        api: arguments.api.clone(),
        number,
        format,
    };
    let exported = match call(&target.admin_socket, &request) {
        Ok(Response::Exported(exported)) => exported,
        Ok(_) => return Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => alone(&target, &arguments.api, number, format)?,
        Err(error) => return Err(error.into()),
    };
    output.line(exported.text.trim_end());
    if !exported.left.is_empty() {
        let left = exported.left.join(", ");
        output.error(&format!("left to the configuration: {left}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes it while no gateway runs.
fn alone(
    target: &Target,
    api: &str,
    number: Option<u32>,
    format: ExportFormat,
) -> anyhow::Result<Exported> {
    let path = target.config.as_deref();
    let path = path.ok_or_else(orders::unknown_configuration)?;
    let configuration = config::open(path).map_err(|report| anyhow::anyhow!("{report}"))?;
    let opened = |number| Ok::<_, anyhow::Error>((orders::open(target)?, DeploymentNumber(number)));
    let deployment = number.map(opened).transpose()?;
    let deployment = deployment.as_ref().map(|(store, number)| (store, *number));
    Ok(exported(&configuration, api, deployment, format)?)
}
