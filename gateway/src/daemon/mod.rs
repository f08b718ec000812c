//! The life of the process: start, reload, drain, and the socket the command line speaks to.
//!
//! The main thread starts everything in the one order that works (sockets and kernel first, then
//! fewer rights, then threads) and becomes the control thread: signals, reloads, key sets, the
//! admin socket and the metrics page run on it and never touch a request. Requests run on workers.

mod options;
mod start;
mod ground;
mod control;
mod worker;
mod listeners;
mod lists;
pub mod deployment_report;
mod decisions;
pub mod deployments;
pub mod usage;
mod keys;
mod credentials;
mod reload;
mod settling;
mod trip_wire;
mod attack;
mod background;
mod admin;
pub mod api_key_report;
pub mod api_keys;
mod metrics_page;
mod figures;
mod fleet;
mod edge_figures;
mod explain;
pub mod stage_figures;
mod route_figures;
mod concurrency_figures;
pub mod lock;
pub mod names;
pub mod penalties;
mod penalty_figures;
pub mod throttled;
pub mod privilege;
pub mod protocol;

pub use options::Options;
pub use start::{StartError, run};
