//! Orders over the admin socket about remembered decisions.

use std::sync::Arc;

use super::admin::Reached;
use crate::snapshot::Snapshot;
use crate::store::decision::{Decisions, Whose};

/// Forgets what is remembered of an authorizer or a principal, of which one is named. Once this has
/// returned, no worker answers by what was decided before.
///
/// # Errors
/// Neither or both are named, or nobody bears the name of the authorizer.
pub(super) async fn flush(
    authorizer: Option<String>,
    principal: Option<String>,
    reached: &Reached,
) -> Result<String, String> {
    let decisions = Arc::clone(&reached.decisions);
    let (what, forget): (String, Box<dyn FnOnce() -> usize + Send>) = match (authorizer, principal)
    {
        (Some(name), None) => {
            check_authorizer(&name, &reached.snapshot.load(), &decisions)?;
            let what = format!("of authorizer `{name}`");
            let forget = move || decisions.forget(Whose::Authorizer(&name));
            (what, Box::new(forget))
        }
        (None, Some(name)) => {
            let what = format!("about `{name}`");
            let forget = move || decisions.forget(Whose::Principal(&name));
            (what, Box::new(forget))
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err("name either an authorizer or a principal".to_owned());
        }
    };
    // There may be millions of them.
    let forgotten = tokio::task::spawn_blocking(forget).await;
    let forgotten = forgotten.map_err(|died| format!("forgetting: {died}"))?;
    tracing::info!(forgotten, "decisions {what} are forgotten");
    Ok(format!(
        "{forgotten} remembered decisions {what} are forgotten"
    ))
}

/// A slip in the name must not pass for success.
fn check_authorizer(name: &str, snapshot: &Snapshot, decisions: &Decisions) -> Result<(), String> {
    let running = snapshot.authorizers.iter();
    let mut names: Vec<String> = running.map(|it| it.model.name.to_string()).collect();
    // Some have gone, and left decisions.
    names.extend(decisions.counts().into_iter().map(|counts| counts.name));
    names.sort_unstable();
    names.dedup();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let there = match names.as_slice() {
        [] => "there is none".to_owned(),
        names => format!("there are `{}`", names.join("`, `")),
    };
    Err(format!("no authorizer is called `{name}`: {there}"))
}
