//! What a file or an order makes of deployments, for the daemon and, while none runs, for the
//! command line.

use serde::{Deserialize, Serialize};

use super::admin::Reached;
use super::deployment_report::reports;
use super::protocol::{Request, Response};
use crate::clock;
use crate::config::{
    self, Configuration, Diagnostic, ExportFormat, Exported, Loaded, check_stage_variables,
};
use crate::model::{ApiId, ApiName, DeploymentNumber, Described};
use crate::store::deployment::{DeploymentError, DeploymentStore, Ledger, Order, Refusal};
use crate::telemetry::operator_log::explain;

/// An order with the API that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordered {
    /// Its name or id.
    pub api: String,
    /// What is to become of it.
    pub order: Order,
}

/// What is going to be, and has changed nothing yet.
#[derive(Debug)]
pub struct Planned {
    /// What will be known of deployments.
    pub ledger: Ledger,
    /// What the configuration means then.
    pub loaded: Loaded,
}

/// Why there is nothing to go ahead with.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The order.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The variables that a stage would have.
    #[error("the stage `{stage}`: {problem}")]
    Variables {
        /// The stage.
        stage: String,
        /// What is wrong with them.
        problem: String,
    },
    /// Stages would serve what does not fit the configuration.
    #[error("{0}")]
    Config(crate::config::Report),
    /// The store.
    #[error("deployments")]
    Store(#[from] DeploymentError),
}

/// Plans what `configuration` and, if there is one, an order make of what the store knows.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(
    store: &DeploymentStore,
    configuration: &Configuration,
    ordered: Option<&Ordered>,
) -> Result<Planned, PlanError> {
    let mut ledger = store.read()?;
    let Some(Ordered { api, order }) = ordered else {
        return follow(store, configuration, ledger);
    };
    ledger.order(
        &configuration.described(),
        api,
        order,
        clock::unix_seconds(),
    )?;
    check_variables(&ledger, api)?;
    place(store, configuration, ledger)
}

/// Plans what `configuration` makes of what is known.
fn follow(
    store: &DeploymentStore,
    configuration: &Configuration,
    mut ledger: Ledger,
) -> Result<Planned, PlanError> {
    ledger.follow(&configuration.described(), clock::unix_seconds())?;
    place(store, configuration, ledger)
}

/// Plans what stages serve by what is known.
fn place(
    store: &DeploymentStore,
    configuration: &Configuration,
    ledger: Ledger,
) -> Result<Planned, PlanError> {
    let described = configuration.described();
    let placements = ledger.placements(&described, |id, number| store.text(id, number))?;
    let loaded = configuration.placed(&placements);
    Ok(Planned {
        loaded: loaded.map_err(PlanError::Config)?,
        ledger,
    })
}

/// Follows an order where no configuration is known, and none is needed.
///
/// # Errors
/// See [`PlanError`].
pub fn order_alone(store: &DeploymentStore, ordered: &Ordered) -> Result<Ledger, PlanError> {
    let mut ledger = store.read()?;
    ledger.order(&[], &ordered.api, &ordered.order, clock::unix_seconds())?;
    check_variables(&ledger, &ordered.api)?;
    Ok(ledger)
}

/// What came of an order while no gateway runs.
#[derive(Debug)]
pub struct BeforeStart {
    /// What will be known of deployments.
    pub ledger: Ledger,
    /// What a start makes of that; or why it fails, as it would without the order.
    pub start: Result<Expected, PlanError>,
}

/// What a start makes of an order.
#[derive(Debug)]
pub struct Expected {
    /// What becomes of deployments besides, in words.
    pub notes: Vec<String>,
    /// What probably should change before.
    pub warnings: Vec<Diagnostic>,
}

/// As [`order_alone`], for a gateway that is to start with `configuration`.
///
/// # Errors
/// See [`PlanError`]. Also where a gateway could start without the order and could not with it.
pub fn order_before_start(
    store: &DeploymentStore,
    configuration: &Configuration,
    ordered: &Ordered,
) -> Result<BeforeStart, PlanError> {
    let ledger = order_alone(store, ordered)?;
    let start = match follow(store, configuration, ledger.clone()) {
        Ok(planned) => {
            let notes = planned.ledger.notes().iter();
            Ok(Expected {
                notes: notes.skip(ledger.notes().len()).cloned().collect(),
                warnings: planned.loaded.warnings,
            })
        }
        Err(error) if plan(store, configuration, None).is_ok() => return Err(error),
        // What fits no better without it is put right order by order.
        Err(error) => Err(error),
    };
    Ok(BeforeStart { ledger, start })
}

