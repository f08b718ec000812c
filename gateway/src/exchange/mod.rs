//! What one request carries through the steps.
//!
//! A step reads what earlier steps learned from the [`Exchange`] and writes what it learns into
//! it; no step asks another. Whatever happens, the exchange ends in one access-log record.

mod peer;
mod identity;
mod gateway_response;
mod rejection;
mod request_id;

pub use gateway_response::GatewayResponse;
pub use identity::Identity;
pub use peer::{ClientAddress, Connection, PeerAddress, TlsFacts, Told, forwarded_for};
pub use rejection::{Reason, Rejection, ResponseType};
pub use request_id::{RequestId, RequestIds};

use std::rc::Rc;

use crate::model::ApiKind;
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
    /// Scheme it came by.
    pub scheme: &'static str,
    /// Its access-log record, written when the last byte has left or the client has.
    pub record: OpenRecord,
}
