//! Orders over the admin socket about remembered decisions.

use std::sync::Arc;

use super::admin::Reached;
use crate::snapshot::Snapshot;
use crate::step::decide::lookup::owner;
use crate::store::decision::{Decisions, Whose};

/// Forgets what is remembered of an authorizer or a lookup, or about a principal, of which one is named.
/// Once this has returned, no worker answers by what was found out before.
///
/// # Errors
/// None or several are named, or nobody bears the name of the authorizer or the lookup.
pub(super) async fn flush(
    authorizer: Option<String>,
    lookup: Option<String>,
    principal: Option<String>,
    reached: &Reached,
) -> Result<String, String> {
    let decisions = Arc::clone(&reached.decisions);
    let (what, forget): (String, Box<dyn FnOnce() -> usize + Send>) =
        match (authorizer, lookup, principal) {
            (Some(name), None, None) => {
                check_authorizer(&name, &reached.snapshot.load(), &decisions)?;
                let what = format!("decisions of authorizer `{name}`");
                let forget = move || decisions.forget(Whose::Authorizer(&name));
                (what, Box::new(forget))
            }
            (None, Some(name), None) => {
                check_lookup(&name, &decisions)?;
                let what = format!("records of lookup `{name}`");
                let forget = move || decisions.forget(Whose::Authorizer(&owner(&name)));
                (what, Box::new(forget))
            }
            (None, None, Some(name)) => {
                let what = format!("decisions about `{name}`");
                let forget = move || decisions.forget(Whose::Principal(&name));
                (what, Box::new(forget))
            }
            _ => return Err("name an authorizer, a lookup or a principal".to_owned()),
        };
    // There may be millions of them.
    let forgotten = tokio::task::spawn_blocking(forget).await;
    let forgotten = forgotten.map_err(|died| format!("forgetting: {died}"))?;
    tracing::info!(forgotten, "{what} are forgotten");
    Ok(format!("{forgotten} remembered {what} are forgotten"))
}

/// A slip in the name must not pass for success.
fn check_authorizer(name: &str, snapshot: &Snapshot, decisions: &Decisions) -> Result<(), String> {
    let running = snapshot.authorizers.iter();
    let mut names: Vec<String> = running.map(|it| it.model.name.to_string()).collect();
    // Some have gone, and left decisions.
    names.extend(decisions.counts().into_iter().map(|counts| counts.name));
    check_name("authorizer", name, names)
}

/// Those that a file answers remember nothing, and have no name here.
fn check_lookup(name: &str, decisions: &Decisions) -> Result<(), String> {
    let owners = decisions.counts().into_iter();
    let names = owners.filter_map(|it| Some(it.name.strip_prefix(&owner(""))?.to_owned()));
    check_name("lookup that remembers", name, names.collect())
}

fn check_name(what: &str, name: &str, mut names: Vec<String>) -> Result<(), String> {
    names.sort_unstable();
    names.dedup();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let there = match names.as_slice() {
        [] => "there is none".to_owned(),
        names => format!("there are `{}`", names.join("`, `")),
    };
    Err(format!("no {what} is called `{name}`: {there}"))
}
