//! The steps of the pipelines; no step knows another.

pub mod authorize;
