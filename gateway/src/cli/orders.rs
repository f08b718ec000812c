//! Orders about deployments, and what is known of them: through the gateway while one runs, and in
//! its state directory while none does.

use std::collections::BTreeMap;
use std::path::Path;

use super::output::Output;
use super::target::Target;
use crate::config::{self, Diagnostic};
use crate::daemon::deployment_report::{ApiReport, reports};
use crate::daemon::deployments::{Expected, Ordered, order_alone, order_before_start, plan, text};
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::model::DeploymentNumber;
use crate::store::deployment::{DeploymentError, DeploymentStore, Ledger, Order};
use crate::telemetry::operator_log::explain;

/// Has an order followed, and prints what came of it.
pub(super) fn send(
    target: &Target,
    api: &str,
    order: Order,
    output: &mut Output,
) -> anyhow::Result<()> {
    let ordered = Ordered {
        api: api.to_owned(),
        order,
    };
    let request = Request::Order {
        ordered: ordered.clone(),
    };
    match call(&target.admin_socket, &request) {
        Ok(answer) => output.line(&answer.done()?),
        Err(CallError::NotRunning(_)) => {
            let notes = write(target, &ordered, output)?;
            output.error("no gateway is running: the next one serves this");
            output.line(&notes.join("; "));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Follows an order while no gateway runs.
fn write(target: &Target, ordered: &Ordered, output: &mut Output) -> anyhow::Result<Vec<String>> {
    let (ledger, store) = if ordered.order.reads_file() {
        let path = target.config.as_deref();
        let path = path.ok_or_else(unknown_configuration)?;
        deployed(target, path, ordered, output)?
    } else {
        let store = open(target)?;
        (followed(target, &store, ordered, output)?, store)
    };
    store.write(&ledger).map_err(not_kept)?;
    Ok(ledger.notes().to_vec())
}

/// Where it is in doubt what was kept, nobody is left to put it right once this command has ended.
fn not_kept(error: DeploymentError) -> anyhow::Error {
    match error {
        error @ DeploymentError::InDoubt { .. } => anyhow::Error::new(error).context(
            "no gateway runs that could put this right: once the disk is sound, look with `gateway \
             deployments` and repeat the order where it was not followed",
        ),
        error => error.into(),
    }
}

/// What comes of an order that does not read the file. Where that is known, the next gateway has to be
/// able to start with it; a file that is broken keeps nothing from being rolled back.
fn followed(
    target: &Target,
    store: &DeploymentStore,
    ordered: &Ordered,
    output: &mut Output,
) -> anyhow::Result<Ledger> {
    const UNCHECKED: &str = "whether the next gateway can start with this is not known";
    let Some(path) = &target.config else {
        output.error(&format!(
            "{UNCHECKED}: name its configuration with --config"
        ));
        return Ok(order_alone(store, ordered)?);
    };
    let configuration = match config::open(path) {
        Ok(configuration) => configuration,
        Err(report) => {
            output.error(&format!(
                "{UNCHECKED}, because its configuration is refused:\n{report}"
            ));
            return Ok(order_alone(store, ordered)?);
        }
    };
    let found = order_before_start(store, &configuration, ordered)?;
    match found.start {
        Ok(Expected { notes, warnings }) => {
            warn(&warnings, output);
            if !notes.is_empty() {
                output.error(&format!(
                    "the configuration has changed, and when a gateway starts with it {}",
                    notes.join("; ")
                ));
            }
        }
        Err(error) => output.error(&format!(
            "no gateway starts with this configuration, with this order or without it:\n{}",
            explain(&error)
        )),
    }
    Ok(found.ledger)
}

fn deployed(
    target: &Target,
    path: &Path,
    ordered: &Ordered,
    output: &mut Output,
) -> anyhow::Result<(Ledger, DeploymentStore)> {
    let configuration = config::open(path).map_err(|report| anyhow::anyhow!("{report}"))?;
    let store = DeploymentStore::open(&target.state_directory)?;
    let planned = plan(&store, &configuration, Some(ordered))?;
    warn(&planned.loaded.warnings, output);
    Ok((planned.ledger, store))
}

fn warn(warnings: &[Diagnostic], output: &mut Output) {
    for warning in warnings {
        output.error(&format!("warning: {warning}"));
    }
}

/// Everything that is known of deployments.
pub(super) fn known(target: &Target, output: &mut Output) -> anyhow::Result<Vec<ApiReport>> {
    match call(&target.admin_socket, &Request::Deployments) {
        Ok(Response::Deployments { apis }) => Ok(apis),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => {
            let found = reports(&open(target)?.read()?);
            output.error("no gateway is running: what the next one finds");
            Ok(found)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is known of the API of this name or id.
pub(super) fn api(target: &Target, asked: &str, output: &mut Output) -> anyhow::Result<ApiReport> {
    let apis = known(target, output)?;
    let found = apis
        .iter()
        .find(|api| api.api == asked && api.gone_unix_seconds.is_none())
        .or_else(|| apis.iter().find(|api| api.id == asked));
    found
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("there is no API `{asked}`: `gateway status` lists them"))
}

/// The deployment that a stage serves; without a name the only one.
pub(super) fn served(
    target: &Target,
    asked: &str,
    stage: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<u32> {
    let api = api(target, asked, output)?;
    let names: Vec<&str> = api
        .stages
        .iter()
        .map(|stage| stage.stage.as_str())
        .collect();
    let found = match (stage, api.stages.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => anyhow::bail!("name one of its stages with --stage: {}", names.join(", ")),
        (Some(name), stages) => stages.iter().find(|stage| stage.stage == name),
    };
    let (asked, name) = (stage.unwrap_or_default(), &api.api);
    let found = found.ok_or_else(|| {
        let names = names.join(", ");
        anyhow::anyhow!("the API `{name}` has no stage `{asked}`: there are {names}")
    })?;
    Ok(found.deployment)
}

/// What a deployment froze; without a number, what the configuration of the gateway that runs says
/// now.
pub(super) fn frozen(target: &Target, api: &str, number: Option<u32>) -> anyhow::Result<String> {
    let request = Request::DeploymentText {
        api: api.to_owned(),
        number,
    };
    match (call(&target.admin_socket, &request), number) {
        (Ok(Response::DeploymentText { text }), _) => Ok(text),
        (Ok(_), _) => Err(CallError::OtherAnswer.into()),
        (Err(CallError::NotRunning(_)), Some(number)) => {
            let store = open(target)?;
            Ok(text(&store, api, DeploymentNumber(number))?)
        }
        (Err(CallError::NotRunning(_)), None) => Err(unknown_configuration()),
        (Err(error), _) => Err(error.into()),
    }
}

pub(super) fn unknown_configuration() -> anyhow::Error {
    anyhow::anyhow!(
        "no gateway is running that knows its configuration: name the file with --config"
    )
}

pub(super) fn open(target: &Target) -> anyhow::Result<DeploymentStore> {
    if !DeploymentStore::exists(&target.state_directory) {
        let (instance, directory) = (&target.instance, target.state_directory.display());
        anyhow::bail!(
            "no gateway `{instance}` has kept deployments in `{directory}` yet: start it, or name \
             its configuration with --config"
        );
    }
    Ok(DeploymentStore::open(&target.state_directory)?)
}

/// `NAME=VALUE`, for `clap`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The number of a deployment.
pub(super) fn deployment(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a number that `gateway deployments` lists".to_owned())
}

/// Variables by name.
pub(super) fn variables(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::deployment::disk_tests::Refused;

    #[test]
    fn who_orders_alone_is_told_to_look_where_it_is_in_doubt_what_was_kept() {
        let said = format!("{:#}", not_kept(Refused::new(0).error));
        assert!(
            said.contains("look with `gateway deployments` and repeat"),
            "{said}"
        );
    }
}
