//! The steps of the pipelines.
//!
//! A step takes its own compiled plan and what earlier steps learned, and returns what it learned
//! or a rejection. No step knows another; their order stands in [`crate::pipeline`] alone.

pub mod proof;
pub mod attempt;
pub mod bucket;
pub mod cors;
pub mod measure;
mod signed;
pub mod source_limit;
pub mod policy;
pub mod authorize;
pub mod decide;
pub mod api_key;
pub mod concurrency;
pub mod admit;
pub mod allowance;
pub mod decode;
pub mod schemas;
pub mod validate;
pub mod conform;
pub mod compress;
