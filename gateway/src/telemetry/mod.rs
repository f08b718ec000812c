//! What the gateway says about itself: one access-log record per request, the steps of those that are
//! followed, metrics for Prometheus, and the operator's log through `tracing`.

pub mod access_log;
pub mod caller_name;
pub mod decider;
pub mod heavy_hitters;
pub mod latency;
pub mod execution_log;
pub mod logs;
pub mod metrics;
pub mod operator_log;
pub mod recent;
pub mod stage_counts;
