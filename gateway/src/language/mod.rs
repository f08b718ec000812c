//! Small languages of API definitions: they import nothing of ours, do no I/O and are bounded.
//!
//! Every text is compiled once, when its definition is loaded, and what it refuses it refuses then.
//! Evaluation asks traits for its values, so the caller decides where they come from and what they
//! cost.

pub mod variable;
pub mod message;
mod json_memory;
pub mod json_path;
pub mod mapping;
mod found_value;
pub mod pattern;
pub mod selection;
pub mod template;
pub mod log_format;
pub mod schema;
pub mod media_type;
pub mod value_glob;
pub mod accept_encoding;
pub mod policy;
pub mod document;
mod members;
pub mod cedar;

pub use json_memory::{memory as parsed_memory, object_memory};
pub use members::Members;
