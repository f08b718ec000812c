//! What an API does, apart from where it answers: what a deployment freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::language::media_type::BinaryMediaTypes;
use crate::language::policy::Policy;

use super::{Cors, GatewayResponses, KeySource, Route};

/// What an API does. Each of its stages serves one, and stages may serve different ones.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Who may call it from where; REST APIs only.
    pub policy: Option<Arc<Policy>>,
    /// What pages of other origins may do; HTTP APIs only. `None` leaves that to the backends.
    pub cors: Option<Cors>,
    /// Smallest body of an answer that is compressed, 0 to 10 MiB; `None` compresses none. REST
    /// APIs only.
    pub compression_bytes_min: Option<u64>,
    /// How it words what it refuses; REST APIs only.
    pub gateway_responses: GatewayResponses,
    /// What bodies may be, as JSON Schema draft 4, by name; REST APIs only.
    pub models: BTreeMap<String, serde_json::Value>,
    /// What its integrations that are no proxies take for binary; REST APIs only.
    pub binary_media_types: BinaryMediaTypes,
    /// Where the API keys of requests are read from; REST APIs only.
    pub key_source: KeySource,
    /// Its routes in the order of the file. Route keys are unique within the API.
    pub routes: Vec<Route>,
}
