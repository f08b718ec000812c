//! What the gateway signs its calls of AWS with.

use std::sync::Arc;

use super::{CompileError, Compiler, Snapshot};
use crate::aws::credentials::{Environment, Provider, Source, SourceError, TIMEOUT};
use crate::clock::Clock;
use crate::model::{Gateway, Upstream};

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
