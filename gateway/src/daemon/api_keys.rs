//! Orders and questions about API keys, for the daemon and, while none runs, for the command line.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use super::admin::Reached;
use super::api_key_report::{KeyOutcome, KeyReport};
use super::protocol::{Request, Response, TIMEOUT};
use crate::clock;
use crate::model::{ApiKeyId, ApiName, Gateway, KeyValues, StageName, UsagePlanName};
use crate::store::api_key::{
    ApiKeyStore, CSV_BYTES_MAX, FollowError, Followed, KeyOrder, KeyRefusal, KeyRules, KeySet,
    KnownPlans, Unsaid,
};
use crate::store::key_ring::KeyRings;
use crate::telemetry::operator_log::explain;

/// Keys that one answer lists. Their texts take less than the longest answer, whatever they are.
const PAGE_KEYS_MAX: usize = 1_000;

/// What a configuration says of keys.
#[must_use]
pub fn rules(gateway: &Gateway) -> KeyRules {
    KeyRules {
        keys_max: gateway.api_keys.keys_max,
        keeps_values: gateway.api_keys.values == KeyValues::Encrypted,
        plans: KnownPlans(Some(plans(gateway))),
    }
}

/// The usage plans of a configuration, each with its stages.
fn plans(gateway: &Gateway) -> BTreeMap<UsagePlanName, BTreeSet<(ApiName, StageName)>> {
    let plans = gateway.usage_plans.iter().map(|plan| {
        let stages = plan.stages.iter();
        let stages = stages.map(|stage| (stage.api.clone(), stage.stage.clone()));
        (plan.name.clone(), stages.collect())
    });
    plans.collect()
}

/// Follows an order while no gateway runs, and notes it in the log.
///
/// # Errors
/// See [`FollowError`].
pub fn follow(
    store: &ApiKeyStore,
    rules: &KeyRules,
    order: &KeyOrder,
) -> Result<KeyOutcome, FollowError> {
    let followed = store.follow(order, rules, clock::unix_seconds())?;
    Ok(noted(followed))
}

/// As [`follow`], in a gateway that runs: its requests are matched against what was made of it by then.
fn follow_at_once(
    store: &ApiKeyStore,
    rings: &KeyRings,
    rules: &KeyRules,
    order: &KeyOrder,
) -> Result<KeyOutcome, FollowError> {
    let mut ring = None;
    let followed = store.follow_if(order, rules, clock::unix_seconds(), |keys| {
        let made = rings.prepare_keys(keys);
        ring = Some(made.map_err(|error| KeyRefusal::Unusable(explain(&error)))?);
        Ok(())
    })?;
    let mut outcome = noted(followed);
    if let Some(ring) = ring
        && let Err(error) = rings.install_keys(ring, clock::monotonic_ns())
    {
        let error = explain(&error);
        tracing::error!(error, "requests are matched against the API keys before");
        outcome.warnings.push(format!(
            "this is kept, and requests are matched against the keys before until it is put right: \
             {error}"
        ));
    }
    Ok(outcome)
}

fn noted(followed: Followed) -> KeyOutcome {
    let outcome = KeyOutcome::new(followed);
    tracing::info!(left_out = outcome.left_out, "{}", outcome.note);
    outcome
}

/// What is told of keys behind the one with the id `after`, or from the first on, of those that belong
/// to `plan` where one is named; and whether there are more.
///
/// # Errors
/// The id or the name is none.
pub fn page(
    keys: &KeySet,
    rules: &KeyRules,
    after: Option<&str>,
    plan: Option<&str>,
) -> Result<(Vec<KeyReport>, bool), KeyRefusal> {
    let after = after.map(ApiKeyId::parse).transpose()?;
    let plan = plan.map(UsagePlanName::parse).transpose()?;
    let (page, has_more) = keys.page(after.as_ref(), plan.as_ref(), PAGE_KEYS_MAX);
    let reports = page.iter().map(|key| KeyReport::new(key, rules));
    Ok((reports.collect(), has_more))
}

