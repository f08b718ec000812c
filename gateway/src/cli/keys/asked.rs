//! API keys through the gateway while one runs, and in its state directory while none does.

use crate::cli::output::Output;
use crate::cli::target::Target;
use crate::config;
use crate::daemon::api_key_report::{KeyOutcome, KeyReport};
use crate::daemon::api_keys;
use crate::daemon::protocol::{CallError, Request, Response, call, call_with};
use crate::model::ApiKeySettings;
use crate::store::api_key::{
    ApiKeyError, ApiKeyStore, FollowError, KeyOrder, KeyRules, KnownPlans, Unsaid,
};

/// What is to change.
pub(super) enum Change {
    /// As an order says.
    Order(KeyOrder),
    /// A key is made of each row of a file.
    Import {
        file: Vec<u8>,
        fail_on_warnings: bool,
    },
}

/// Has keys changed.
pub(super) fn change(
    target: &Target,
    change: Change,
    output: &mut Output,
) -> anyhow::Result<KeyOutcome> {
    let answer = match &change {
        Change::Order(order) => {
            let order = order.clone();
            call(&target.admin_socket, &Request::KeyOrder { order })
        }
        Change::Import {
            file,
            fail_on_warnings,
        } => {
            let request = Request::KeyImport {
                bytes: file.len() as u64,
                fail_on_warnings: *fail_on_warnings,
            };
            call_with(&target.admin_socket, &request, file)
        }
    };
    match answer {
        Ok(Response::KeysChanged(outcome)) => Ok(outcome),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => {
            let order = match change {
                Change::Order(order) => order,
                Change::Import {
                    file,
                    fail_on_warnings,
                } => api_keys::import(file, fail_on_warnings)?,
            };
            let outcome = alone(target, &order, output)?;
            output.error("no gateway is running: the next one knows this");
            Ok(outcome)
        }
        Err(error) => Err(error.into()),
    }
}

/// Follows an order while no gateway runs.
fn alone(target: &Target, order: &KeyOrder, output: &mut Output) -> anyhow::Result<KeyOutcome> {
    let makes_keys = matches!(order, KeyOrder::Create(_) | KeyOrder::Import { .. });
    let rules = match order {
        KeyOrder::Create(_) | KeyOrder::Import { .. } | KeyOrder::Attach { .. } => {
            rules(target, makes_keys, output)?
        }
        KeyOrder::Enable { .. }
        | KeyOrder::Disable { .. }
        | KeyOrder::Delete { .. }
        | KeyOrder::Detach { .. } => no_rules(),
    };
    let store = if makes_keys {
        ApiKeyStore::open(&target.state_directory)?
    } else {
        open(target)?
    };
    api_keys::follow(&store, &rules, order).map_err(not_kept)
}

/// What the configuration says, where it is named.
fn rules(target: &Target, makes_keys: bool, output: &mut Output) -> anyhow::Result<KeyRules> {
    let Some(path) = &target.config else {
        if makes_keys {
            output.error(
                "whether values are to be readable is not known, so they are not: name the \
                 configuration with --config",
            );
        }
        return Ok(no_rules());
    };
    let configuration = config::open(path).map_err(|report| anyhow::anyhow!("{report}"))?;
    Ok(api_keys::rules(configuration.gateway()))
}

/// What holds where no configuration is known.
fn no_rules() -> KeyRules {
    KeyRules {
        keys_max: ApiKeySettings::KEYS_MAX,
        keeps_values: false,
        plans: KnownPlans::default(),
    }
}

/// Where it is in doubt what was kept, nobody is left to put it right once this command has ended.
fn not_kept(error: FollowError) -> anyhow::Error {
    let is_in_doubt = matches!(error, FollowError::Store(ApiKeyError::InDoubt { .. }));
    let error = anyhow::Error::new(error);
    if is_in_doubt {
        return error.context(
            "no gateway runs that could put this right: once the disk is sound, look with `gateway \
             keys list` and repeat the order where it was not followed",
        );
    }
    error
}

/// Every key that there is, of those that belong to `plan` where one is named.
pub(super) fn list(
    target: &Target,
    plan: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Vec<KeyReport>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let request = Request::Keys {
            after,
            plan: plan.map(str::to_owned),
        };
        let (page, has_more) = match call(&target.admin_socket, &request) {
            Ok(Response::Keys { keys, has_more }) => (keys, has_more),
            Ok(_) => return Err(CallError::OtherAnswer.into()),
            // Not where the gateway has stopped meanwhile: the next one may know others.
            Err(CallError::NotRunning(_)) if all.is_empty() => return saved(target, plan, output),
            Err(error) => return Err(error.into()),
        };
        all.extend(page);
        after = all.last().map(|key: &KeyReport| key.id.clone());
        if !has_more {
            return Ok(all);
        }
    }
}

fn saved(
    target: &Target,
    plan: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Vec<KeyReport>> {
    let keys = open(target)?.keys().all();
    let rules = no_rules();
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let (page, has_more) = api_keys::page(&keys, &rules, after.as_deref(), plan)?;
        all.extend(page);
        after = all.last().map(|key: &KeyReport| key.id.clone());
        if !has_more {
            break;
        }
    }
    output.error("no gateway is running: what the next one finds");
    Ok(all)
}

/// What is told of a key, with its value where that is asked for.
pub(super) fn show(
    target: &Target,
    id: &Unsaid,
    with_value: bool,
    output: &mut Output,
) -> anyhow::Result<(KeyReport, Option<Unsaid>)> {
    let request = Request::Key {
        id: id.clone(),
        with_value,
    };
    match call(&target.admin_socket, &request) {
        Ok(Response::Key { key, value }) => Ok((key, value)),
        Ok(_) => Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => {
            let found = api_keys::show(&open(target)?, &no_rules(), id, with_value)?;
            output.error("no gateway is running: what the next one finds");
            Ok(found)
        }
        Err(error) => Err(error.into()),
    }
}

fn open(target: &Target) -> anyhow::Result<ApiKeyStore> {
    if !ApiKeyStore::exists(&target.state_directory) {
        let (instance, directory) = (&target.instance, target.state_directory.display());
        anyhow::bail!(
            "no gateway `{instance}` has API keys in `{directory}` yet: make one with `gateway keys \
             create`, or name its configuration with --config"
        );
    }
    Ok(ApiKeyStore::open(&target.state_directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::api_key::disk_tests::Refused;

    #[test]
    fn who_orders_alone_is_told_to_look_where_it_is_in_doubt_what_was_kept() {
        let said = format!("{:#}", not_kept(Refused::new(0).error));
        assert!(
            said.contains("look with `gateway keys list` and repeat"),
            "{said}"
        );
    }
}
