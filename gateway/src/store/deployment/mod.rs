//! Deployments, on disk: what every API was, and which of it its stages serve.
//!
//! One embedded database in the state directory, of which one process at a time is the only owner:
//! the gateway or, while none runs, the command line. A [`Ledger`] is what it holds without the
//! texts; it decides, in memory, what an order or a changed file makes of it, and is written back
//! whole or not at all. So a reload that fails in between has changed nothing.

mod error;
mod state;
mod order;
mod refusal;
mod ledger;
mod follow;
mod canary;
mod record;
mod database;
mod disk;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod disk_tests;

pub use database::DeploymentStore;
pub use error::DeploymentError;
pub use ledger::Ledger;
pub use order::{NewCanary, Order};
pub use refusal::Refusal;
pub use state::{ApiState, CanaryState, Digest, Frozen, StageState};

/// Deployments kept of one API. Of more, the oldest go that no stage serves.
pub const DEPLOYMENTS_MAX: usize = 100;
/// APIs that no file names any more whose deployments are kept. Of more, those go that have been
/// gone for longest.
pub const GONE_APIS_MAX: usize = 100;
/// Longest description of a deployment, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;