/// What is told of a key, with its value where that is asked for.
///
/// # Errors
/// See [`FollowError`].
pub fn show(
    store: &ApiKeyStore,
    rules: &KeyRules,
    id: &Unsaid,
    with_value: bool,
) -> Result<(KeyReport, Option<Unsaid>), FollowError> {
    let parsed = ApiKeyId::parse(id.expose()).map_err(KeyRefusal::from)?;
    let all = store.keys().all();
    let key = all.find(&parsed).ok_or(KeyRefusal::NoKey(parsed))?;
    let report = KeyReport::new(key, rules);
    if !with_value {
        return Ok((report, None));
    }
    let value = store.value(id)?;
    tracing::info!("the value of the API key `{}` is shown", key.id);
    Ok((report, Some(Unsaid::new(value.expose().to_owned()))))
}

/// The order to import what a file holds.
///
/// # Errors
/// It is too long, or no text.
pub fn import(file: Vec<u8>, fail_on_warnings: bool) -> Result<KeyOrder, KeyRefusal> {
    if file.len() > CSV_BYTES_MAX {
        return Err(KeyRefusal::TooLong);
    }
    let csv = String::from_utf8(file).map_err(|error| {
        let sound = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        let lines = sound.filter(|byte| **byte == b'\n').count();
        KeyRefusal::NoText {
            line: lines as u64 + 1,
        }
    })?;
    let csv = Unsaid::new(csv);
    Ok(KeyOrder::Import {
        csv,
        fail_on_warnings,
    })
}

/// Answers a request about API keys. What is to be imported follows in `behind`.
///
/// # Errors
/// What was announced does not come, or not in time.
pub(super) async fn answer(
    request: Request,
    behind: &mut (impl AsyncRead + Unpin),
    reached: &Reached,
) -> std::io::Result<Response> {
    let order = match request {
        Request::KeyOrder { order } => Ok(order),
        Request::KeyImport {
            bytes,
            fail_on_warnings,
        } => {
            let mut file = Vec::new();
            if bytes <= CSV_BYTES_MAX as u64 {
                let mut behind = behind.take(bytes);
                timeout(TIMEOUT, behind.read_to_end(&mut file)).await??;
                if file.len() as u64 != bytes {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                import(file, fail_on_warnings)
            } else {
                Err(KeyRefusal::TooLong)
            }
        }
        question => return Ok(answered(question, reached).await),
    };
    let order = match order {
        Ok(order) => order,
        Err(refusal) => {
            let message = refusal.to_string();
            return Ok(Response::Refused { message });
        }
    };
    let rings = reached.rings.clone();
    let outcome = blocking(reached, move |store, rules| {
        follow_at_once(store, &rings, rules, &order)
    })
    .await;
    Ok(match outcome {
        Ok(outcome) => Response::KeysChanged(outcome),
        Err(message) => Response::Refused { message },
    })
}

/// Answers a request that changes nothing.
async fn answered(request: Request, reached: &Reached) -> Response {
    let outcome = match request {
        Request::Keys { after, plan } => {
            let page = blocking(reached, move |store, rules| {
                page(
                    &store.keys().all(),
                    rules,
                    after.as_deref(),
                    plan.as_deref(),
                )
            });
            let page = page.await;
            page.map(|(keys, has_more)| Response::Keys { keys, has_more })
        }
        Request::Key { id, with_value } => {
            let shown = blocking(reached, move |store, rules| {
                show(store, rules, &id, with_value)
            });
            let shown = shown.await;
            shown.map(|(key, value)| Response::Key { key, value })
        }
        _ => Err("this is no request about API keys".to_owned()),
    };
    outcome.unwrap_or_else(|message| Response::Refused { message })
}

/// Does something with the keys, as the configuration that runs has it, on a thread that may block.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + 'static>(
    reached: &Reached,
    work: impl FnOnce(&ApiKeyStore, &KeyRules) -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let store = reached.api_keys.clone();
    let rules = rules(reached.configuration.load().gateway());
    match tokio::task::spawn_blocking(move || work(&store, &rules)).await {
        Ok(outcome) => outcome.map_err(|error| explain(&error)),
        Err(died) => Err(format!("API keys: {died}")),
    }
}
