//! Services of AWS: what calls of them are signed with, and who calls them.

use std::sync::Arc;

use super::backends::{Backends, Place};
use super::{CompileError, Compiler, Snapshot};
use crate::aws::Client;
use crate::aws::credentials::{Environment, Provider, Source, SourceError, TIMEOUT};
use crate::clock::Clock;
use crate::model::{AwsTarget, Gateway, Upstream};

/// The services that a snapshot calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Services<'m> {
    backends: &'m Backends<'m>,
    /// Nothing is called without.
    credentials: Option<&'m Arc<Provider>>,
}

impl<'m> Services<'m> {
    pub(super) const fn new(
        backends: &'m Backends<'m>,
        credentials: Option<&'m Arc<Provider>>,
    ) -> Self {
        Self {
            backends,
            credentials,
        }
    }

    /// A client of the service at `target`, one of [`Gateway::remotes`], for what is called `for_whom`.
    ///
    /// # Errors
    /// The model has neither a way there nor credentials; its configuration should have been refused.
    pub(super) fn client(
        &self,
        for_whom: &str,
        target: &AwsTarget,
    ) -> Result<Arc<Client>, CompileError> {
        let dangling = |missing: &str| CompileError::Dangling {
            route: for_whom.to_owned(),
            missing: missing.to_owned(),
        };
        let origin = &target.remote.origin;
        let plan = self.backends.find(Place::Origin(origin), None);
        let plan = plan.ok_or_else(|| dangling(&origin.host))?;
        let credentials = self.credentials.ok_or_else(|| dangling("aws"))?;
        let client = Client::new(target, Arc::clone(plan), Arc::clone(credentials));
        Ok(Arc::new(client))
    }
}

impl Compiler {
    /// The credentials of `model`, if it is to have any. As long as they come from the same place those of
    /// `previous` go on, and need not be asked for again.
    pub(super) fn credentials(
        &self,
        model: &Gateway,
        previous: Option<&Snapshot>,
    ) -> Result<Option<Arc<Provider>>, CompileError> {
        let Some(aws) = &model.aws else {
            return Ok(None);
        };
        let environment = Environment::of_process().map_err(SourceError::from)?;
        let source = Source::find(&aws.credentials, &environment)?;
        let running = previous.and_then(|previous| previous.credentials.as_ref());
        if let Some(running) = running.filter(|running| *running.source() == source) {
            return Ok(Some(Arc::clone(running)));
        }
        let plan = match source.url() {
            None => None,
            Some(url) => {
                let upstream = Upstream {
                    connect_timeout: TIMEOUT,
                    ..Upstream::of_origin(&url.origin)
                };
                Some(self.upstream(&upstream, None)?)
            }
        };
        let provider = Provider::new(source, plan, Clock::system());
        Ok(Some(Arc::new(provider)))
    }
}
