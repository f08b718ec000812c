//! What one request carries through the steps.
//!
//! A step reads what earlier steps learned from the [`Exchange`] and writes what it learns into
//! it; no step asks another. Whatever happens, the exchange ends in one access-log record.

mod peer;
mod caller;
mod client;
mod client_request;
mod context;
mod decided;
mod endpoint_ids;
mod forwarded;
mod function_call;
mod function_caller;
mod identity;
mod judged;
mod rate_limit;
mod rejection;
mod request_id;
mod restraint;
mod used_key;

pub use caller::Caller;
pub use client::ClientAddress;
pub use client_request::{ClientParameters, ClientRequest};
pub use context::{Context, Deployed, Head, Refused};
pub use decided::{Decided, Refusal};
pub use endpoint_ids::EndpointIds;
pub use function_call::FunctionCall;
pub use function_caller::{FunctionCaller, Said};
pub use identity::Identity;
pub use judged::Judged;
pub use peer::{
    ClientProof, Connection, PeerAddress, SourceAddress, TlsFacts, Told, forwarded_for,
};
pub use rate_limit::RateLimit;
pub use rejection::{Reason, Rejection, ResponseType, ThrottledCaller};
pub use request_id::{RequestId, RequestIds};
pub use restraint::{Carried, Restraint, UnderWay};
pub use used_key::UsedKey;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;

use crate::concurrency::Seat;
use crate::model::{ApiKind, ClientCertificate};
use crate::telemetry::access_log::OpenRecord;

/// One request on its way.
#[derive(Debug)]
pub struct Exchange {
    /// Its name.
    pub id: RequestId,
    /// The connection it came on.
    pub connection: Rc<Connection>,
    /// Who sent it.
    pub client: ClientAddress,
    /// Host it was sent to, lower-cased, without port.
    pub host: String,
    /// What kind of API answers it; an HTTP API as long as none is known.
    pub kind: ApiKind,
    /// What is kept of its head.
    pub head: Head,
    /// The stage that answers it, once one is found.
    pub deployed: Option<Arc<Deployed>>,
    /// Who sent it, once that is known.
    pub caller: Option<Caller>,
    /// The API key that it was counted for, where its route asks for one.
    pub api_key: Option<UsedKey>,
    /// What its authorizer came to, once that has answered.
    pub authorizer: Option<Judged>,
    /// The call of its authorizer's function, where one was made for it.
    pub function: Option<FunctionCall>,
    /// What the resource policy of its API came to, once that was asked.
    pub policy: Option<Judged>,
    /// What the policy set of its route decided, once that was asked.
    pub decided: Option<Decided>,
    /// The certificate that its client presented, where its host asks for one.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The path of the mapping that a custom domain has for it; `None` where a rule led it.
    pub base_path: Option<String>,
    /// Whether its client chose a name for it that is none.
    pub chosen_id_is_invalid: bool,
    /// What its answer says to pages of other origins, instead of what a backend says.
    pub cors: Option<HeaderMap>,
    /// What its answer says is left to its caller, where it says so.
    pub rate_limit: Option<Box<RateLimit>>,
    /// How its backend named it, once that has answered.
    pub endpoint_ids: EndpointIds,
    /// Its seats, of limits on what is under way: left with the last byte of the answer.
    pub seats: Vec<Seat>,
    /// What says on its connection that it is under way, once it is admitted: as long as its seats.
    pub under_way: Option<UnderWay>,
    /// Scheme it came by.
    pub scheme: &'static str,
    /// Its access-log record, written when the last byte has left or the client has.
    pub record: OpenRecord,
}

impl Exchange {
    /// What `$context.requestId` says (15.3 of docs/semantics.md).
    #[must_use]
    pub fn request_id(&self) -> Option<Cow<'_, str>> {
        match self.kind {
            ApiKind::Http => Some(Cow::Owned(self.short_id())),
            ApiKind::Rest if self.chosen_id_is_invalid => {
                Some(Cow::Borrowed("UUID_REPLACED_INVALID_REQUEST_ID"))
            }
            ApiKind::Rest => self
                .record
                .record
                .amzn_request_id
                .as_deref()
                .map(Cow::Borrowed),
        }
    }

    /// Words its line of the access log in the format of its stage, where that has one, with what is
    /// known now; `refused` is what its client was told instead of an answer.
    pub fn word_line(&mut self, refused: Option<Refused<'_>>) {
        let deployed = self.deployed.as_ref();
        let format = deployed.and_then(|deployed| deployed.log_format.clone());
        if let Some(format) = format {
            let context = Context {
                exchange: self,
                refused,
            };
            self.record.line = Some(Box::new(format.render(&context)));
        }
    }

    /// What `$context.extendedRequestId` says.
    #[must_use]
    pub fn short_id(&self) -> String {
        String::from_utf8_lossy(&self.id.short()).into_owned()
    }
}