/// Variables that came with an order are judged as those of the file are.
fn check_variables(ledger: &Ledger, api: &str) -> Result<(), PlanError> {
    let (_, api) = ledger.find(api)?;
    for (name, stage) in &api.stages {
        check_stage_variables(&stage.all_variables()).map_err(|problem| PlanError::Variables {
            stage: name.to_string(),
            problem,
        })?;
    }
    Ok(())
}

/// Answers a request about deployments that changes nothing.
pub(super) async fn answer(request: Request, reached: &Reached) -> Response {
    let store = reached.deployments.clone();
    let outcome = match request {
        Request::Deployments => {
            let ledger = blocking(store, DeploymentStore::read).await;
            ledger.map(|ledger| Response::Deployments {
                apis: reports(&ledger),
            })
        }
        Request::DeploymentText { api, number } => {
            let path = reached.config.clone();
            let text = blocking(store, move |store| match number {
                Some(number) => text(store, &api, DeploymentNumber(number)),
                None => {
                    let configuration = config::open(&path).map_err(PlanError::Config)?;
                    Ok(described(&configuration, &api)?.text.to_string())
                }
            });
            let text = text.await;
            text.map(|text| Response::DeploymentText { text })
        }
        Request::Export {
            api,
            number,
            format,
        } => {
            let path = reached.config.clone();
            let running = reached.configuration.load_full();
            let text = blocking(store, move |store| match number {
                // What was frozen needs no file, which may be broken just now.
                Some(number) => {
                    let number = DeploymentNumber(number);
                    exported(&running, &api, Some((store, number)), format)
                }
                None => {
                    let written = config::open(&path).map_err(PlanError::Config)?;
                    exported(&written, &api, None, format)
                }
            });
            let exported = text.await;
            exported.map(Response::Exported)
        }
        _ => Err("this is no request about deployments".to_owned()),
    };
    outcome.unwrap_or_else(|message| Response::Refused { message })
}

/// What a configuration says of the API of this name or id.
///
/// # Errors
/// [`Refusal::NoApi`].
pub fn described(configuration: &Configuration, asked: &str) -> Result<Described, Refusal> {
    let described = configuration.described();
    let by_name = described.iter().find(|api| api.name.as_str() == asked);
    let found = by_name.or_else(|| described.iter().find(|api| api.id.as_str() == asked));
    found.cloned().ok_or_else(|| Refusal::NoApi {
        asked: asked.to_owned(),
        names: described.iter().map(|api| api.name.to_string()).collect(),
    })
}

/// A definition of the API of this name or id as OpenAPI: what a deployment of this number in the
/// store froze or, without one, what the configuration says. Of a deployment the configuration only
/// tells which authorizers definitions have made, and how the API is reached.
///
/// # Errors
/// There is none of this name or number, or the store's.
pub fn exported(
    configuration: &Configuration,
    asked: &str,
    deployment: Option<(&DeploymentStore, DeploymentNumber)>,
    format: ExportFormat,
) -> Result<Exported, PlanError> {
    let (name, id, text, version) = match deployment {
        Some((store, number)) => {
            let Frozen { name, id, text } = frozen(store, asked, number)?;
            (name, id, text, number.to_string())
        }
        None => {
            let api = described(configuration, asked)?;
            (api.name, api.id, api.text.to_string(), "1.0".to_owned())
        }
    };
    let exported = configuration.export(&name, &id, &text, &version, format);
    exported.map_err(PlanError::Config)
}

/// What a deployment of the API of this name or id froze.
///
/// # Errors
/// There is none of this number, or the store's.
pub fn text(
    store: &DeploymentStore,
    api: &str,
    number: DeploymentNumber,
) -> Result<String, PlanError> {
    Ok(frozen(store, api, number)?.text)
}

/// What a deployment froze, and of which API.
struct Frozen {
    name: ApiName,
    id: ApiId,
    text: String,
}

fn frozen(
    store: &DeploymentStore,
    api: &str,
    number: DeploymentNumber,
) -> Result<Frozen, PlanError> {
    let ledger = store.read()?;
    let (id, found) = ledger.find(api)?;
    if !found.deployments.contains_key(&number) {
        let api = found.name.clone();
        return Err(Refusal::NoDeployment { api, number }.into());
    }
    Ok(Frozen {
        name: found.name.clone(),
        id: id.clone(),
        text: store.text(id, number)?.to_string(),
    })
}

/// Does something with the store on a thread that may block.
pub(super) async fn blocking<T: Send + 'static, E: std::error::Error + Send + 'static>(
    store: DeploymentStore,
    work: impl FnOnce(&DeploymentStore) -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(outcome) => outcome.map_err(|error| explain(&error)),
        Err(died) => Err(format!("deployments: {died}")),
    }
}
