//! A service of AWS that can be called.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::credentials::{NoCredentials, Provider};
use super::{Service, SignError, sign};
use crate::body::BodyBudget;
use crate::model::AwsTarget;
use crate::upstream::{self, CallBounds, Pool, UpstreamPlan, call};

/// A service in a region, the way to it, and what calls are signed with.
#[derive(Debug)]
pub struct Client {
    service: Service,
    /// What its URL has before the paths of the service; without `/` at its end.
    base_path: String,
    plan: Arc<UpstreamPlan>,
    credentials: Arc<Provider>,
}

/// What a worker calls with.
#[derive(Clone, Copy, Debug)]
pub struct Calling<'a> {
    /// Its connections.
    pub pool: &'a Rc<Pool>,
    /// What answers are read into.
    pub budget: &'a BodyBudget,
    /// How much is waited for and read.
    pub bounds: CallBounds,
    /// Seconds since 1970.
    pub now: u64,
}

/// Why a service gave no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is nothing to sign with.
    #[error(transparent)]
    Credentials(#[from] NoCredentials),
    /// The call cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It was sent, or was to be, and nothing whole came back.
    #[error(transparent)]
    Call(#[from] upstream::CallError),
}

impl Client {
    /// A client of the service at `target`, to which `plan` leads.
    #[must_use]
    pub fn new(target: &AwsTarget, plan: Arc<UpstreamPlan>, credentials: Arc<Provider>) -> Self {
        Self {
            service: Service {
                name: target.service.name(),
                region: target.region.clone(),
            },
            base_path: target.remote.path.trim_end_matches('/').to_owned(),
            plan,
            credentials,
        }
    }

    /// Whether `other` signs with credentials of the same place.
    #[must_use]
    pub fn signs_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.credentials, &other.credentials)
    }

    /// What stands before the paths of the service; empty or starting with `/` and not ending with it.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Signs `request` and gives the answer, whatever its status.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection it uses.
    pub async fn call(
        &self,
        mut request: Request<Bytes>,
        calling: Calling<'_>,
    ) -> Result<Response<Bytes>, CallError> {
        let credentials = self.credentials.current(calling.now)?;
        let (host, service) = (&self.plan.host, &self.service);
        sign(&mut request, host, service, &credentials, calling.now)?;
        let Calling {
            pool,
            budget,
            bounds,
            ..
        } = calling;
        Ok(call(pool, &self.plan, request, bounds, budget).await?)
    }
}
