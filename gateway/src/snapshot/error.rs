//! Why a configuration cannot run.

use crate::aws::credentials::SourceError;
use crate::language::schema::SchemaError;
use crate::language::selection::SelectionError;
use crate::model::{ApiName, AuthorizerName, RouteKey, StageName, Unopened};
use crate::step::authorize::jwt::KeySetError;
use crate::store::bucket::SlotsFull;
use crate::upstream::UpstreamError;
use crate::upstream::tls::RootsError;

/// Why a configuration that means something cannot run here and now.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// An authorizer's keys.
    #[error("authorizer `{name}`")]
    Authorizer {
        /// Its name.
        name: AuthorizerName,
        /// What is wrong.
        source: KeySetError,
    },
    /// The keys of an authorizer that a deployment has kept, while the gateway runs.
    #[error(
        "authorizer `{name}`, which a deployment has kept: put its keys right and reload, or have \
         another deployment served: {ways_out}"
    )]
    FrozenAuthorizer {
        /// Its name.
        name: AuthorizerName,
        /// The commands for that.
        ways_out: String,
        /// What is wrong.
        source: KeySetError,
    },
    /// What calls of AWS are signed with.
    #[error("aws.credentials")]
    Credentials(#[from] SourceError),
    /// The access keys of an authorizer that a deployment has kept, while the gateway runs.
    #[error(
        "authorizer `{name}`, which a deployment has kept: {why}: put its file right and reload, or \
         have another deployment served: {ways_out}"
    )]
    AccessKeys {
        /// Its name.
        name: AuthorizerName,
        /// The commands for that.
        ways_out: String,
        /// What is wrong.
        why: String,
    },
    /// An upstream's address.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The system's root certificates, needed for HTTPS upstreams and key sets.
    #[error("root certificates")]
    Roots(#[from] RootsError),
    /// The certificate that a stage shows backends.
    #[error("client certificate of the stage `{stage}` of `{api}`")]
    ClientCertificate {
        /// The API.
        api: ApiName,
        /// The stage.
        stage: StageName,
        /// What is wrong.
        source: Unopened,
    },
    /// More buckets than there are slots.
    #[error("{0}")]
    Slots(SlotsFull),
    /// Patterns that select integration responses.
    #[error("integration responses of `{route}`")]
    Selection {
        /// The route.
        route: RouteKey,
        /// What is wrong.
        source: SelectionError,
    },
    /// What an API tells pages of other origins.
    #[error("cors of `{api}`")]
    Cors {
        /// The API.
        api: ApiName,
        /// What is wrong.
        source: http::header::InvalidHeaderValue,
    },
    /// Models of request bodies.
    #[error("models of `{api}`")]
    Models {
        /// The API.
        api: ApiName,
        /// What is wrong.
        source: SchemaError,
    },
    /// The model names something it does not hold; the configuration should have refused it.
    #[error("`{route}` names `{missing}`, which is not configured")]
    Dangling {
        /// The route.
        route: String,
        /// What it names.
        missing: String,
    },
}
