//! The steps of the pipelines; no step knows another.
