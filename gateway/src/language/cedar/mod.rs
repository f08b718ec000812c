//! Policies in Cedar, the language of Amazon Verified Permissions.
//!
//! A [`Store`] is read once from texts: policies, the schema that they are held against, and the
//! entities that they speak of. Every mistake in them is told with its place, and a store with one is
//! refused whole. Afterwards it answers questions, by rules that are stricter than Cedar's in one point:
//! a policy that fails on a question is not passed over. What it would have said nobody knows, and it
//! may have been a `forbid`, so the answer is no, whatever the other policies say.
//!
//! Refused besides what Cedar refuses: templates, which nothing links here, and two policies of one id.

mod about;
mod entity;
mod hierarchy;
mod nesting;
mod once;
mod policies;
mod problem;
mod question;
mod reach;
mod store;
mod weight;
mod written;

pub use hierarchy::{ANCESTORS_MAX, FOUND_ANCESTORS_MAX};
pub use nesting::{Bounds, FOUND, OPERATORS_OF_IF, OWN, SCHEMA};
pub use once::each_once;
pub use problem::{At, Problem, Source};
pub use question::{
    Attribute, Described, EntityName, ExtensionKind, Question, TypeName, TypeNameError,
    Unanswerable,
};
pub use store::{Answer, Sources, Store};
pub use written::members;

/// Policies of one store, more of which are refused: each is evaluated for every question.
pub const POLICIES_MAX: usize = 10_000;

/// Entities of one store, more of which are refused.
pub const ENTITIES_MAX: usize = 10_000;

/// Attributes of an entity or of a context that a question may have.
pub const ATTRIBUTES_MAX: usize = 256;

/// Parents of an entity that a question may have.
pub const PARENTS_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
